"""What the engine and its worker say to each other: messages, and how they travel.

A frame is four bytes of length (little-endian), then a msgpack array of messages: whatever was ready when it was sent.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from moonbase.contract.grammar import Grammar
from moonbase.contract.logprobs import TokenLogprob
from moonbase.contract.prompts import Prompt
from moonbase.contract.request import Sampling
from moonbase.engines.llama.model import SpecialToken

_LENGTH = struct.Struct("<I")


class Load(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """The first message of all: which model, and how to run it.

    `limit` is the longest prompt plus answer; `end_ids` are the tokens that end a turn. `moves_idle`: what a slot holds
    moves to main memory while it is idle.
    """

    model: str
    context: int
    limit: int
    slots: int
    threads: int
    batch: int
    saved_prompts_bytes: int
    special_tokens: tuple[SpecialToken, ...]
    bos_id: int | None
    space_prefix: bool
    longest_token_bytes: int
    end_ids: tuple[int, ...] = ()
    moves_idle: bool = False


class Generate(msgspec.Struct, frozen=True, array_like=True, tag=1):
    id: int
    prompt: Prompt
    sampling: Sampling
    max_tokens: int
    marks: tuple[str, ...]
    end_marks: tuple[str, ...]
    token_ids: bool = False
    logprobs: int | None = None
    grammar: Grammar | None = None
    background: bool = False


class Cancel(msgspec.Struct, frozen=True, array_like=True, tag=2):
    id: int


class Count(msgspec.Struct, frozen=True, array_like=True, tag=3):
    id: int
    prompt: Prompt


class Inspect(msgspec.Struct, frozen=True, array_like=True, tag=4):
    id: int


class Ready(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """The model is loaded."""


class LoadFailed(msgspec.Struct, frozen=True, array_like=True, tag=11):
    message: str


class Read(msgspec.Struct, frozen=True, array_like=True, tag=12):
    """The prompt of `id` has its slot; `cached_tokens` of it need no computation."""

    id: int
    prompt_tokens: int
    cached_tokens: int


class Delta(msgspec.Struct, frozen=True, array_like=True, tag=13, gc=False):
    """`mark` as in `TextDelta`."""

    id: int
    text: str
    tokens: int
    mark: bool | None


class DetailedDelta(msgspec.Struct, frozen=True, array_like=True, tag=19):
    """A `Delta` for a request that asks for more than text."""

    id: int
    text: str
    tokens: int
    mark: bool | None
    token_ids: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...]


class Done(msgspec.Struct, frozen=True, array_like=True, tag=14):
    id: int
    reason: Literal["stop", "length"]
    tokens: int
    token_ids: tuple[int, ...] = ()


class TooLong(msgspec.Struct, frozen=True, array_like=True, tag=15):
    id: int
    limit: int
    requested: int


class Broke(msgspec.Struct, frozen=True, array_like=True, tag=16):
    """`id` failed for a reason of the engine's own."""

    id: int
    message: str


class Counted(msgspec.Struct, frozen=True, array_like=True, tag=17):
    id: int
    tokens: int


class Activity(msgspec.Struct, frozen=True, array_like=True, tag=18):
    """What the worker is doing: slots that compute (by llama.cpp's own account), requests with and without a slot."""

    id: int
    busy_slots: int
    active: int
    queued: int


class Crowded(msgspec.Struct, frozen=True, array_like=True, tag=20):
    """`id` had to give up its room in the middle of what its grammar forces, where it cannot be taken up again."""

    id: int


ToWorker = Load | Generate | Cancel | Count | Inspect
FromWorker = Ready | LoadFailed | Read | Delta | DetailedDelta | Done | TooLong | Broke | Counted | Activity | Crowded

_encoder = msgspec.msgpack.Encoder()


def frame(messages: Sequence[ToWorker | FromWorker]) -> bytes:
    """The bytes that carry `messages` in one frame."""
    payload = _encoder.encode(messages)
    return _LENGTH.pack(len(payload)) + payload


class Frames:
    """Sans-I/O: bytes in, whole payloads out; any split of the bytes gives the same."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            end = start + _LENGTH.size + _LENGTH.unpack_from(buffer, start)[0]
            if len(buffer) < end:
                break
            yield bytes(buffer[start + _LENGTH.size : end])
            start = end
        del buffer[:start]
