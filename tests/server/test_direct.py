"""The direct way through the server and the one over ASGI answer alike, to the byte: ids and chunk sizes apart."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from moonbase.server.app import App
from moonbase.server.direct import DirectExchange
from tests.running import KEY, make_platform, running
from tests.server.client import Json, body, user

_NAMES = re.compile(rb"chatcmpl-[0-9a-f]{24}|[0-9a-f]{32}|date: [^\r]*")
_CHUNK = re.compile(rb"([0-9a-f]+)\r\n")

CASES: dict[str, Json] = {
    "whole": body(user("hello")),
    "stream": body(user("a b c"), stream=True, stream_options={"include_usage": True}),
    "refused": {**body(user("x")), "messages": []},
    "no model": {**body(user("x")), "model": "nobody"},
    "wrong type": {**body(user("x")), "stream": "yes"},
}


def request(payload: Json, *headers: str, key: str = KEY) -> bytes:
    data = json.dumps(payload).encode()
    head = ["POST /v1/chat/completions HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", *headers]
    return "\r\n".join([*head, "Connection: close", f"Content-Length: {len(data)}", "", ""]).encode() + data


def joined(received: bytes) -> bytes:
    """An answer with its chunks joined and without what differs from one to the next."""
    received = received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    head, _, rest = received.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head:
        content = b""
        while found := _CHUNK.match(rest):
            size = int(found.group(1), 16)
            content += rest[found.end() : found.end() + size]
            rest = rest[found.end() + size + 2 :]
        assert not rest
        rest = content
    return _NAMES.sub(b"-", head + b"\r\n\r\n" + rest)


async def answered(url: str, data: bytes) -> bytes:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    async with asyncio.timeout(10):
        received = await reader.read()
    writer.close()
    return received


@pytest.mark.parametrize("name", CASES)
async def test_alike(name: str, tmp_path: Path) -> None:
    """A request that expects a word before its body goes over ASGI."""
    async with running(make_platform(tmp_path, keys=(KEY,))) as server:
        direct = await answered(server.url, request(CASES[name]))
        asgi = await answered(server.url, request(CASES[name], "Expect: 100-continue"))
    assert asgi.startswith(b"HTTP/1.1 100 Continue")
    assert joined(direct) == joined(asgi)


async def test_a_wrong_key_alike(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, keys=(KEY,))) as server:
        direct = await answered(server.url, request(CASES["whole"], key="wrong"))
        asgi = await answered(server.url, request(CASES["whole"], "Expect: 100-continue", key="wrong"))
    assert direct.startswith(b"HTTP/1.1 401")
    assert joined(direct) == joined(asgi)


async def test_over_asgi_alone(tmp_path: Path) -> None:
    """The app is an ASGI application also where no connection of ours is: a stream comes whole, and ends."""
    app = App(make_platform(tmp_path, keys=(KEY,)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        headers = {"authorization": f"Bearer {KEY}"}
        answer = await http.post("/v1/chat/completions", json=CASES["stream"], headers=headers)
    assert answer.text.endswith("data: [DONE]\n\n")


class _Flow:
    """The flow control of a connection that has room."""

    write_paused = False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class _Transport:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.closed = False

    @property
    def written(self) -> bytes:
        return b"".join(self.pieces)

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.pieces.extend(pieces)

    def close(self) -> None:
        self.closed = True


def exchange(transport: Any, done: Callable[[], None] = lambda: None) -> DirectExchange:
    flow: Any = _Flow()
    asked: dict[str, Any] = {
        "method": "POST",
        "path": "/",
        "headers": [],
        "common": [],
        "keep_alive": True,
        "chunked": True,
    }
    return DirectExchange(transport, flow, **asked, close=transport.close, done=done)


@pytest.mark.parametrize("cuts", [(), (1,), (1, 3), (2, 3, 4)])
async def test_a_body_in_pieces(cuts: tuple[int, ...]) -> None:
    asked = exchange(_Transport())
    bounds = [0, *cuts, 5]
    for begin, end in pairwise(bounds):
        asked.feed(b"hello"[begin:end])
    asked.end()
    assert await asked.read(limit=5, patience=1) == b"hello"


async def test_a_client_that_left_is_not_written_to() -> None:
    transport = _Transport()
    asked = exchange(transport)
    left: list[bool] = []
    asked.watch(lambda: left.append(True))
    asked.start(200, [])
    asked.write(b"one")
    before = transport.written
    asked.lost()
    asked.write(b"two")
    asked.finish(b"three")
    assert left == [True]
    assert before.endswith(b"3\r\none\r\n")
    assert transport.written == before
    assert not asked.response_complete


async def test_a_large_answer_is_not_copied() -> None:
    transport = _Transport()
    large = b"x" * 1_000_000
    exchange(transport).respond(200, large, [])
    assert transport.pieces[1] is large
