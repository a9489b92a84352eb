"""Server-sent events (contract.md 2.5 and WHATWG's event-stream format)."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonbase.contract.sse import DONE, Reader, frames


def read(*parts: bytes) -> list[bytes]:
    reader = Reader()
    return [payload for part in parts for payload in reader.feed(part)]


def test_a_frame_is_one_data_line() -> None:
    """contract.md 2.5: every non-blank line starts with `data: `."""
    assert frames([b'{"a":1}']) == b'data: {"a":1}\n\n'
    assert DONE == b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("stream", "payloads"),
    [
        (frames([b"1", b"2"]) + DONE, [b"1", b"2", b"[DONE]"]),
        (b"data: 1\r\n\r\ndata: 2\r\n\r\n", [b"1", b"2"]),
        (b"data: 1\r\rdata: 2\r\r", [b"1", b"2"]),
        (b"data: 1\r\r\n\rdata: 2\n\r", [b"1", b"2"]),
        (b"data: 1\rdata: 2\n\n", [b"1\n2"]),
        (b": keep-alive\n\ndata: 1\n\n", [b"1"]),
        (b"event: chunk\nid: 7\nretry: 10\ndata: 1\n\n", [b"1"]),
        (b"data: 1\ndata: 2\n\n", [b"1\n2"]),
        (b"data:1\n\n", [b"1"]),
        (b"data:  1\n\n", [b" 1"]),
        (b"data: 1\n", []),
        (b"data: 1", []),
        (b"\n\n\n", []),
        (b"\xef\xbb\xbfdata: 1\n\ndata: 2\n\n", [b"1", b"2"]),
        (b"\xef\xbb\xbf: hello\n\ndata:1\n\n", [b"1"]),
        (b'data: 1\n\nerror: {"code":400}\n\n', [b"1", b'{"error": {"code":400}}']),
    ],
)
def test_reading(stream: bytes, payloads: list[bytes]) -> None:
    assert read(stream) == payloads


LINES = st.sampled_from(
    [
        b"data: ",
        b"data:",
        b": comment",
        b"event: x",
        b"\xef\xbb\xbfdata: 1",
        b"error: 1",
        b'data: {"a":"b"}',
        "data: é😀".encode(),
        b"",
        b"",
        b"data: [DONE]",
    ]
)


@given(
    lines=st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=12),
    cuts=st.lists(st.integers(0, 200), max_size=8),
)
@settings(max_examples=100, deadline=None)
def test_any_split_of_the_bytes_gives_the_same(lines: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    stream = b"".join(line + end for line, end in lines)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    parts = [stream[start:end] for start, end in pairwise(places)]
    assert read(*parts) == read(stream)
    assert read(stream) == read(stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))


@pytest.mark.parametrize("sign", ["\u0085", "\u2028", "\u2029"])
def test_clients_that_cut_lines_by_more_than_line_ends_read_whole_frames(sign: str) -> None:
    """httpx's `iter_lines` and others cut by `str.splitlines`."""
    chunk = {"content": f"é{sign}b", sign: [sign]}
    lines = frames([json.dumps(chunk, ensure_ascii=False).encode()] * 2).decode().splitlines()
    assert [json.loads(line.removeprefix("data: ")) for line in lines if line] == [chunk, chunk]


def test_a_line_end_in_two_pieces_is_one_line_end() -> None:
    assert read(b"data: 1\r", b"\ndata: 2\r", b"", b"\n\r", b"\n") == [b"1\n2"]


def test_a_carriage_return_ends_its_line_at_once() -> None:
    """Nobody has to wait for what may be the rest of the line's end."""
    assert read(b"data: 1\r\r") == [b"1"]


@given(
    payloads=st.lists(st.text(min_size=1, max_size=20).filter(lambda text: not set(text) & set("\n\r\x85\u2028\u2029")))
)
@settings(max_examples=50, deadline=None)
def test_what_is_framed_is_read_back(payloads: list[str]) -> None:
    sent = [text.encode() for text in payloads]
    stream = frames(sent)
    assert read(*(stream[index : index + 1] for index in range(len(stream)))) == sent
