"""The calls of one step: approved, run at once, and each come to a result that the model reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing

from moonbase.agent.answering import Emit
from moonbase.agent.approval import Approve, proposed, refusal
from moonbase.agent.events import ApprovalAsked, Refused
from moonbase.agent.pausing import Pausable
from moonbase.agent.result import CallRecord
from moonbase.agent.toolbox import Toolbox
from moonbase.contract.events import ToolResult
from moonbase.contract.messages import Message, ToolCall
from moonbase.tools.calls import Calls
from moonbase.tools.tool import CallContext

_OWNER = "agent"


class Calling:
    """Runs calls with the tools of `toolbox`, after `approve` has been asked; `clock` stands still meanwhile."""

    def __init__(self, toolbox: Toolbox, approve: Approve | None, clock: Pausable, emit: Emit) -> None:
        self._toolbox, self._approve, self._clock, self._emit = toolbox, approve, clock, emit

    async def run(
        self, calls: Sequence[ToolCall], fitted: Callable[[ToolResult], ToolResult], keep: Callable[[Message], None]
    ) -> tuple[CallRecord, ...]:
        """What became of each call, in their order. `fitted` makes a result one that can be read; `keep` is given each
        as a message, as soon as it is there: whatever stops the others, what this call has done is known."""
        functions = self._toolbox.functions
        done: dict[str, ToolResult] = {}

        async def end(result: ToolResult) -> None:
            done[result.id] = result
            keep(_message(result))
            await self._emit(result)

        approved = await self._approved(calls, functions, end)
        running = Calls(self._toolbox, None, functions, CallContext(_OWNER))
        async with aclosing(running.results(approved)) as results:
            async for result in results:
                await end(fitted(result))
        return tuple(_record(call, done[call.id]) for call in calls)

    async def _approved(
        self,
        calls: Sequence[ToolCall],
        functions: Mapping[str, str],
        end: Callable[[ToolResult], Awaitable[None]],
    ) -> list[ToolCall]:
        """The calls that may run, asked about one after the other; the others end here."""
        if self._approve is None:
            return list(calls)
        approved: list[ToolCall] = []
        for call in calls:
            source = functions.get(call.function.name)
            # Of a function that there is not, nobody needs to be asked: the call will be told so.
            reason = await self._refusal(self._approve, call, source) if source else None
            if reason is None:
                approved.append(call)
                continue
            name = call.function.name
            await self._emit(Refused(call.id, name, reason))
            await end(ToolResult(call.id, name, source or "", f"Refused: {reason}", failed=True))
        return approved

    async def _refusal(self, approve: Approve, call: ToolCall, source: str) -> str | None:
        await self._emit(ApprovalAsked(call.id, call.function.name, call.function.arguments))
        with self._clock.paused():
            return await refusal(approve, proposed(call, source))


def _message(result: ToolResult) -> Message:
    return Message("tool", result.content, name=result.name, tool_call_id=result.id)


def _record(call: ToolCall, result: ToolResult) -> CallRecord:
    return CallRecord(
        call.id,
        call.function.name,
        call.function.arguments,
        result.content,
        result.failed,
        result.seconds,
        result.formula,
    )
