"""A stream's frames to events: `chunks` the other way round, for streams of ours and of other servers.

What varies between servers is taken as it comes: `reasoning` for `reasoning_content`, usage at the top or in
`choices[0]`, null members, frames without choices, a call's name and arguments in one frame (contract.md 2.4, 2.5, 9A).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from moonbase.contract.errors import ApiError, UnexpectedOutput
from moonbase.contract.events import (
    ContentDelta,
    Event,
    Failed,
    PromptRead,
    ReasoningDelta,
    StepEnded,
    ToolResult,
    Usage,
)
from moonbase.contract.reading_choice import ChoiceReader, Delta, as_reason
from moonbase.contract.reading_errors import failure_of, failure_of_reason
from moonbase.contract.reading_frame import Frame, FrameUsage, LoopTold, decode, without_odd_numbers
from moonbase.contract.reading_run import Run, begin_run

DONE = b"[DONE]"
_TRIES = 3
"""Runs that may come to nothing, one after the other, before no more are begun: some streams have none."""

_NOTHING = Delta()


def _name_and_index(name: str, index: int) -> str:
    """One of the forms of contract.md 2.3; unique within an answer, not within a conversation."""
    return f"{name}:{index}"


class StreamReader:
    """Sans-I/O: `feed` the `data` payloads of one stream in order, then `close`; both give events. An answer that is
    not streamed is read as a frame too.

    Never raises: a frame that is no chunk, a frame that holds an error, and a stream that ends before its answer does
    become a `Failed`, after which nothing follows. The events obey the order of `events`: reasoning that follows
    content, and content that follows a call, are left out. `PromptRead` comes only where its counts are known before
    the answer: from `prompt` (the headers of contract.md 2.2) or from counts on the first frame. `call_id` names calls
    that came without an id, from the function's name and the call's index.
    """

    def __init__(
        self, prompt: PromptRead | None = None, *, call_id: Callable[[str, int], str] = _name_and_index
    ) -> None:
        self.id = ""
        self.model = ""
        self._call_id = call_id
        self._choices: dict[int, ChoiceReader] = {}
        self._prompt = prompt
        self._began = self._stepped = False
        self._over = False
        self._run: Run | None = None
        self._tries = _TRIES

    def feed(self, payload: bytes) -> list[Event]:
        if self._over:
            return []
        if self._run is not None:
            event = self._run.take(payload)
            if event is not None:
                self._tries = _TRIES
                return [event]
            self._run = None
        if payload.strip() == DONE:
            return self._end(done=True)
        try:
            frame = decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            mended = without_odd_numbers(payload)
            if mended != payload:
                return self.feed(mended)
            return self._fail(
                UnexpectedOutput(f"invalid state transition: the stream has a frame that is none: {error}")
            )
        if frame.error is not None:
            return self._fail(failure_of(frame.error))
        self.id, self.model = self.id or frame.id or "", self.model or frame.model or ""
        events = self._read(frame) if self._began else [*self._begin(frame), *self._read(frame)]
        if frame.x_moonbase is not None:
            return [*events, *self._told(frame.x_moonbase)]
        if len(events) != 1 or not isinstance(events[0], ContentDelta | ReasoningDelta):
            self._tries = _TRIES  # what follows is of another kind
        elif self._tries:
            self._run = begin_run(payload, frame, self._choices[events[0].choice])
            self._tries -= 1
        return events

    def close(self) -> list[Event]:
        """The stream has ended. Without `[DONE]` an answer that ended for an abnormal reason counts as failed."""
        return [] if self._over else self._end(done=False)

    def _begin(self, frame: Frame) -> list[Event]:
        """`PromptRead`, with the first frame or not at all."""
        self._began = True
        if self._prompt is None and frame.usage is not None and frame.choices:
            counts = frame.usage.counts()
            self._prompt = PromptRead(counts.prompt_tokens, counts.cached_tokens)
        return [] if self._prompt is None else [self._prompt]

    def _read(self, frame: Frame) -> list[Event]:
        events: list[Event] = []
        top = frame.usage.counts() if frame.usage else None
        for choice in frame.choices or []:
            index = choice.index or 0
            reader = self._choices.get(index)
            if reader is None:
                reader = self._choices[index] = ChoiceReader(index, self._call_id)
            counts = choice.usage.counts() if choice.usage else top
            delta = choice.delta or _NOTHING if choice.message is None else choice.message.whole()
            events += reader.read(delta, choice.finish_reason or None, counts, choice.logprobs, choice.token_ids)
        if top is not None and not frame.choices:
            events += self._share(top)
        return events

    def _told(self, loop: LoopTold) -> list[Event]:
        """What a server that runs the calls itself tells of it; it does so for one choice."""
        if not self._choices:
            return []
        index, reader = next(iter(self._choices.items()))
        events: list[Event] = []
        if loop.step is not None and not reader.waiting and not reader.ended:
            counts = (loop.step.usage or FrameUsage()).counts()
            closing, self._choices[index] = reader.next_step()
            events += [*closing, StepEnded(as_reason(loop.step.finish_reason or "tool_calls"), counts)]
            self._stepped = True
        if (told := loop.tool_result) is not None and self._stepped:
            failed = told.status == "failed"
            events.append(ToolResult(told.tool_call_id, told.name, told.formula, told.content, failed, told.seconds))
        return events

    def _share(self, total: Usage) -> list[Event]:
        """Counts of the whole request: what no choice has reported belongs to the first that waits for its own."""
        events: list[Event] = []
        for reader in self._choices.values():
            if reader.waiting:
                known = [other.counts for other in self._choices.values() if other.ended]
                completion = total.completion_tokens - sum(counts.completion_tokens for counts in known)
                reasoning = total.reasoning_tokens - sum(counts.reasoning_tokens for counts in known)
                events.append(
                    reader.finish(
                        Usage(total.prompt_tokens, max(completion, 0), max(reasoning, 0), total.cached_tokens)
                    )
                )
        return events

    def _end(self, *, done: bool) -> list[Event]:
        events: list[Event] = []
        prompt = self._prompt or PromptRead(0, 0)
        for reader in self._choices.values():
            if reader.waiting:
                counts = reader.counts
                events.append(
                    reader.finish(
                        msgspec.structs.replace(
                            counts, prompt_tokens=prompt.prompt_tokens, cached_tokens=prompt.cached_tokens
                        )
                    )
                )
        if not self._choices or not all(reader.ended for reader in self._choices.values()):
            return [*events, *self._fail(UnexpectedOutput(_UNFINISHED))]
        self._over = True
        if not done:
            events += [*filter(None, (failure_of_reason(reader.reason) for reader in self._choices.values()))][:1]
        return events

    def _fail(self, error: ApiError | Failed) -> list[Event]:
        self._over = True
        return [error if isinstance(error, Failed) else Failed(error)]


_UNFINISHED = "invalid state transition: the stream ended before its answer was finished"
