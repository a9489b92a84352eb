"""Frames that are not decoded come to what they would have come to (contract.md 2.4, 2.5, 9A)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from moonbase.contract.errors import ApiError
from moonbase.contract.events import ContentDelta, Event, Failed, Finished, PromptRead, ReasoningDelta
from moonbase.contract.reading import StreamReader
from tests.effort import attempts, try_out

Json = dict[str, Any]


def frame(delta: Json, counts: Json | None = None, *, dense: bool = True, ascii: bool = False, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None, **more}
    value: Json = {"id": "c1", "model": "m", "choices": [choice]} | ({"usage": counts} if counts else {})
    return json.dumps(value, ensure_ascii=ascii, separators=(",", ":") if dense else None).encode()


def usage(completion: int, *, thought: int = 0) -> Json:
    told: Json = {"prompt_tokens": 9, "completion_tokens": completion, "total_tokens": 9 + completion}
    return told if thought == 0 else {**told, "completion_tokens_details": {"reasoning_tokens": thought}}


def read(payloads: list[bytes]) -> list[Event]:
    reader = StreamReader()
    return [*(event for payload in payloads for event in reader.feed(payload)), *reader.close()]


def carefully(payloads: list[bytes]) -> list[Event]:
    """No frame begins as the one before it: each is decoded."""
    return read([b" " * (index % 2) + payload for index, payload in enumerate(payloads)])


def same(payloads: list[bytes]) -> None:
    assert told(read(payloads)) == told(carefully(payloads))


def told(events: list[Event]) -> list[Event | type[ApiError]]:
    """What is wrong with a frame is told with the place where it is; that a space moves."""
    return [type(event.error) if isinstance(event, Failed) else event for event in events]


TEXTS = st.text(max_size=6) | st.sampled_from(
    ["", "a", " word", "\n", '"', "\\", "content", '"content":"a"', "}", '"},"logprobs":null,', "é", "😀", "\x7f", "m"]
)
LOGPROBS = {"content": [{"token": "x", "bytes": [120], "logprob": -1.0, "top_logprobs": []}]}
KINDS: list[Callable[[str], Json]] = [
    lambda text: {"content": text},
    lambda text: {"role": None, "content": text, "reasoning_content": None, "tool_calls": None},
    lambda text: {"role": "assistant", "content": text},
    lambda text: {"reasoning_content": text, "content": ""},
    lambda text: {"reasoning": text},
    lambda text: {"reasoning": text, "reasoning_content": "same"},
    lambda text: {"reasoning": "same", "content": text},
    lambda text: {"content": text, "internal_content": {"token_ids": [7]}},
    lambda text: {"content": text, "tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
    lambda _: {"tool_calls": [{"index": 0, "id": "f:0", "function": {"name": "f", "arguments": "{}"}}]},
]
MORE: list[Json] = [{}, {"index": 1}, {"token_ids": [5]}, {"logprobs": LOGPROBS}, {"usage": usage(3)}]
COUNTS = st.none() | st.builds(usage, st.integers(0, 40), thought=st.integers(0, 20))


@st.composite
def stretches(draw: st.DrawFn) -> list[bytes]:
    """Stretches of frames of a kind, each with another text."""
    payloads: list[bytes] = []
    dense, ascii = draw(st.booleans()), draw(st.booleans())
    for _ in range(draw(st.integers(1, 4))):
        kind, more = draw(st.sampled_from(KINDS)), draw(st.sampled_from([{}, {}, *MORE]))
        counts = draw(st.sampled_from([st.none(), COUNTS]))
        texts = draw(st.lists(TEXTS, max_size=5))
        payloads += [frame(kind(text), draw(counts), dense=dense, ascii=ascii, **more) for text in texts]
    return payloads


@attempts(200, 10_000)
def test_any_frames(count: int) -> None:
    def check(payloads: list[bytes]) -> None:
        same([*payloads, frame({}, finish_reason="stop"), b"[DONE]"])

    try_out(check, count, payloads=stretches())


@attempts(200, 10_000)
def test_any_bytes_in_a_run(count: int) -> None:
    """A frame that is like the one before it but for a few bytes, wherever they stand and whatever they are."""

    def check(before: bytes, place: int, length: int, put: bytes) -> None:
        spoiled = before[:place] + put + before[place + length :]
        same([before, before, spoiled, before, frame({}, finish_reason="stop"), b"[DONE]"])

    try_out(
        check,
        count,
        before=st.sampled_from([frame({"content": "a"}), frame({"reasoning_content": "a"}, usage(1))]),
        place=st.integers(0, 200),
        length=st.integers(0, 3) | st.just(200),
        put=st.binary(max_size=4) | st.sampled_from([b'"', b"\\", b'",', b"\n", b"\xff", b"\\ud800", b"null", b"{}"]),
    )


def test_a_hole_that_is_none() -> None:
    """Text that stands in the frame twice, or as the name of a member, is not taken for the token's."""
    twice = [b'{"choices":[{"delta":{"content":"%b","content":"b"},"index":0}]}' % text for text in (b"a", b"c")]
    assert [event for event in read(twice) if isinstance(event, ContentDelta)] == [ContentDelta("b")] * 2
    other = [b'{"x":{"content":"%b"},"choices":[{"delta":{"content":"b"},"index":0}]}' % text for text in (b"b", b"c")]
    assert [event for event in read(other) if isinstance(event, ContentDelta)] == [ContentDelta("b")] * 2


def test_a_frame_that_ends_otherwise() -> None:
    begun = frame({"content": "a"}, usage(1))
    same([begun, begun, begun[:-1] + b"]"])
    same([begun, begun, begun[:-1]])


def test_a_run_ends_with_another_frame() -> None:
    """contract.md 2.4: content that follows a call is left out, though it looks like the content before."""
    call = {"tool_calls": [{"index": 0, "id": "f:0", "function": {"name": "f", "arguments": "{}"}}]}
    said = [frame({"content": text}) for text in "abc"]
    payloads = [*said, frame(call), *said, frame({}, finish_reason="tool_calls"), *said, b"[DONE]"]
    same(payloads)
    assert len([event for event in read(payloads) if isinstance(event, ContentDelta)]) == 3


def test_counts_of_a_run() -> None:
    """contract.md 2.2: every frame tells how many tokens there are so far."""
    told = usage(1, thought=1)
    payloads = [
        frame({"reasoning_content": "hm"}, told),
        *(frame({"reasoning_content": "."}, usage(count, thought=count)) for count in (2, 5)),
        *(frame({"content": "x"}, usage(count, thought=5)) for count in (6, 7, 9)),
        frame({}, usage(9, thought=5), finish_reason="stop"),
        b"[DONE]",
    ]
    events = read(payloads)
    assert events[0] == PromptRead(9, 0)
    assert [event.tokens for event in events if isinstance(event, ReasoningDelta)] == [1, 1, 3]
    assert [event.tokens for event in events if isinstance(event, ContentDelta)] == [1, 1, 2]
    assert isinstance(events[-1], Finished) and events[-1].usage.completion_tokens == 9


def test_a_run_after_others_that_came_to_nothing() -> None:
    """Every frame of the reasoning is its own; those of the content are not."""
    reasoning = [frame({"reasoning": "x", "reasoning_content": "x"}, n=index) for index in range(9)]
    payloads = [*reasoning, *(frame({"content": str(index)}) for index in range(9))]
    same([*payloads, frame({}, finish_reason="stop"), b"[DONE]"])
