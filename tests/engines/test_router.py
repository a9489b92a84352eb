"""A pool of engines: who is asked, what is tried elsewhere, and what happens to one that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from moonbase.contract.engine import AtOnce
from moonbase.contract.errors import (
    ApiError,
    EngineOverloaded,
    InvalidRequest,
    NotFound,
    RateLimited,
    ServerError,
    Unavailable,
    UnexpectedOutput,
)
from moonbase.contract.events import ContentDelta, Event, Failed, Finished, PromptRead, Usage
from moonbase.contract.request import ChatRequest
from moonbase.engines.affinity import Affinity, beginnings
from moonbase.engines.router import RouterEngine
from moonbase.engines.scripted import ScriptedEngine
from tests.engines.http.asking import asking, events_of, failure_of
from tests.server.client import Json, user

EXTRAS: list[Json] = [{}, {"tools": [{"type": "function", "function": {"name": "look"}}]}, {"model": "kimi-k2.5"}]


class Engine(ScriptedEngine):
    """A scripted engine that fails as long as it has `failures`, waits for `gate`, and says who it is."""

    def __init__(self, name: str, *failures: ApiError, well: bool = True) -> None:
        super().__init__()
        self.name = name
        self.failures = list(failures)
        self.well = well
        self.asked = self.checked = 0
        self.arrivals = asyncio.Semaphore(0)
        self.found_well = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def check(self) -> bool:
        self.checked += 1
        if self.well:
            self.found_well.set()
        return self.well

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        self.asked += 1
        self.arrivals.release()
        yield PromptRead(3, 0)
        await self.gate.wait()
        if self.failures:
            yield Failed(self.failures.pop(0))
            return
        yield ContentDelta(self.name, 1)
        yield Finished("stop", Usage(3, 1))


class AtOnceEngine(Engine, AtOnce):
    """One that can give its answers in one piece."""

    async def at_once(self, request: ChatRequest, events: list[Event]) -> None:
        async for event in self.stream(request):
            events.append(event)


class Pauses:
    """Lets a test say when a pause is over; `lengths` are those that were asked for."""

    def __init__(self) -> None:
        self.lengths: list[float] = []
        self._over = asyncio.Event()
        self.begun = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.lengths.append(seconds)
        self.begun.set()
        await self._over.wait()
        self._over.clear()

    def end(self) -> None:
        self.begun.clear()
        self._over.set()


async def who(router: RouterEngine, request: ChatRequest | None = None) -> str:
    return "".join(event.text for event in await events_of(router, request) if isinstance(event, ContentDelta))


def turns(*texts: str) -> list[Json]:
    """A conversation whose every other message is the model's."""
    return [user(text) if at % 2 == 0 else {"role": "assistant", "content": text} for at, text in enumerate(texts)]


class TestChoosing:
    async def test_the_least_busy_is_asked(self) -> None:
        engines = [Engine("a"), Engine("b"), Engine("c")]
        for engine in engines:
            engine.gate.clear()
        router = RouterEngine(engines)
        asked = [asyncio.create_task(who(router, asking(user(f"{number}")))) for number in range(6)]
        for engine in engines * 2:
            await engine.arrivals.acquire()
        assert [engine.asked for engine in engines] == [2, 2, 2]
        for engine in engines:
            engine.gate.set()
        assert sorted(await asyncio.gather(*asked)) == ["a", "a", "b", "b", "c", "c"]
        await router.close()

    async def test_one_after_the_other_they_take_turns(self) -> None:
        router = RouterEngine([Engine("a"), Engine("b")])
        assert [await who(router, asking(user(f"{number}"))) for number in range(4)] == ["a", "b", "a", "b"]

    async def test_a_conversation_goes_where_it_was_read(self) -> None:
        router = RouterEngine([Engine("a"), Engine("b"), Engine("c")])
        first = await who(router, asking(*turns("Hi.")))
        await who(router, asking(*turns("Something else.")))
        later = [turns("Hi.", "Ho.", "And?"), turns("Hi.", "Ho.", "And?", "So.", "Then?"), turns("Hi.", "No.", "Well?")]
        assert [await who(router, asking(*messages)) for messages in later] == [first] * 3

    async def test_a_system_message_alone_ties_nobody(self) -> None:
        router = RouterEngine([Engine("a"), Engine("b")])
        system = {"role": "system", "content": "Be brief."}
        assert {await who(router, asking(system, user(f"{number}"))) for number in range(2)} == {"a", "b"}

    async def test_a_session_stays_together(self) -> None:
        """`prompt_cache_key` (contract.md 1.1)."""
        router = RouterEngine([Engine("a"), Engine("b"), Engine("c")])
        asked = [asking(user(f"{number}"), prompt_cache_key="s1") for number in range(4)]
        assert len({await who(router, request) for request in asked}) == 1

    async def test_not_at_any_price(self) -> None:
        """Too long a line outweighs what was read."""
        engines = [Engine("a"), Engine("b")]
        router = RouterEngine(engines)
        assert await who(router, asking(*turns("Hi."))) == "a"
        engines[0].gate.clear()
        busy = [asyncio.create_task(who(router, asking(*turns("Hi.", "Ho.", f"{number}")))) for number in range(5)]
        for _ in range(6):
            await engines[0].arrivals.acquire()
        assert await who(router, asking(*turns("Hi.", "Ho.", "And?"))) == "b"
        engines[0].gate.set()
        await asyncio.gather(*busy)


