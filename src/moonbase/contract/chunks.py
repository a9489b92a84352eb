"""Events to the chunks of a stream, by the rules of contract.md 2.4 and 2.5."""

from __future__ import annotations

import msgspec

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
)
from moonbase.contract.fold import Fold
from moonbase.contract.frames import LoopFrame
from moonbase.contract.logprobs import Logprobs
from moonbase.contract.loop import end_frame, result_frame, step_frame
from moonbase.contract.messages import call_type
from moonbase.contract.response import usage_body

Increment = ReasoningDelta | ReasoningEnded | ContentDelta | ToolCallOpened | ArgumentsDelta

_encode = msgspec.json.Encoder().encode
_NO_CONTENT = b'{"content":""}'


class ChunkWriter:
    """Writes one stream. Every chunk is one JSON object with exactly one choice; `summary` alone has none.

    `boundary`: whether an empty `reasoning_content` closes the reasoning (a fact of the model's card). `continuous`:
    the counts so far stand at the top of every chunk. `token_ids`: every increment has the ids of its tokens as
    `internal_content`; ids that come after the last increment get one without text, for the end chunk's delta is empty.
    `loop`: the server runs the calls, and the chunks tell of it in `x_moonbase`, beside an increment without text.
    `choices`: how many were asked for; a failure ends all that have not ended.
    """

    def __init__(
        self,
        *,
        id: str,
        created: int,
        model: str,
        boundary: bool,
        continuous: bool = False,
        token_ids: bool = False,
        loop: bool = False,
        choices: int = 1,
    ) -> None:
        head = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._head = _encode(head)[:-1] + b',"choices":['
        self._boundary = boundary
        self._continuous = continuous
        self._token_ids = token_ids
        self._loop = loop
        self._choices = choices
        self._prefix: dict[int, bytes] = {}
        # By choice: ids that no chunk has carried yet, and an increment without text of the kind that came last.
        self._waiting: dict[int, tuple[int, ...]] = {}
        self._empty: dict[int, bytes] = {}
        self.fold = Fold()
        """The answer so far, as it would be if it were not streamed."""

    def write(self, event: Event) -> list[bytes]:
        """The chunks (JSON, no SSE framing) that `event` becomes."""
        if not isinstance(event, Failed):
            self.fold.add(event)
        match event:
            case ReasoningDelta():
                return self._delta(event, b'{"reasoning_content":' + _encode(event.text) + b"}")
            case ContentDelta():
                logprobs = _logprobs(event) if event.logprobs else b""
                return self._delta(event, b'{"content":' + _encode(event.text) + b"}", logprobs)
            case ReasoningEnded():
                # An empty frame also says "reasoned, but empty", without which a client that replays the answer lacks
                # the field (contract.md 3, 9A).
                if self._boundary or not self.fold.has_reasoning(event.choice):
                    return self._delta(event, b'{"reasoning_content":""}')
                self._wait(event)
                return []
            case ToolCallOpened():
                function = b'{"name":' + _encode(event.name) + b',"arguments":""}'
                call = b'{"index":%d,"id":%b,"type":"%b","function":%b}'
                kind = call_type(event.name).encode()
                return self._call(event, call % (event.index, _encode(event.id), kind, function))
            case ArgumentsDelta():
                call = b'{"index":%d,"function":{"arguments":%b}}' % (event.index, _encode(event.text))
                return self._call(event, call)
            case Finished():
                return self._end(event)
            case StepEnded():
                return [*self._late_ids(0, event.token_ids), *self._tell(step_frame(event))]
            case ToolResult():
                return self._tell(result_frame(event))
            case Failed():
                return self._fail(event)
            case PromptRead() | Reasked():
                return []

    def open(self, choice: int) -> bytes | None:
        """The choice's first chunk (its role), if it has not been written yet."""
        if choice in self._prefix:
            return None
        self._prefix[choice] = self._head + b'{"index":%d,"delta":' % choice
        return self._prefix[choice] + b'{"role":"assistant","content":""},"finish_reason":null}]' + self._close(choice)

    def summary(self) -> bytes:
        """The chunk that `stream_options.include_usage` asks for, after every choice has ended."""
        return self._head + b'],"usage":' + _encode(usage_body(self.fold.usage())) + b"}"

    def _delta(self, event: Increment, delta: bytes, logprobs: bytes = b"") -> list[bytes]:
        choice = event.choice
        first = None if choice in self._prefix else self.open(choice)
        if self._token_ids:
            self._wait(event)
            delta = self._with_ids(choice, delta)
        last = self._close(choice) if self._continuous else b"}"
        chunk = b"".join((self._prefix[choice], delta, logprobs, b',"finish_reason":null}]', last))
        return [chunk] if first is None else [first, chunk]

    def _wait(self, event: Increment) -> None:
        choice = event.choice
        self._waiting[choice] = self._waiting.get(choice, ()) + event.token_ids
        self._empty[choice] = _empty(event)

    def _with_ids(self, choice: int, delta: bytes) -> bytes:
        ids = self._waiting.pop(choice, ())
        return delta[:-1] + b',"internal_content":{"token_ids":' + _encode(ids) + b"}}"

    def _close(self, choice: int) -> bytes:
        return b',"usage":' + _encode(usage_body(self.fold.usage_of(choice))) + b"}" if self._continuous else b"}"

    def _call(self, event: ToolCallOpened | ArgumentsDelta, call: bytes) -> list[bytes]:
        return self._delta(event, b'{"tool_calls":[' + call + b"]}")

    def _tell(self, frame: LoopFrame) -> list[bytes]:
        """Of the loop. The increment beside it is one that every client takes, and that adds nothing."""
        first = self.open(0)
        told = b',"finish_reason":null}],"x_moonbase":' + _encode(frame)
        chunk = self._prefix[0] + _NO_CONTENT + told + self._close(0)
        return [chunk] if first is None else [first, chunk]

    def _end(self, event: Finished) -> list[bytes]:
        first = self.open(event.choice)
        usage = _encode(usage_body(event.usage))
        tail = b'{},"finish_reason":%b,"usage":%b}]' % (_encode(event.finish_reason), usage)
        top = b',"usage":' + usage if self._continuous else b""
        told = b',"x_moonbase":' + _encode(end_frame(self.fold)) if self._loop else b""
        end = self._prefix[event.choice] + tail + told + top + b"}"
        chunks = [*self._late_ids(event.choice, event.token_ids), end]
        return chunks if first is None else [first, *chunks]

    def _late_ids(self, choice: int, token_ids: tuple[int, ...]) -> list[bytes]:
        """An increment without text for the ids that none has carried, if there are any."""
        if not self._token_ids or not (ids := self._waiting.get(choice, ()) + token_ids):
            return []
        self._waiting[choice] = ids
        delta = self._with_ids(choice, self._empty.get(choice, _NO_CONTENT))
        return [self._prefix[choice] + delta + b',"finish_reason":null}]' + self._close(choice)]

    def _fail(self, event: Failed) -> list[bytes]:
        """A failure after the first byte: every choice that has not ended ends with the failure's finish reason."""
        ended = self.fold.ended
        chunks: list[bytes] = []
        for choice in sorted({*self._prefix, *range(self._choices)}):
            if choice not in ended:
                chunks += self.write(Finished(event.finish_reason, self.fold.usage_of(choice), choice))
        return chunks


def _logprobs(event: ContentDelta) -> bytes:
    return b',"logprobs":' + _encode(Logprobs(event.logprobs))


def _empty(event: Increment) -> bytes:
    """An increment without text that may follow `event`."""
    match event:
        case ReasoningDelta():
            return b'{"reasoning_content":""}'
        case ToolCallOpened() | ArgumentsDelta():
            return b'{"tool_calls":[{"index":%d,"function":{"arguments":""}}]}' % event.index
        case ReasoningEnded() | ContentDelta():
            return _NO_CONTENT
