"""The whole loop of one request on the server: the model answers, its calls are run, it reads the results, and so on.

`ToolLoop.stream` is to the server what an engine's stream is: events, of which a failure is one, in the order that
`contract.events` tells.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Container, Sequence
from contextlib import aclosing

from msgspec.structs import replace

from moonbase.contract.engine import Engine
from moonbase.contract.events import Event, Finished, StepEnded, ToolResult, Usage
from moonbase.contract.fold import plus
from moonbase.contract.loop import step_messages
from moonbase.contract.request import ChatRequest
from moonbase.contract.response import AssistantMessage
from moonbase.tools.calls import Calls
from moonbase.tools.room import Room
from moonbase.tools.step import Step


class ToolLoop:
    """Answers with `engine`, which is asked `steps` times at most; the last time it may not call. `runs`: the functions
    whose calls are run here; a step that calls another is the last, and all its calls are the client's. None runs all.
    """

    def __init__(self, engine: Engine, calls: Calls, *, steps: int, runs: Container[str] | None = None) -> None:
        self._engine, self._calls, self._steps, self._runs = engine, calls, steps, runs

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """The events of the whole loop. Closing this stops the generation and the tools at once."""
        asked, spent, calls_made = request, Usage(), 0
        for left in range(self._steps - 1, -1, -1):
            step = Step(asked if left else replace(asked, tool_choice="none"), calls_made)
            async with aclosing(step.read(self._engine)) as events:
                async for event in events:
                    yield event
            end = step.end
            if end is None:
                return
            spent = plus(end.usage, [spent])
            if not step.calls:
                yield Finished(step.reason, spent, token_ids=end.token_ids)
                return
            if self._runs is not None and any(call.function.name not in self._runs for call in step.calls):
                yield Finished("tool_calls", spent, token_ids=end.token_ids)
                return
            yield StepEnded(end.finish_reason, end.usage, end.token_ids)
            results: list[ToolResult] = []
            async with aclosing(self._results(asked, step, end.usage, results)) as told:
                async for result in told:
                    yield result
            asked = _following(asked, step.message, results, end.usage)
            calls_made += len(step.calls)
            if asked.max_tokens < 1:
                yield Finished("length", spent)
                return

    async def _results(
        self, asked: ChatRequest, step: Step, usage: Usage, results: list[ToolResult]
    ) -> AsyncGenerator[ToolResult, None]:
        """The results of the step's calls, as they come; `results` gathers them."""
        room = Room(self._engine, asked, step.message, usage)
        async with aclosing(self._calls.results(step.calls)) as runs:
            async for ran in runs:
                result = await room.fitted(ran, results)
                results.append(result)
                yield result


def _following(
    asked: ChatRequest, message: AssistantMessage, results: Sequence[ToolResult], usage: Usage
) -> ChatRequest:
    """The next step's request: the conversation with the step and its results, and what is left of the budget. A call
    is forced in the first step only."""
    return replace(
        asked,
        messages=(*asked.messages, *step_messages(message, results, opened=True)),
        tool_choice="none" if asked.tool_choice == "none" else "auto",
        max_tokens=asked.max_tokens - usage.completion_tokens,
    )