class TestFailing:
    @pytest.mark.parametrize(
        "error",
        [
            *(Unavailable("x"), ServerError("x"), UnexpectedOutput("x")),
            *(EngineOverloaded("x"), RateLimited("x"), NotFound("x")),
        ],
        ids=lambda error: type(error).__name__,
    )
    async def test_before_the_first_byte_another_is_asked(self, error: ApiError) -> None:
        router = RouterEngine([Engine("a", error), Engine("b")])
        events = await events_of(router)
        assert events == [PromptRead(3, 0), ContentDelta("b", 1), Finished("stop", Usage(3, 1))]
        await router.close()

    async def test_a_request_that_is_wrong_is_wrong_everywhere(self) -> None:
        engines = [Engine("a", InvalidRequest("no")), Engine("b")]
        assert isinstance(await failure_of(RouterEngine(engines)), InvalidRequest)
        assert engines[1].asked == 0

    async def test_after_it_the_answer_ends(self) -> None:
        class Dying(Engine):
            async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
                yield ContentDelta("It", 1)
                yield Failed(Unavailable("gone"), "server_interrupted")

        engines = [Dying("a"), Engine("b")]
        router = RouterEngine(engines)
        events = await events_of(router)
        assert [type(event) for event in events] == [ContentDelta, Failed]
        assert engines[1].asked == 0
        assert await who(router) == "b", "and it is left alone"
        await router.close()

    async def test_when_all_fail_the_last_one_is_told(self) -> None:
        router = RouterEngine([Engine("a", ServerError("one")), Engine("b", EngineOverloaded("two"))])
        assert (await failure_of(router)).message == "two"

    @pytest.mark.parametrize("kind", [Engine, AtOnceEngine])
    async def test_a_member_without_the_model_does_not_speak_for_one_that_is_not_well(self, kind: type[Engine]) -> None:
        """A client that reads 404 does not come again; one that reads 503 does."""
        lacks = kind("b", *(NotFound("no such model"),) * 2)
        router = RouterEngine([kind("a", Unavailable("gone")), lacks], pause=Pauses())
        assert (await failure_of(router)).message == "gone"
        assert router.standings[0].resting
        assert (await failure_of(router)).status == 503
        assert lacks.asked == 2
        await router.close()
        without = RouterEngine([kind("a", NotFound("not here")), kind("b", NotFound("nor here"))])
        assert (await failure_of(without)).status == 404

    async def test_an_answer_in_one_piece(self) -> None:
        """As the same answers in pieces: what fails before it begins is tried elsewhere, and nothing of it is told."""
        router = RouterEngine([AtOnceEngine("a", ServerError("one")), AtOnceEngine("b")])
        events = await events_of(router)
        assert events == [PromptRead(3, 0), ContentDelta("b", 1), Finished("stop", Usage(3, 1))]
        engines = [AtOnceEngine("a", InvalidRequest("no")), AtOnceEngine("b")]
        assert isinstance(await failure_of(RouterEngine(engines)), InvalidRequest)
        assert engines[1].asked == 0
        both = RouterEngine([AtOnceEngine("a", ServerError("one")), AtOnceEngine("b", EngineOverloaded("two"))])
        assert [str(event.error) for event in await events_of(both) if isinstance(event, Failed)] == ["two"]
        await both.close()

    async def test_one_piece_that_broke_off(self) -> None:
        class Dying(AtOnceEngine):
            async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
                yield ContentDelta("It", 1)
                yield Failed(Unavailable("gone"), "server_interrupted")

        router = RouterEngine([Dying("a"), AtOnceEngine("b")])
        assert [type(event) for event in await events_of(router)] == [ContentDelta, Failed]
        assert await who(router) == "b", "and it is left alone"
        await router.close()

    async def test_counting_too(self) -> None:
        class Countless(Engine):
            async def count(self, request: ChatRequest) -> int:
                raise Unavailable("gone")

        router = RouterEngine([Countless("a"), Engine("b")])
        assert await router.count(asking()) == await Engine("b").count(asking())
        await router.close()


