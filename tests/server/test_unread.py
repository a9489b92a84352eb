"""Clients that take nothing of their answer, and clients that take it slowly."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from moonbase.contract.events import ContentDelta, Event, Finished, PromptRead, Usage
from moonbase.contract.request import ChatRequest
from moonbase.engines.scripted import ScriptedEngine
from tests.running import KEY, Running, make_platform, running
from tests.server.client import body

UNREAD = 0.3
TEXT = "word " * 2000


class Flood(ScriptedEngine):
    """Says more than systems keep for a client that does not read; `left` is set when it is done or stopped."""

    def __init__(self, increments: int) -> None:
        super().__init__()
        self._increments = increments
        self.left = asyncio.Event()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        try:
            yield PromptRead(1, 0)
            for _ in range(self._increments):
                yield ContentDelta(TEXT, 1)
                await asyncio.sleep(0)
            yield Finished("stop", Usage(1, self._increments, 0, 0))
        finally:
            self.left.set()


@asynccontextmanager
async def asking(server: Running, *, streams: bool) -> AsyncGenerator[socket.socket]:
    """A client with little room, which has asked and reads nothing yet."""
    host, port = server.url.removeprefix("http://").split(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, (host, int(port)))
    payload = json.dumps({**body(), "stream": streams}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n"
    await loop.sock_sendall(client, f"{head}Content-Length: {len(payload)}\r\n\r\n".encode() + payload)
    try:
        yield client
    finally:
        client.close()


async def rest(client: socket.socket) -> bytes:
    """What the system had kept, up to where the server closed."""
    received = bytearray()
    while piece := await asyncio.get_running_loop().sock_recv(client, 1 << 20):
        received += piece
    return bytes(received)


async def test_a_stream_that_nobody_reads(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is stopped, and the log says why."""
    engine = Flood(10_000)
    with caplog.at_level(logging.INFO, logger="moonbase"):
        async with (
            asyncio.timeout(20),
            running(make_platform(tmp_path, engine=engine, unread=UNREAD)) as server,
            asking(server, streams=True) as client,
        ):
            await engine.left.wait()
            assert not (await rest(client)).endswith(b"0\r\n\r\n"), "a client sees that it is not whole"
    assert "has taken nothing of its answer for 0.3 seconds" in caplog.text
    (line,) = [record.getMessage() for record in caplog.records if record.name == "moonbase.access"]
    assert " 499 " in line
    assert "error=client_closed_request" in line


async def test_an_answer_that_nobody_reads(tmp_path: Path) -> None:
    """It is answered, and its bytes are not kept for ever."""
    engine = Flood(2000)
    closed = asyncio.Event()
    async with (
        asyncio.timeout(20),
        running(make_platform(tmp_path, engine=engine, unread=UNREAD)) as server,
        asking(server, streams=False) as client,
    ):
        await engine.left.wait()
        (connection,) = server.listener.server_state.connections
        lost = connection.connection_lost

        def noted(error: Exception | None) -> None:
            lost(error)
            closed.set()

        connection.connection_lost = noted  # type: ignore[method-assign]
        await closed.wait()
        assert (await rest(client)).count(b"word ") < 2000 * 2000


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
async def test_one_that_is_read_slowly_arrives(tmp_path: Path, streams: bool) -> None:
    """A little in each while, of the megabytes that the system keeps: that asks for no more until much is gone."""
    increments = 600
    async with (
        asyncio.timeout(30),
        running(make_platform(tmp_path, engine=Flood(increments), unread=UNREAD)) as server,
        asking(server, streams=streams) as client,
    ):
        loop = asyncio.get_running_loop()
        received = bytearray()
        for _ in range(10):
            await asyncio.sleep(UNREAD / 3)
            received += await loop.sock_recv(client, 16_000)
        received += await rest(client)
    assert received.count(b"word ") == increments * 2000
