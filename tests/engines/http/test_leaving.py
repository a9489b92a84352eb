"""A client that goes away stops the upstream at once; one that reads slowly makes it wait."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import pytest

from moonbase.contract.engine import at_once
from moonbase.contract.events import Event, ReasoningDelta
from tests.engines.http.asking import asking
from tests.engines.http.serving import http_engine
from tests.engines.http.stub import STREAM, Answer, Asked, Stub, chunk, delta, lines, stream, totals, upstream
from tests.running import KEY, Running, make_platform, running
from tests.server.client import body, client

SOON = 0.1
"""Seconds."""
FRAME = chunk(lines(delta(content="word " * 200)))


async def silent(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Reads the prompt for ever."""
    await asyncio.Event().wait()


async def talking(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Has begun, and thinks for ever."""
    writer.write(STREAM + chunk(lines(delta(role="assistant", content=""), delta(reasoning="Hm"))))
    await writer.drain()
    await asyncio.Event().wait()


@asynccontextmanager
async def asked_by_a_client(stub: Stub, folder: Path, *, streams: bool) -> AsyncGenerator[asyncio.StreamWriter]:
    """A client of a server in front of `stub`, whose request has arrived there."""
    async with running(make_platform(folder, engine=http_engine(stub.url, "vllm"))) as server:
        host, port = server.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        payload = json.dumps({**body(), "stream": streams}).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
            f"Content-Length: {len(payload)}\r\n\r\n"
        )
        writer.write(head.encode() + payload)
        async with asyncio.timeout(10):
            await stub.arrived.wait()
            yield writer
        writer.close()


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("answer", [silent, talking], ids=["reading the prompt", "answering"])
async def test_a_client_that_leaves(tmp_path: Path, answer: Answer, streams: bool) -> None:
    async with upstream(answer) as stub, asked_by_a_client(stub, tmp_path, streams=streams) as writer:
        left = time.perf_counter()
        writer.transport.abort()
        await stub.left.wait()
        took = time.perf_counter() - left
    assert took < SOON


class Coming(list[Event]):
    """Events, the first of which sets `came`."""

    def __init__(self) -> None:
        super().__init__()
        self.came = asyncio.Event()

    def __iadd__(self, more: Iterable[Event]) -> Self:
        self.extend(more)
        if self:
            self.came.set()
        return self


async def test_what_had_come_is_left_where_an_answer_was_asked_for_whole() -> None:
    """Of an upstream that streams all the same: it is paid for."""
    async with upstream(talking) as stub:
        engine, events = http_engine(stub.url, "openai"), Coming()
        asked = at_once(engine, asking(), events)
        assert asked is not None
        task = asyncio.create_task(asked)
        async with asyncio.timeout(10):
            await events.came.wait()
        task.cancel()
        await asyncio.wait((task,))
        await engine.close()
    assert events == [ReasoningDelta("Hm", 1)]


async def test_a_client_that_does_not_read(tmp_path: Path) -> None:
    """The upstream waits, and what is kept for the client stays small."""
    written = 0
    stuck = asyncio.Event()

    async def flooding(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(STREAM)
        while written < 200 << 20:
            writer.write(FRAME)
            written += len(FRAME)
            try:
                async with asyncio.timeout(1.0):
                    await writer.drain()
            except TimeoutError:
                stuck.set()
                raise

    async with upstream(flooding) as stub, asked_by_a_client(stub, tmp_path, streams=True) as writer:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(9):
            await stuck.wait()
    assert written < 40 << 20


async def test_a_long_answer_arrives_whole(tmp_path: Path) -> None:
    """Stopping and starting loses nothing."""
    frames = [delta(content=f"{number} " + "x" * 2000) for number in range(2000)]
    answer = stream(*frames, delta("stop"), totals())
    thinking = {"thinking": {"type": "disabled"}}
    async with upstream(answer) as stub:
        platform = make_platform(tmp_path, engine=http_engine(stub.url, "vllm"))
        async with running(platform) as server:
            found = await _slowly(server, {**body(), **thinking, "stream": True})
    assert found.count(b'"content":"') == 2001
    assert found.endswith(b"data: [DONE]\n\n")


async def _slowly(server: Running, payload: object) -> bytes:
    received = bytearray()
    async with client(server) as http, http.stream("POST", "/chat/completions", json=payload) as reply:
        async for data in reply.aiter_raw():
            received += data
            await asyncio.sleep(0)
    return bytes(received)
