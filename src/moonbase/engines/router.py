"""A pool of engines as one: each request goes where its conversation was read before, or where least is to do; what
fails before its first byte is tried elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Generator, Sequence
from contextlib import aclosing, contextmanager
from typing import Any, Protocol

from moonbase.contract.engine import AtOnce, Engine, at_once
from moonbase.contract.errors import NotFound, Unavailable
from moonbase.contract.events import Event, Failed, PromptRead
from moonbase.contract.media_formats import MediaKind
from moonbase.contract.readings import UPSTREAM_IN_PROGRESS, UPSTREAM_LEFT_ALONE, Reading, Watched, readings
from moonbase.contract.request import ChatRequest
from moonbase.engines.affinity import Affinity, Marks, beginnings
from moonbase.engines.http.body import comes_in_frames
from moonbase.engines.standing import PASSING, Pause, Standing

_PATIENCE = 4
"""How many more requests than the least busy an engine may have before the others get what it has read. Reading a
prompt again costs about as much as a few places in line."""


class Member(Engine, Protocol):
    """An engine that can say whether it is well. `name` is for the operator."""

    @property
    def name(self) -> str: ...

    async def check(self) -> bool: ...


class RouterEngine(AtOnce, Watched):
    """`members` as one engine, which can do what each of them can."""

    def __init__(self, members: Sequence[Member], *, pause: Pause = asyncio.sleep) -> None:
        self.members: Sequence[Member] = tuple(members)
        self.standings = [Standing(member.name, member.check, pause=pause) for member in members]
        """How each of them stands, in the order of `members`."""
        self._affinity = Affinity()

    async def start(self) -> None:
        """Look at each; one that is not there yet is looked at again until it is."""
        well = await asyncio.gather(*(member.check() for member in self.members))
        for standing, is_well in zip(self.standings, well, strict=True):
            if not is_well:
                standing.rest()

    async def close(self) -> None:
        await asyncio.gather(*(standing.close() for standing in self.standings))
        await asyncio.gather(*(member.close() for member in self.members))

    @property
    def context_length(self) -> int | None:
        return min(filter(None, (member.context_length for member in self.members)), default=None)

    @property
    def sees(self) -> frozenset[MediaKind]:
        return frozenset[MediaKind].intersection(*(member.sees for member in self.members))

    @property
    def gives_logprobs(self) -> bool:
        return all(member.gives_logprobs for member in self.members)

    @property
    def enforces(self) -> bool:
        return all(member.enforces for member in self.members)

    async def readings(self) -> list[Reading]:
        found = [reading for each in await asyncio.gather(*map(readings, self.members)) for reading in each]
        for standing in self.standings:
            found.append(Reading(UPSTREAM_LEFT_ALONE, standing.resting, (standing.name,)))
            found.append(Reading(UPSTREAM_IN_PROGRESS, standing.in_flight, (standing.name,)))
        return found

    async def count(self, request: ChatRequest) -> int:
        order = self._order([])
        failure = self._unasked(order)
        for index in order:
            try:
                return await self.members[index].count(request)
            except PASSING as error:
                self.standings[index].failed(error)
                failure = _graver(failure, Failed(error))
        raise (failure or Failed(_nobody())).error

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        marks = beginnings(request)
        order = self._order(marks)
        failure, answered = self._unasked(order), False
        for index in order:
            with self._serving(index):
                async with aclosing(self._attempt(index, request, marks)) as events:
                    async for event in events:
                        if isinstance(event, _Refused):
                            failure = _graver(failure, event.failure)
                        else:
                            yield event
                            answered = True
            if answered:
                return
        yield failure or Failed(_nobody())

    def at_once(self, request: ChatRequest) -> Coroutine[Any, Any, list[Event]] | None:
        if comes_in_frames(request) or not all(isinstance(member, AtOnce) for member in self.members):
            return None
        return self._at_once(request)

    async def _at_once(self, request: ChatRequest) -> list[Event]:
        """As `stream`: of a member that fails before it says anything nothing is told."""
        marks = beginnings(request)
        order = self._order(marks)
        told = self._unasked(order)
        for index in order:
            standing = self.standings[index]
            with self._serving(index):
                events = await _all(self.members[index], request)
            last = events[-1]
            failure = last if isinstance(last, Failed) and isinstance(last.error, PASSING) else None
            if failure is not None and all(isinstance(event, PromptRead | Failed) for event in events):
                standing.failed(failure.error)
                told = _graver(told, failure)
                continue
            standing.succeeded()
            self._affinity.read(marks, index)
            if failure is not None:
                standing.failed(failure.error)
            return events
        return [told or Failed(_nobody())]

    async def _attempt(self, index: int, request: ChatRequest, marks: Marks) -> AsyncGenerator[Event | _Refused, None]:
        """The answer of one member; or, before anything of it, why there is none and another may be asked."""
        standing, prompt = self.standings[index], None
        async with aclosing(self.members[index].stream(request)) as events:
            async for event in events:
                if isinstance(event, PromptRead) and prompt is None:
                    prompt = event
                    continue
                if isinstance(event, Failed) and isinstance(event.error, PASSING):
                    standing.failed(event.error)
                    yield _Refused(event)
                    return
                standing.succeeded()
                self._affinity.read(marks, index)
                if prompt is not None:
                    yield prompt
                yield event
                break
            async for event in events:
                if isinstance(event, Failed) and isinstance(event.error, PASSING):
                    standing.failed(event.error)
                yield event

    def _order(self, marks: Marks) -> list[int]:
        """Whom to ask, best first. Those at rest are left out, unless all are: then the one that is least busy is asked
        all the same, so that the client gets a real answer or a real error."""
        well = [index for index, standing in enumerate(self.standings) if not standing.resting]
        order = sorted(well or range(len(self.members)), key=self._business)
        if not well:
            return order[:1]
        reader = self._affinity.reader(marks)
        if reader in order and self._load(reader) <= self._load(order[0]) + _PATIENCE:
            order.remove(reader)
            order.insert(0, reader)
        return order

    def _unasked(self, order: list[int]) -> Failed | None:
        """What to tell of those that are left out of `order`."""
        return Failed(_nobody()) if len(order) < len(self.members) else None

    def _load(self, index: int) -> int:
        return self.standings[index].in_flight

    def _business(self, index: int) -> tuple[int, int]:
        standing = self.standings[index]
        return standing.in_flight, standing.served

    @contextmanager
    def _serving(self, index: int) -> Generator[None]:
        standing = self.standings[index]
        standing.in_flight, standing.served = standing.in_flight + 1, standing.served + 1
        try:
            yield
        finally:
            standing.in_flight -= 1


async def _all(member: Member, request: ChatRequest) -> list[Event]:
    asked = at_once(member, request)
    return [event async for event in member.stream(request)] if asked is None else await asked


class _Refused:
    def __init__(self, failure: Failed) -> None:
        self.failure = failure


def _graver(before: Failed | None, last: Failed) -> Failed:
    """Which failure to tell: the last, but that a member lacks the model says nothing while another is not well."""
    return before if before is not None and isinstance(last.error, NotFound) else last


def _nobody() -> Unavailable:
    return Unavailable("no engine of this model is available at the moment, please try again later")
