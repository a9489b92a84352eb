"""Runs: frames of a stream that differ in the text of a token and in the counts alone, which is what most of it is.

Of such a frame only these are decoded. Where the text stands is found once, and proven: with another text in its place
the frame before must read as the same frame with that text, so nothing around it depends on it.
"""

from __future__ import annotations

import re

import msgspec
from msgspec.structs import replace

from moonbase.contract.events import ContentDelta, ReasoningDelta
from moonbase.contract.reading_choice import ChoiceReader
from moonbase.contract.reading_frame import Frame, FrameUsage, decode

_TEXT = re.compile(rb'"(content|reasoning_content|reasoning)"\s*:\s*("(?:[^"\\]|\\.)+")')
_COUNTS = b'"usage":'
_LONGEST = 4096
"""Bytes of a frame that is still looked at: those of single tokens have hundreds."""
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_encode = msgspec.json.Encoder().encode
_decode_text = msgspec.json.Decoder(str).decode
_decode_counts = msgspec.json.Decoder(FrameUsage).decode


class Run:
    """`take` what may be the next frame of a run. Between `before` and `after` stands its text; where it has counts,
    they stand between `after` and the frame's last brace."""

    __slots__ = ("_after", "_before", "_counts", "_end", "_reader", "_start")

    def __init__(self, before: bytes, after: bytes, reader: ChoiceReader, *, counts: bool) -> None:
        self._before, self._after, self._reader, self._counts = before, after, reader, counts
        self._start, self._end = len(before), -len(after)

    def take(self, payload: bytes) -> ContentDelta | ReasoningDelta | None:
        """The one event that the frame comes to; None for any other frame, of which nothing has been read then."""
        if not payload.startswith(self._before):
            return None
        if self._counts:
            return self._counted(payload)
        if not payload.endswith(self._after):
            return None
        try:
            text = _decode_text(payload[self._start : self._end])
        except _UNREADABLE:
            return None
        return self._reader.more(text) if text else None

    def _counted(self, payload: bytes) -> ContentDelta | ReasoningDelta | None:
        end = payload.find(self._after, self._start)
        if end < 0 or not payload.endswith(b"}"):
            return None
        try:
            text = _decode_text(payload[self._start : end])
            usage = _decode_counts(payload[end - self._end : -1])
        except _UNREADABLE:
            return None
        return self._reader.more(text, usage.counts()) if text else None


def begin_run(payload: bytes, frame: Frame, reader: ChoiceReader) -> Run | None:
    """The run that `payload` may be the first frame of: it reads as `frame`, of which one increment of text has come.
    None where it has anything else in it."""
    name = _only_text(frame)
    found = None if name is None or len(payload) > _LONGEST else _TEXT.search(payload)
    if name is None or found is None or found[1].decode() != name:
        return None
    before, after = payload[: found.start(2)], payload[found.end(2) :]
    if frame.usage is not None:
        rest, counts, _ = after.rpartition(_COUNTS)
        after = rest + counts
    if not (after and _proven(before, after, frame, name)):
        return None
    return Run(before, after, reader, counts=frame.usage is not None)


def _only_text(frame: Frame) -> str | None:
    """The name of the member that has the frame's text, where that is all that the frame says."""
    if frame.x_moonbase is not None or frame.choices is None or len(frame.choices) != 1:
        return None
    choice = frame.choices[0]
    delta = choice.delta
    if delta is None or choice.message is not None or choice.finish_reason or choice.usage is not None:
        return None
    if delta.tool_calls or delta.refusal or not choice.logprobs is choice.token_ids is delta.internal_content is None:
        return None
    texts = [name for name in ("content", "reasoning_content", "reasoning") if getattr(delta, name)]
    return texts[0] if len(texts) == 1 and isinstance(getattr(delta, texts[0]), str) else None


def _proven(before: bytes, after: bytes, frame: Frame, name: str) -> bool:
    """Whether the text called `name` stands behind `before` and the counts, if there are any, behind `after`."""
    assert frame.choices is not None and frame.choices[0].delta is not None
    choice, delta = frame.choices[0], frame.choices[0].delta
    text = getattr(delta, name) + "."
    usage = None if frame.usage is None else FrameUsage(completion_tokens=frame.usage.counts().completion_tokens + 1)
    last = b"" if usage is None else _encode(usage) + b"}"
    other = replace(frame, choices=[replace(choice, delta=replace(delta, **{name: text}))], usage=usage)
    try:
        return decode(before + _encode(text) + after + last) == other
    except _UNREADABLE:
        return False
