"""A chat engine that promises nothing: it gives one prepared answer after another, and notes how it was asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import NamedTuple

from moonbase.contract.events import (
    ArgumentsDelta,
    ContentDelta,
    Event,
    Failed,
    Finished,
    FinishReason,
    PromptRead,
    ReasoningDelta,
    ReasoningEnded,
    ToolCallOpened,
    Usage,
)
from moonbase.contract.media_formats import MediaKind
from moonbase.contract.request import ChatRequest

READ = PromptRead(10, 4)


class Take(NamedTuple):
    """One answer; every part of it is one token. `calls` are names and arguments."""

    content: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    reasoning: str = ""
    reason: FinishReason | None = None

    def events(self) -> list[Event]:
        events: list[Event] = [ReasoningDelta(word, 1) for word in self.reasoning.split()]
        thought = len(events)
        events += [ReasoningEnded(1)] if self.reasoning else []
        events += [ContentDelta(character, 1) for character in self.content]
        for index, (name, arguments) in enumerate(self.calls):
            events += [ToolCallOpened(index, f"{name}:{index}", name, 1), ArgumentsDelta(index, arguments, 1)]
        reason = self.reason or ("tool_calls" if self.calls else "stop")
        return [*events, Finished(reason, Usage(10, len(events) + 1, thought, 4))]


class Takes:
    """Gives its takes in order, the last one over and over."""

    context_length = None
    gives_logprobs = False
    enforces = False
    sees: frozenset[MediaKind] = frozenset()

    def __init__(self, *takes: Take | Failed) -> None:
        self._takes = takes
        self.asked: list[ChatRequest] = []

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def count(self, request: ChatRequest) -> int:
        return 10

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        take = self._takes[min(len(self.asked), len(self._takes) - 1)]
        self.asked.append(request)
        yield READ
        for event in [take] if isinstance(take, Failed) else take.events():
            yield event
