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
    ReasoningDelta,
    ReasoningEnded,
    ToolCallOpened,
)
from moonbase.contract.fold import Fold
from moonbase.contract.response import usage_body

_encode = msgspec.json.Encoder().encode


class ChunkWriter:
    """Writes one stream. Every chunk is one JSON object with exactly one choice; `summary` alone has none.

    `boundary`: whether an empty `reasoning_content` closes the reasoning (a fact of the model's card). `continuous`:
    the counts so far stand at the top of every chunk.
    """

    def __init__(self, *, id: str, created: int, model: str, boundary: bool, continuous: bool = False) -> None:
        head = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._head = _encode(head)[:-1] + b',"choices":['
        self._boundary = boundary
        self._continuous = continuous
        self._prefix: dict[int, bytes] = {}
        self.fold = Fold()
        """The answer so far, as it would be if it were not streamed."""

    def write(self, event: Event) -> list[bytes]:
        """The chunks (JSON, no SSE framing) that `event` becomes."""
        if not isinstance(event, Failed):
            self.fold.add(event)
        match event:
            case ReasoningDelta():
                return self._delta(event.choice, b'{"reasoning_content":' + _encode(event.text) + b"}")
            case ContentDelta():
                return self._delta(event.choice, b'{"content":' + _encode(event.text) + b"}")
            case ReasoningEnded():
                # An empty frame also says "reasoned, but empty", without which a client that replays the answer lacks
                # the field (contract.md 3, 9A).
                if self._boundary or not self.fold.has_reasoning(event.choice):
                    return self._delta(event.choice, b'{"reasoning_content":""}')
                return []
            case ToolCallOpened():
                function = b'{"name":' + _encode(event.name) + b',"arguments":""}'
                call = b'{"index":%d,"id":%b,"type":"function","function":%b}'
                return self._call(event.choice, call % (event.index, _encode(event.id), function))
            case ArgumentsDelta():
                call = b'{"index":%d,"function":{"arguments":%b}}' % (event.index, _encode(event.text))
                return self._call(event.choice, call)
            case Finished():
                return self._end(event)
            case Failed():
                return self._fail(event)
            case PromptRead():
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

    def _delta(self, choice: int, delta: bytes) -> list[bytes]:
        first = self.open(choice)
        chunk = self._prefix[choice] + delta + b',"finish_reason":null}]' + self._close(choice)
        return [chunk] if first is None else [first, chunk]

    def _close(self, choice: int) -> bytes:
        return b',"usage":' + _encode(usage_body(self.fold.usage_of(choice))) + b"}" if self._continuous else b"}"

    def _call(self, choice: int, call: bytes) -> list[bytes]:
        return self._delta(choice, b'{"tool_calls":[' + call + b"]}")

    def _end(self, event: Finished) -> list[bytes]:
        first = self.open(event.choice)
        usage = _encode(usage_body(event.usage))
        tail = b'{},"finish_reason":%b,"usage":%b}]' % (_encode(event.finish_reason), usage)
        top = b',"usage":' + usage if self._continuous else b""
        chunk = self._prefix[event.choice] + tail + top + b"}"
        return [chunk] if first is None else [first, chunk]

    def _fail(self, event: Failed) -> list[bytes]:
        """A failure after the first byte: every choice still open ends with the failure's finish reason."""
        ended = self.fold.ended
        chunks: list[bytes] = []
        for choice in sorted(self._prefix) or [0]:
            if choice not in ended:
                chunks += self.write(Finished(event.finish_reason, self.fold.usage_of(choice), choice))
        return chunks