class TestRecovering:
    async def test_one_that_is_gone_is_left_alone_until_it_is_well(self) -> None:
        pauses = Pauses()
        sick, other = Engine("a", Unavailable("gone"), well=False), Engine("b")
        router = RouterEngine([sick, other], pause=pauses)
        assert [await who(router, asking(user(f"{number}"))) for number in range(4)] == ["b"] * 4
        assert sick.asked == 1
        await pauses.begun.wait()
        pauses.end()
        await pauses.begun.wait()
        assert sick.checked == 1, "it was looked at, and is not well yet"
        sick.well = True
        pauses.end()
        await sick.found_well.wait()
        assert "a" in {await who(router, asking(user(f"Again {number}"))) for number in range(2)}
        assert 0 < pauses.lengths[0] < pauses.lengths[1] * 3
        assert sick.checked == 2
        await router.close()

    async def test_an_odd_failure_is_forgiven(self) -> None:
        sick, other = Engine("a", ServerError("x")), Engine("b")
        router = RouterEngine([sick, other])
        assert [await who(router, asking(user(f"{number}"))) for number in range(3)] == ["b", "a", "b"]

    async def test_three_in_a_row_are_not(self) -> None:
        sick = Engine("a", *[ServerError("x")] * 9)
        router = RouterEngine([sick, Engine("b")], pause=Pauses())
        for number in range(12):
            assert await who(router, asking(user(f"{number}"))) == "b"
        assert sick.asked == 3
        await router.close()

    async def test_retry_after_is_obeyed(self) -> None:
        """contract.md 4.2."""
        pauses = Pauses()
        router = RouterEngine([Engine("a", RateLimited("x", headers={"Retry-After": "17"})), Engine("b")], pause=pauses)
        await who(router)
        await pauses.begun.wait()
        assert pauses.lengths == [17.0]
        await router.close()

    async def test_where_all_are_at_rest_one_is_asked_all_the_same(self) -> None:
        engines = [Engine(name, Unavailable("gone"), Unavailable("still gone"), well=False) for name in "ab"]
        router = RouterEngine(engines, pause=Pauses())
        assert (await failure_of(router)).message == "gone"
        assert (await failure_of(router)).message == "still gone"
        assert sum(engine.asked for engine in engines) == 3
        await router.close()

    async def test_one_that_is_not_there_at_the_start(self) -> None:
        sick = Engine("a", well=False)
        router = RouterEngine([sick, Engine("b")], pause=Pauses())
        await router.start()
        assert {await who(router, asking(user(f"{number}"))) for number in range(3)} == {"b"}
        assert sick.asked == 0
        await router.close()


class TestAffinity:
    def test_the_longest_beginning_counts(self) -> None:
        affinity = Affinity()
        affinity.read(beginnings(asking(*turns("Hi."))), 0)
        affinity.read(beginnings(asking(*turns("Hi.", "Ho.", "And?"))), 1)
        assert affinity.reader(beginnings(asking(*turns("Hi.", "Ho.", "And?", "So.", "Then?")))) == 1
        assert affinity.reader(beginnings(asking(*turns("Hi.", "No.", "Then?")))) == 1
        assert affinity.reader(beginnings(asking(*turns("Ho.")))) is None

    def test_tools_and_models_are_part_of_it(self) -> None:
        marks = [beginnings(asking(**extra)) for extra in EXTRAS]
        assert len({mark for each in marks for mark in each}) == 3

    def test_reasoning_is_not(self) -> None:
        said: Json = {"role": "assistant", "content": "Ho."}
        thought = {**said, "reasoning_content": "Hm."}
        assert beginnings(asking(user("Hi."), said, user("x"))) == beginnings(asking(user("Hi."), thought, user("x")))

    def test_it_forgets_the_oldest(self) -> None:
        affinity = Affinity(size=2)
        for number in range(3):
            affinity.read([b"%d" % number], number)
        assert [affinity.reader([b"%d" % number]) for number in range(3)] == [None, 1, 2]


def test_what_a_pool_can_do_is_what_each_can() -> None:
    small, large = ScriptedEngine(context=100), ScriptedEngine(context=200)
    for engine in (small, large):
        engine.name, engine.check = "x", Engine("x").check  # type: ignore[attr-defined]
    router = RouterEngine([small, large])  # type: ignore[list-item]
    assert router.context_length == 100
    assert router.sees == {"image", "video"}
    assert router.gives_logprobs
    assert router.enforces
