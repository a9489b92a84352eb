"""A frame as other servers write it: every member may be absent or null, and more may stand there (contract.md 9A)."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from moonbase.contract.events import Usage
from moonbase.contract.reading_choice import Delta

_MOST = 1 << 32
"""Tokens. No context comes near it, and sums of very many such counts still fit 64 bits."""


class _Details(msgspec.Struct, frozen=True):
    reasoning_tokens: Any = None
    cached_tokens: Any = None


class FrameUsage(msgspec.Struct, frozen=True):
    """Usage as others write it: `cached_tokens` and `reasoning_tokens` flat or nested, details absent or null
    (contract.md 2.2). What is no count of tokens, such as one below zero, counts as not said."""

    prompt_tokens: Any = None
    completion_tokens: Any = None
    cached_tokens: Any = None
    reasoning_tokens: Any = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None

    def counts(self) -> Usage:
        """None of them is below zero, and neither part is more than the whole that it is of."""
        details, answer = self.prompt_tokens_details, self.completion_tokens_details
        cached = self.cached_tokens
        if cached is None and details is not None:
            cached = details.cached_tokens
        reasoning = (answer is not None and answer.reasoning_tokens) or self.reasoning_tokens
        prompt, completion = _count(self.prompt_tokens), _count(self.completion_tokens)
        return Usage(prompt, completion, min(_count(reasoning), completion), min(_count(cached), prompt))


def _count(value: Any) -> int:
    """A count as others write it; 0 for what is none."""
    if type(value) is int and 0 <= value <= _MOST:
        return value
    return int(value) if isinstance(value, float) and value.is_integer() and 0 <= value <= _MOST else 0


class FrameChoice(msgspec.Struct, frozen=True):
    """`message` stands in answers that are not streamed, in place of all deltas."""

    index: int | None = None
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    usage: FrameUsage | None = None
    logprobs: Any = None
    token_ids: Any = None


class _Step(msgspec.Struct, frozen=True):
    finish_reason: str | None = None
    usage: FrameUsage | None = None


class _Result(msgspec.Struct, frozen=True):
    tool_call_id: str
    content: str
    name: str = ""
    formula: str = ""
    status: str = ""
    seconds: float = 0.0


class LoopTold(msgspec.Struct, frozen=True):
    """What another server of ours tells of the calls that it ran; the rest of `x_moonbase` says nothing new."""

    step: _Step | None = None
    tool_result: _Result | None = None


class Frame(msgspec.Struct, frozen=True):
    id: str | None = None
    model: str | None = None
    choices: list[FrameChoice] | None = None
    usage: FrameUsage | None = None
    error: Any = None
    x_moonbase: LoopTold | None = None


decode = msgspec.json.Decoder(Frame).decode
"""Raises `msgspec.MsgspecError`, `UnicodeDecodeError` or `RecursionError`."""

_STRING_OR_NO_NUMBER = re.compile(rb'("(?:[^"\\]|\\.)*+"?)|-?Infinity|NaN', re.DOTALL)


def without_odd_numbers(payload: bytes) -> bytes:
    """`payload` with null for NaN and the infinities, which JSON has not and Python's `json` writes all the same: the
    logarithm of nothing, or a speed of a time that was nothing."""
    return _STRING_OR_NO_NUMBER.sub(lambda found: found[1] or b"null", payload)
