"""`moonbase health`: what a health check of a container runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.cli.running_commands import typed
from tests.running import KEY, make_platform, running


async def test_a_server_that_takes_requests_needs_no_key(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, keys=(KEY,))) as up:
        at_its_root = await typed("health", "--base-url", up.url)
        by_the_environment = await typed("health", env={"MOONSHOT_BASE_URL": up.base_url})
    for done in (at_its_root, by_the_environment):
        assert (done.exit_code, done.stdout, done.stderr) == (0, "ok\n", "")


async def test_a_server_that_is_leaving(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path)) as up:
        up.platform.drain.begin()
        done = await typed("health", "--base-url", up.url)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"moonbase health: {up.url}/health: draining\n"


@asynccontextmanager
async def answering(said: bytes) -> AsyncGenerator[str]:
    """The URL of a server that answers everything with `said`, and with silence where that is nothing."""
    over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        if not said:
            await over.wait()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        over.set()


def http(status: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("said", "code", "complaint"),
    [
        (http("200 OK", '{"status":"degraded","database":"away"}'), 0, ""),
        (http("200 OK", "welcome"), 3, "is not the health of a Moonbase server"),
        (http("404 Not Found", ""), 3, "answers with the status 404"),
        (http("503 Service Unavailable", "no backend"), 3, "answers with the status 503"),
        (b"220 mail\r\n", 3, "does not answer: 220 mail"),
        (b"", 3, "does not answer: timed out"),
    ],
)
async def test_what_others_answer(said: bytes, code: int, complaint: str) -> None:
    async with answering(said) as url:
        done = await typed("health", "--base-url", url, "--timeout", "0.5")
    assert done.exit_code == code
    assert complaint in done.stderr
    assert done.stdout == ("" if code else "degraded\n")
    assert done.stderr.count("\n") == bool(code)


async def test_nobody_is_there() -> None:
    done = await typed("health", "--base-url", "http://127.0.0.1:1")
    assert done.exit_code == 3
    assert done.stderr.startswith("moonbase health: http://127.0.0.1:1/health does not answer: ")
