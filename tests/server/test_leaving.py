"""Clients that leave, and the server that leaves: generations stop, streams end with a reason."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from pathlib import Path

import httpx
import pytest

from moonbase.engines.scripted import ScriptedEngine
from tests.running import KEY, Running, make_platform, running
from tests.server.client import Json, body, client, user

LONG = user("word " * 400)


async def begin(server: Running, payload: Json) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A raw connection that has sent `payload`, for a client that leaves without a word."""
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    data = json.dumps(payload).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(data)}"
    )
    writer.write(head.encode() + b"\r\n\r\n" + data)
    await writer.drain()
    return reader, writer


async def settled(engine: ScriptedEngine, pace: float) -> float:
    """Seconds until no token has been generated for three paces; the pace itself is the signal."""
    began = time.perf_counter()
    while True:
        before = engine.generated
        await asyncio.sleep(3 * pace)
        if engine.generated == before:
            return time.perf_counter() - began - 3 * pace


async def test_a_client_that_leaves_a_stream_stops_its_generation(tmp_path: Path) -> None:
    engine = ScriptedEngine(pace=0.005)
    async with running(make_platform(tmp_path, engine=engine)) as server:
        reader, writer = await begin(server, body(LONG, stream=True))
        await reader.readuntil(b"reasoning_content")
        writer.close()
        assert await settled(engine, 0.005) < 0.1
        assert 0 < engine.generated < 200


async def test_a_client_that_leaves_a_whole_answer_stops_it_too(tmp_path: Path) -> None:
    engine = ScriptedEngine(pace=0.005)
    async with running(make_platform(tmp_path, engine=engine)) as server:
        _, writer = await begin(server, body(LONG))
        await engine.began.wait()
        writer.close()
        assert await settled(engine, 0.005) < 0.1
        assert engine.generated < 200


async def test_what_a_client_that_left_has_cost_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    engine = ScriptedEngine(pace=0.005)
    with caplog.at_level(logging.INFO, logger="moonbase"):
        async with running(make_platform(tmp_path, engine=engine)) as server:
            for streamed in (True, False):
                engine.began.clear()
                _, writer = await begin(server, body(LONG, stream=streamed))
                await engine.began.wait()
                writer.close()
                await settled(engine, 0.005)
    lines = [record.getMessage() for record in caplog.records if record.name == "moonbase.access"]
    assert len(lines) == 2
    for line in lines:
        counts = re.search(r"prompt=(\d+) cached=\d+ completion=(\d+) reasoning=\d+", line)
        assert counts, line
        assert int(counts[1]) > 400
        assert 0 < int(counts[2]) <= engine.generated


async def leave_amid(server: Running, http: httpx.AsyncClient, payload: Json) -> list[str]:
    """Tell the server to leave once the stream has begun; the lines that came after."""
    async with http.stream("POST", "/chat/completions", json=payload) as answer:
        lines = answer.aiter_lines()
        await anext(lines)
        server.listener.leave()
        return [line async for line in lines if line]


async def test_streams_finish_while_the_server_drains(tmp_path: Path) -> None:
    platform = make_platform(tmp_path, engine=ScriptedEngine(pace=0.005), drain=20.0)
    async with running(platform) as server, client(server) as http:
        rest = await leave_amid(server, http, body(user("a b c d"), stream=True))
    assert rest[-1] == "data: [DONE]"
    assert json.loads(rest[-2].removeprefix("data: "))["choices"][0]["finish_reason"] == "stop"


async def test_streams_that_outlast_the_drain_end_with_a_reason(tmp_path: Path) -> None:
    """contract.md 2.1: the extended finish reasons; never a silent cut."""
    platform = make_platform(tmp_path, engine=ScriptedEngine(pace=0.05), drain=0.2)
    began = time.perf_counter()
    async with running(platform) as server, client(server) as http:
        rest = await leave_amid(server, http, body(LONG, stream=True))
    end = json.loads(rest[-1].removeprefix("data: "))
    assert end["choices"][0]["finish_reason"] == "server_interrupted"
    assert end["choices"][0]["usage"]["completion_tokens"] > 0
    assert time.perf_counter() - began < 5


async def test_a_whole_answer_that_outlasts_the_drain_is_a_503(tmp_path: Path) -> None:
    platform = make_platform(tmp_path, engine=ScriptedEngine(pace=0.05), drain=0.2)
    async with running(platform) as server, client(server) as http:
        asked = asyncio.create_task(http.post("/chat/completions", json=body(LONG)))
        engine = platform.engines()[0]
        assert isinstance(engine, ScriptedEngine)
        await engine.began.wait()
        server.listener.leave()
        answer = await asked
    assert answer.status_code == 503
    assert answer.json()["error"]["type"] == "server_unavailable"


async def test_only_a_health_that_is_not_well_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Probes of containers and balancers come every few seconds."""
    caplog.set_level(logging.INFO, "moonbase.access")
    async with running(make_platform(tmp_path)) as server, client(server) as http:
        assert (await http.get(f"{server.url}/health")).status_code == 200
        assert caplog.messages == []
        server.platform.drain.begin()
        assert (await http.get(f"{server.url}/health")).status_code == 503
    (line,) = caplog.messages
    assert line.startswith("GET /health 503 ")


async def test_health_says_when_the_server_leaves(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path)) as server, client(server, None) as http:
        assert (await http.get(f"{server.url}/health")).json() == {"status": "ok"}
        server.platform.drain.begin()
        assert (await http.get(f"{server.url}/health")).status_code == 503


async def test_an_upload_that_outlasts_the_drain_is_a_503(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="moonbase"):
        async with running(make_platform(tmp_path, drain=0.0)) as server:
            host, port = server.url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(
                b"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n"
                b"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 1000\r\n\r\n"
                b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nsome'
            )
            incoming = tmp_path / "files" / "incoming"
            async with asyncio.timeout(5):
                while not (incoming.exists() and list(incoming.iterdir())):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            server.listener.leave()
            answer = await reader.read()
            writer.close()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"the server is shutting down" in answer
    assert not list(incoming.iterdir())
    lines = [record.getMessage() for record in caplog.records if record.name == "moonbase.access"]
    assert len(lines) == 1
    assert " 503 " in lines[0]


async def test_a_client_that_does_not_read_to_the_end_is_logged_when_the_server_leaves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="moonbase"):
        platform = make_platform(tmp_path, drain=0.0)
        async with running(platform) as server:
            _, writer = await begin(server, body(user("word " * 60_000), stream=True, max_tokens=100_000))
            engine = platform.engines()[0]
            assert isinstance(engine, ScriptedEngine)
            await engine.began.wait()
            await settled(engine, 0.02)
            assert engine.generated < 60_000
            server.listener.leave()
        writer.close()
    lines = [record.getMessage() for record in caplog.records if record.name == "moonbase.access"]
    assert len(lines) == 1
    assert " 200 " in lines[0]
    assert "error=server_unavailable" in lines[0]
