"""Which requests have a slot: first come, first served, within the slots and the cells of the shared cache.

Those in the background come after all others: they are let in when nobody else waits, and where somebody does they are
paused, the newest first, and come back when there is room.

llama.cpp fails *every* request when the unified cache overflows, so it must not. A request is let in on its prompt and
a little headroom, not on all that it may generate; when the cells run short the newest one that can be is paused, and
comes back with its text so far as prompt. Pure bookkeeping; the caller holds a lock.
"""

from __future__ import annotations

from collections import deque

import msgspec

_STEPS = 4
"""Tokens that a slot may still add between the decision to pause a request and the pause."""


class _Active(msgspec.Struct):
    size: int
    background: bool = False
    pausing: bool = False
    held: bool = False


class Schedule:
    """`cells`: size of the shared cache in tokens."""

    def __init__(self, slots: int, cells: int) -> None:
        self._slots = slots
        self._cells = cells
        self._headroom = max(_STEPS, min(256, cells // (4 * slots)))
        self._queue: deque[tuple[int, int]] = deque()
        self._behind: deque[tuple[int, int]] = deque()
        """Those in the background."""
        self._active: dict[int, _Active] = {}
        self._used = 0

    @property
    def active(self) -> int:
        return len(self._active)

    @property
    def queued(self) -> int:
        return len(self._queue) + len(self._behind)

    def add(self, id: int, size: int, *, background: bool = False) -> None:
        """Put a request of `size` tokens at the end of its line."""
        (self._behind if background else self._queue).append((id, size))

    def requeue(self, id: int) -> None:
        """Take the slot of a paused request and put it at the head of its line."""
        line = self._behind if self._active[id].background else self._queue
        line.appendleft((id, self._free(id)))

    def withdraw(self, id: int) -> bool:
        """Take a request out of the line; False if it is not in it."""
        before = self.queued
        self._queue = deque(entry for entry in self._queue if entry[0] != id)
        self._behind = deque(entry for entry in self._behind if entry[0] != id)
        return self.queued < before

    def leave(self, id: int) -> None:
        """Free the slot of a request, if it has one."""
        if id in self._active:
            self._free(id)

    def admit(self) -> list[int]:
        """The requests that get a slot now."""
        admitted: list[int] = []
        while line := self._queue or self._behind:
            if len(self._active) >= self._slots or not self._fits(line[0][1]):
                break
            id, size = line.popleft()
            self._active[id] = _Active(size, background=line is self._behind)
            self._used += size
            admitted.append(id)
        return admitted

    def make_room(self) -> list[int]:
        """The requests to pause, for those that wait and are not in the background; call after `admit`."""
        leaving = sum(entry.pausing for entry in self._active.values())
        found: list[int] = []
        for id, entry in reversed(self._active.items()):
            if leaving + len(found) >= len(self._queue):
                break
            if entry.background and not (entry.pausing or entry.held):
                entry.pausing = True
                found.append(id)
        return found

    def hold(self, id: int, held: bool) -> None:
        """Whether a request is at a point where it had better not be paused."""
        if id in self._active:
            self._active[id].held = held

    def grow(self, id: int, tokens: int) -> int | None:
        """A request has generated `tokens` more; the request to pause, if the cells run short."""
        self._active[id].size += tokens
        self._used += tokens
        if len(self._active) == 1 or self._used + _STEPS * len(self._active) <= self._cells:
            return None
        if any(entry.pausing for entry in self._active.values()):
            return None
        free = [
            (entry.background, place, id) for place, (id, entry) in enumerate(self._active.items()) if not entry.held
        ]
        newest = max(free)[2] if free else next(reversed(self._active))
        self._active[newest].pausing = True
        return newest

    def _fits(self, size: int) -> bool:
        if not self._active:
            return True
        return self._used + size + self._headroom * (len(self._active) + 1) <= self._cells

    def _free(self, id: int) -> int:
        size = self._active.pop(id).size
        self._used -= size
        return size
