"""Slots and cells: who is let in, and who is paused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moonbase.engines.llama.schedule import Schedule


def test_first_come_first_served_within_the_slots() -> None:
    schedule = Schedule(slots=2, cells=10_000)
    for id in (1, 2, 3, 4):
        schedule.add(id, 100)
    assert schedule.admit() == [1, 2]
    assert schedule.admit() == []
    schedule.leave(2)
    assert schedule.admit() == [3]
    assert (schedule.active, schedule.queued) == (2, 1)


def test_a_request_that_does_not_fit_holds_its_place() -> None:
    schedule = Schedule(slots=4, cells=1000)
    schedule.add(1, 600)
    schedule.add(2, 500)
    schedule.add(3, 10)
    assert schedule.admit() == [1], "3 would fit, but 2 came first"
    schedule.leave(1)
    assert schedule.admit() == [2, 3]


def test_one_request_may_have_all_cells() -> None:
    schedule = Schedule(slots=4, cells=1000)
    schedule.add(1, 999)
    assert schedule.admit() == [1]
    assert schedule.grow(1, 1) is None, "alone, there is nobody to pause"


def test_the_newest_request_is_paused_once_when_cells_run_short() -> None:
    schedule = Schedule(slots=4, cells=1000)
    for id in (1, 2):
        schedule.add(id, 300)
    assert schedule.admit() == [1, 2]
    assert schedule.grow(1, 390) is None
    assert schedule.grow(1, 3) == 2
    assert schedule.grow(1, 1) is None, "it is on its way out already"
    schedule.requeue(2)
    schedule.add(3, 1)
    assert schedule.admit() == [], "the paused request is first in line, and does not fit yet"
    schedule.leave(1)
    assert schedule.admit() == [2, 3]


def test_a_withdrawn_request_leaves_the_line_only() -> None:
    schedule = Schedule(slots=1, cells=1000)
    schedule.add(1, 10)
    schedule.admit()
    schedule.add(2, 10)
    assert schedule.withdraw(2)
    assert not schedule.withdraw(2)
    assert not schedule.withdraw(1)
    schedule.leave(2)
    assert (schedule.active, schedule.queued) == (1, 0)


def test_the_background_comes_after_all_others() -> None:
    schedule = Schedule(slots=1, cells=10_000)
    schedule.add(1, 100, background=True)
    schedule.add(2, 100, background=True)
    schedule.add(3, 100)
    assert schedule.admit() == [3]
    assert schedule.make_room() == []
    schedule.leave(3)
    assert schedule.admit() == [1]
    assert schedule.make_room() == [], "nobody in front waits"
    assert schedule.withdraw(2)
    assert (schedule.active, schedule.queued) == (1, 0)


def test_the_background_is_paused_for_who_waits_and_comes_back() -> None:
    schedule = Schedule(slots=2, cells=10_000)
    schedule.add(1, 100, background=True)
    schedule.add(2, 100, background=True)
    assert schedule.admit() == [1, 2]
    schedule.add(3, 100)
    assert schedule.admit() == []
    assert schedule.make_room() == [2], "one for one, the newest first"
    assert schedule.make_room() == [], "it is on its way out already"
    schedule.requeue(2)
    assert schedule.admit() == [3]
    schedule.add(4, 100)
    schedule.hold(1, True)
    assert schedule.make_room() == [], "it had better not be paused now"
    schedule.hold(1, False)
    assert schedule.make_room() == [1]
    schedule.requeue(1)
    assert schedule.admit() == [4]
    schedule.leave(3)
    assert schedule.admit() == [1], "the one that was paused last has most to lose"
    schedule.leave(4)
    assert schedule.admit() == [2]


def test_the_background_makes_room_in_the_cells_too() -> None:
    schedule = Schedule(slots=4, cells=1000)
    schedule.add(1, 400, background=True)
    schedule.add(2, 300)
    assert schedule.admit() == [2, 1]
    schedule.add(3, 500)
    assert schedule.admit() == []
    assert schedule.make_room() == [1]
    schedule.requeue(1)
    assert schedule.admit() == [3]


def test_the_background_is_paused_first_when_cells_run_short() -> None:
    schedule = Schedule(slots=4, cells=1000)
    schedule.add(1, 300, background=True)
    assert schedule.admit() == [1]
    schedule.add(2, 300)
    assert schedule.admit() == [2]
    assert schedule.grow(2, 393) == 1


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(0, 600)), min_size=1, max_size=30), st.integers(1, 8))
def test_everyone_is_served_and_the_cells_never_overflow(wishes: list[tuple[int, int]], slots: int) -> None:
    """Each wish: prompt tokens and tokens to generate, together within the cells as the engine's limit sees to."""
    cells = 1024
    left = {id: min(answer, cells - prompt) for id, (prompt, answer) in enumerate(wishes)}
    sizes = {id: prompt for id, (prompt, _) in enumerate(wishes)}
    schedule = Schedule(slots, cells)
    for id, size in sizes.items():
        schedule.add(id, size)
    running: list[int] = []
    while left:
        running += schedule.admit()
        assert running, "someone can always run"
        for id in list(running):
            if left[id] == 0:
                schedule.leave(id)
                running.remove(id)
                del left[id]
                continue
            left[id] -= 1
            sizes[id] += 1
            if (paused := schedule.grow(id, 1)) is not None:
                schedule.requeue(paused)
                running.remove(paused)
                break
        assert sum(sizes[id] for id in running) <= cells
