"""Answers that keep what was promised, from engines that promise nothing: checked, and asked for again.

Content that must fit a schema and tool calls are held back until they are whole and valid; reasoning and free content
stream as they come. Where an answer breaks what was asked for, the same request is made again with the tokens that are
left of its budget; the reasoning of a later try is counted and not shown.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from msgspec.structs import replace

from moonbase.contract.engine import AtOnce, Engine, EngineAround, at_once
from moonbase.contract.errors import UnexpectedOutput
from moonbase.contract.events import (
    ArgumentsDelta,
    ContentDelta,
    Event,
    Failed,
    Finished,
    PromptRead,
    Reasked,
    ReasoningDelta,
    ReasoningEnded,
    StepEnded,
    ToolCallOpened,
    ToolResult,
    Usage,
)
from moonbase.contract.request import ChatRequest, Sampling
from moonbase.engines.promises import Look, Promises, Validators, keeps_all, promised

_Held = ReasoningEnded | ContentDelta | ToolCallOpened | ArgumentsDelta
_Increment = TypeVar("_Increment", bound=ReasoningDelta | _Held)


class ReaskingEngine(EngineAround, AtOnce):
    """`engine`, whose broken answers are asked for again at most `tries` times, and then end as a failure."""

    def __init__(self, engine: Engine, *, tries: int) -> None:
        super().__init__(engine)
        self._tries = tries
        self._validators = Validators()

    @property
    def enforces(self) -> bool:
        return True

    def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        promises = None if self._engine.enforces else promised(request)
        if promises is None:
            return self._engine.stream(request)
        return self._choice(request, promises, 0) if request.n == 1 else self._choices(request, promises)

    def at_once(self, request: ChatRequest, events: list[Event]) -> Coroutine[Any, Any, None] | None:
        asked = at_once(self._engine, request, events) if request.n == 1 else None
        return asked if asked is None or self._engine.enforces else self._checked(asked, request, events)

    async def _checked(self, asked: Coroutine[Any, Any, None], request: ChatRequest, events: list[Event]) -> None:
        """The answer that `asked` gives, where it keeps what was promised; what comes of it, where it does not."""
        await asked
        # Most answers are free text: what others were promised need not be worked out for them.
        promises = None if keeps_all(request, events) else promised(request)
        if promises is None:
            return
        look = Look(promises, self._validators)
        for event in events:
            look.take(event)
        if isinstance(end := events[-1], Finished) and _fault(look, end) is None:
            return
        first = events.copy()
        events.clear()
        async for event in self._choice(request, promises, 0, first=first):
            events.append(event)

    async def _choices(self, request: ChatRequest, promises: Promises) -> AsyncGenerator[Event, None]:
        """Several answers, one after the other; the prompt is told of once."""
        for choice in range(request.n):
            async with aclosing(self._choice(_one_of(request, choice), promises, choice)) as events:
                async for event in events:
                    if not (choice and isinstance(event, PromptRead)):
                        yield event
                    if isinstance(event, Failed):
                        return

    async def _choice(
        self, request: ChatRequest, promises: Promises, choice: int, *, first: Sequence[Event] | None = None
    ) -> AsyncGenerator[Event, None]:
        """One answer, through as many tries as it takes; its usage is that of all of them. `first`: the events of the
        first try, where it has been made."""
        told = _Told()
        for tried in range(self._tries + 1):
            attempt = _Attempt(promises, Look(promises, self._validators), choice, told)
            made = self._engine.stream(request) if tried or first is None else _given(first)
            async with aclosing(made) as events:
                async for event in events:
                    for heard in attempt.take(event):
                        yield heard
            if attempt.ended:
                return
            left = request.max_tokens - attempt.spent.completion_tokens
            if tried == self._tries or left < 1:
                yield Failed(UnexpectedOutput(f"invalid state transition: {_complaint(attempt.fault, tried + 1)}"))
                return
            yield told.again(attempt.spent, choice)
            request = replace(request, max_tokens=left, sampling=_fresh(request))


class _Told:
    """What the client has been told of one answer so far, over all of its tries."""

    def __init__(self) -> None:
        self.first = True
        self.closed = self.said = False
        self.spent = Usage()
        """By the tries before this one."""
        self._tokens = self._reasoning = 0

    def tell(self, event: ReasoningDelta | _Held) -> list[Event]:
        self._tokens += event.tokens
        match event:
            case ReasoningDelta():
                self._reasoning += event.tokens
            case ReasoningEnded():
                self.closed = True
                self._reasoning += event.reasoning
            case ContentDelta():
                self.said = True
            case ToolCallOpened() | ArgumentsDelta():
                pass
        return [event]

    def again(self, spent: Usage, choice: int) -> Reasked:
        """Another try begins; the tokens of this one that no event has told of."""
        tokens, reasoning = spent.completion_tokens - self._tokens, spent.reasoning_tokens - self._reasoning
        self.first, self._tokens, self._reasoning = False, 0, 0
        self.spent = _sum(self.spent, spent)
        return Reasked(max(tokens, 0), choice, max(reasoning, 0))


class _Attempt:
    """One try. `ended`: there is nothing more to say to the client. `fault`: what is wrong with the answer."""

    def __init__(self, promises: Promises, look: Look, choice: int, told: _Told) -> None:
        self._promises, self._look, self._choice, self._told = promises, look, choice, told
        # Free content of the first try needs not wait, unless a call must come of the answer.
        self._free = told.first and promises.content is None and not promises.forced
        self._held: list[_Held] = []
        self.spent = Usage()
        self.fault = "it ended without saying why"
        self.ended = False

    def take(self, event: Event) -> list[Event]:
        """What can be told of `event` now."""
        match event:  # the most frequent first
            case ContentDelta() | ReasoningEnded() if self._free:
                return self._told.tell(self._own(event))
            case ReasoningDelta():
                return self._told.tell(self._own(event)) if self._told.first else []
            case PromptRead():
                return [event] if self._told.first else []
            case Failed():
                self.ended = True
                return [event]
            case Finished():
                return self._end(event)
            case Reasked() | StepEnded() | ToolResult():  # the last two are not an engine's
                return []
            case ReasoningEnded() | ContentDelta() | ToolCallOpened() | ArgumentsDelta():
                self._look.take(event)
                self._held.append(self._own(event))
                return []

    def _own(self, event: _Increment) -> _Increment:
        """`event`, as of the choice that this is of the client's."""
        return event if event.choice == self._choice else replace(event, choice=self._choice)

    def _end(self, end: Finished) -> list[Event]:
        self.spent = end.usage
        fault = _fault(self._look, end)
        if fault is not None:
            self.fault = fault
            return []
        self.ended = True
        usage = _sum(self._told.spent, end.usage)
        return [*filter(self._new, self._held), replace(end, usage=usage, choice=self._choice)]

    def _new(self, event: _Held) -> bool:
        """Whether `event` of a later try adds to what has been told: the reasoning ends once, and what stands beside
        the calls stood there before."""
        if isinstance(event, ReasoningEnded):
            return not self._told.closed
        return not (isinstance(event, ContentDelta) and self._told.said and self._look.calls)


def _fault(look: Look, end: Finished) -> str | None:
    """What is wrong with an answer. One that its budget cut is told as such; the client sees the finish reason
    (contract.md 2.1)."""
    return look.fault() if end.finish_reason in ("stop", "tool_calls") else None


async def _given(events: Sequence[Event]) -> AsyncGenerator[Event, None]:
    for event in events:
        yield event


def _complaint(fault: str, times: int) -> str:
    again = "" if times == 1 else f", each of {times} times that it was asked"
    return f"the model's answer does not fit what was asked for{again}: {fault}"


def _one_of(request: ChatRequest, choice: int) -> ChatRequest:
    seed = request.sampling.seed
    sampling = request.sampling if seed is None else replace(request.sampling, seed=seed + choice)
    return replace(request, n=1, sampling=sampling)


def _fresh(request: ChatRequest) -> Sampling:
    """Other draws: with the same seed the same answer would come again."""
    seed = request.sampling.seed
    return request.sampling if seed is None else replace(request.sampling, seed=seed + 7919)


def _sum(before: Usage, now: Usage) -> Usage:
    """The prompt is the request's, however often it is read."""
    return Usage(
        prompt_tokens=now.prompt_tokens,
        completion_tokens=before.completion_tokens + now.completion_tokens,
        reasoning_tokens=before.reasoning_tokens + now.reasoning_tokens,
        cached_tokens=before.cached_tokens if before.prompt_tokens else now.cached_tokens,
    )
