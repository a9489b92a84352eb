"""What only bytes on a socket can break: heads, lengths, chunks, and clients that stop (contract.md 4)."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from moonbase.engines.scripted import ScriptedEngine
from moonbase.server.protocol import MAX_HEAD
from tests.running import Running, make_platform, running
from tests.server.client import body, complete, user

LIMIT = 10_000
PATIENCE = 0.3
GOOD = json.dumps(body()).encode()
POST = b"POST /v1/chat/completions HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked"
NOT_HTTP = (400, "Invalid request: what was sent is not an HTTP/1.1 request")
TOO_LARGE = (413, "Request exceeds the maximum size")
NO_METHOD = (405, "Invalid request: this method is not allowed for this path")


def request(content: bytes = GOOD, *headers: bytes, line: bytes = POST, length: int | None = -1) -> bytes:
    """A request in bytes. `length` -1 is the right one, None sends none."""
    head = [line, b"Host: localhost", b"Authorization: Bearer sk-x", *headers]
    if length is not None:
        head.append(b"Content-Length: %d" % (len(content) if length < 0 else length))
    return b"\r\n".join([*head, b"", content])


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def error(self) -> tuple[int, str]:
        envelope = json.loads(self.content)
        assert set(envelope) == {"error"}
        assert set(envelope["error"]) == {"message", "type"}
        assert self.headers["content-type"].startswith("application/json")
        return self.status, envelope["error"]["message"]


class Wire:
    """One connection to a server, by hand. Everything is answered, or closed, within five seconds."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> Answer:
        async with asyncio.timeout(5):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            content = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(head[0].split(" ")[1]), headers, content)

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        async with asyncio.timeout(5):
            return await self._reader.read()

    async def closed(self) -> bool:
        """Whether the server has closed, or reset, without another byte."""
        async with asyncio.timeout(5):
            try:
                return await self._reader.read() == b""
            except ConnectionError:
                return True

    def half_close(self) -> None:
        self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()


class Place(NamedTuple):
    server: Running
    engine: ScriptedEngine
    connect: Callable[[], asyncio.Future[Wire]]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncGenerator[Place]:
    engine = ScriptedEngine()
    wires: list[Wire] = []
    platform = make_platform(tmp_path, engine=engine, max_body=LIMIT, patience=PATIENCE)
    async with running(platform) as server:
        port = int(server.url.rsplit(":", 1)[1])

        async def connect() -> Wire:
            wires.append(Wire(*await asyncio.open_connection("127.0.0.1", port)))
            return wires[-1]

        yield Place(server, engine, lambda: asyncio.ensure_future(connect()))
        for wire in wires:
            wire.close()


BROKEN: dict[str, bytes] = {
    "no request": b"NONSENSE\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50,
    "http/2 by prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 9,
    "version of the future": request(line=b"POST /v1/chat/completions HTTP/9.9"),
    "no method": request(line=b"BREW /v1/chat/completions HTTP/1.1"),
    "space in the path": request(line=b"POST /v1/chat completions HTTP/1.1"),
    "raw utf-8 in the path": request(line="POST /v1/é HTTP/1.1".encode()),
    "length in words": request(GOOD, b"Content-Length: many", length=None),
    "length below zero": request(GOOD, b"Content-Length: -5", length=None),
    "length beyond 64 bits": request(GOOD, b"Content-Length: " + b"9" * 30, length=None),
    "two lengths": request(GOOD, b"Content-Length: 5"),
    "length and chunks": request(chunked(GOOD), CHUNKED),
    "chunk size in words": request(b"zz\r\n" + GOOD, CHUNKED, length=None),
    "chunk size below zero": request(b"-5\r\n" + GOOD, CHUNKED, length=None),
    "chunk size beyond 64 bits": request(b"f" * 20 + b"\r\n" + GOOD, CHUNKED, length=None),
    "unknown transfer coding": request(GOOD, b"Transfer-Encoding: gzip", length=None),
    "header without a colon": request(GOOD, b"nocolon"),
    "header without a name": request(GOOD, b": x"),
    "blank before the colon": request(GOOD, b"X : y"),
    "zero byte in a header": request(GOOD, b"X: a\0b"),
    "bare line feeds": request().replace(b"\r\n", b"\n"),
    "path of 100k": request(line=b"GET /" + b"a" * 100_000 + b" HTTP/1.1"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_what_is_no_http_gets_the_envelope_and_is_closed(place: Place, name: str) -> None:
    wire = await place.connect()
    await wire.send(BROKEN[name])
    answer = await wire.answer()
    assert answer.error == NOT_HTTP
    assert answer.headers["connection"] == "close"
    assert await wire.closed()
    assert place.engine.generated == 0


async def test_what_is_no_http_has_a_line_in_the_log(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    wire = await place.connect()
    with caplog.at_level(logging.INFO, logger="moonbase"):
        await wire.send(BROKEN["tls"])
        answer = await wire.answer()
    lines = [record.getMessage() for record in caplog.records if record.name == "moonbase.access"]
    assert len(lines) == 1
    assert lines[0].startswith("- - 400 ")
    assert lines[0].endswith(f"error=invalid_request_error trace={answer.headers['x-trace-id']}")


async def test_a_tunnel_is_refused(place: Place) -> None:
    wire = await place.connect()
    await wire.send(request(line=b"CONNECT localhost:80 HTTP/1.1"))
    assert (await wire.answer()).error[0] == 400
    assert await wire.closed()


TOO_LONG: dict[str, tuple[bytes, bytes]] = {
    "one header": (b"GET /v1/models HTTP/1.1\r\nX: ", b"y" * 4096),
    "many headers": (b"GET /v1/models HTTP/1.1\r\n", b"X-Bomb: y\r\n" * 400),
    "request line": (b"GET /", b"a" * 4096),
}


@pytest.mark.parametrize("name", TOO_LONG)
async def test_a_head_without_end_is_refused(place: Place, name: str) -> None:
    """It takes no more memory than `MAX_HEAD` and one read; who goes on sending it sees the refusal all the same."""
    begin, more = TOO_LONG[name]
    wire = await place.connect()
    await wire.send(begin)
    sent = 0
    while sent < 40 * MAX_HEAD:
        await wire.send(more)
        sent += len(more)
        await asyncio.sleep(0)
    answer = await wire.answer()
    assert answer.error == (431, "Request header fields are too large")
    assert await wire.closed()
    assert await complete(place.server, body())


async def test_a_large_head_that_ends_is_taken(place: Place) -> None:
    wire = await place.connect()
    await wire.send(request(GOOD, b"Cookie: " + b"c" * 20_000))
    assert (await wire.answer()).status == 200


OVERSIZE: dict[str, bytes] = {
    "by its length": request(b"x" * (LIMIT + 1)),
    "by a length that never comes": request(b"", length=10**12),
    "by chunks": request(chunked(*[b"x" * 4000] * 3), CHUNKED, length=None),
    "by endless chunks": request(chunked(*[b"x" * 4000] * 500)[:-5], CHUNKED, length=None),
    "before 100 Continue": request(b"", b"Expect: 100-continue", length=LIMIT + 1),
}


@pytest.mark.parametrize("name", OVERSIZE)
async def test_a_body_that_is_too_large(place: Place, name: str) -> None:
    """contract.md 4.3, last paragraph: 413, before the body is read."""
    wire = await place.connect()
    await wire.send(OVERSIZE[name])
    assert (await wire.answer()).error == TOO_LARGE
    assert place.engine.generated == 0


async def test_the_connection_of_a_body_that_was_too_large_serves_on(place: Place) -> None:
    wire = await place.connect()
    await wire.send(request(b"x" * (LIMIT + 1)) + request())
    assert (await wire.answer()).status == 413
    assert (await wire.answer()).status == 200


REFUSED_EARLY: dict[str, tuple[bytes, tuple[int, str]]] = {
    "a body that is too large": (request(b"x" * 8_000_000, b"Connection: close"), TOO_LARGE),
    "the same for HTTP/1.0": (request(b"x" * 8_000_000, line=POST[:-1] + b"0"), TOO_LARGE),
    "the same for another route": (
        request(b"x" * 8_000_000, b"Connection: close", line=b"POST /v1/tokenizers/estimate-token-count HTTP/1.1"),
        TOO_LARGE,
    ),
    "a broken chunk": (request(b"zz\r\n" + b"x" * 8_000_000, CHUNKED, length=None), NOT_HTTP),
}


@pytest.mark.parametrize("name", REFUSED_EARLY)
async def test_who_still_sends_while_it_is_refused_reads_the_refusal(place: Place, name: str) -> None:
    """To close a connection with bytes unread resets it, and the answer is lost on the way (RFC 9112, 9.6)."""
    data, error = REFUSED_EARLY[name]
    wire = await place.connect()
    await wire.send(data)
    answer = await wire.answer()
    assert answer.error == error
    assert answer.headers["connection"] == "close"
    assert await wire.closed()


@pytest.mark.parametrize("rest", [b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"y" * 3 * MAX_HEAD])
async def test_what_is_broken_after_a_request_does_not_tear_its_answer(tmp_path: Path, rest: bytes) -> None:
    platform = make_platform(tmp_path, engine=ScriptedEngine(pace=0.01))
    async with running(platform) as server:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", int(server.url.rsplit(":", 1)[1])))
        await wire.send(request())
        for at in range(0, len(rest), MAX_HEAD):
            await wire.send(rest[at : at + MAX_HEAD])
            await asyncio.sleep(0)
        answer = await wire.answer()
        assert json.loads(answer.content)["choices"][0]["finish_reason"] == "stop"
        assert await wire.closed()
        wire.close()


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/v1/chat%2Fcompletions", b"/v1/models"])
async def test_a_broken_body_behind_a_request_does_not_tear_its_answer(
    tmp_path: Path, path: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    method = b"GET " if path.endswith(b"models") else b"POST "
    broken = request(b"zz\r\n", CHUNKED, length=None)
    platform = make_platform(tmp_path, engine=ScriptedEngine(pace=0.01))
    async with running(platform) as server:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", int(server.url.rsplit(":", 1)[1])))
        whole = request(line=method + path + b" HTTP/1.1")
        await wire.send(whole + whole + broken)
        assert [(await wire.answer()).status, (await wire.answer()).status] == [200, 200]
        assert await wire.closed()
        wire.close()
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


async def test_a_client_that_leaves_with_requests_waiting_stops_the_one_that_is_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = ScriptedEngine(pace=0.01)
    content = json.dumps(body(user("word " * 400), stream=True)).encode()
    async with running(make_platform(tmp_path, engine=engine)) as server:
        for line in (POST, POST.replace(b"chat/", b"chat%2F")):
            engine.began.clear()
            reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
            writer.write(request(content, line=line) + request() + request())
            await reader.readuntil(b"reasoning_content")
            writer.close()
            await asyncio.sleep(0.1)
            before = engine.generated
            await asyncio.sleep(0.1)
            assert engine.generated == before
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


ENDLESS: dict[str, bytes] = {
    "trailers": b"2\r\n{}\r\n0\r\n" + b"X-Y: z\r\n" * MAX_HEAD,
    "one trailer": b"2\r\n{}\r\n0\r\nX: " + b"y" * 8 * MAX_HEAD,
    "a chunk's extension": b"2;x=" + b"y" * 8 * MAX_HEAD,
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_what_is_no_body_beside_a_body_does_not_grow_without_end(place: Place, name: str) -> None:
    wire = await place.connect()
    await wire.send(request(ENDLESS[name], CHUNKED, length=None))
    answer = await wire.answer()
    assert answer.error == (431, "Request header fields are too large")
    assert await wire.closed()


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/anthropic/v1/messages"])
@pytest.mark.parametrize(("rest", "status"), [(b"zz\r\n", 400), (b"2;x=" + b"y" * 8 * MAX_HEAD, 431)])
async def test_a_body_that_breaks_off_is_logged_as_what_it_is_answered(
    place: Place, path: bytes, rest: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Its client did not leave, which would be a 499."""
    with caplog.at_level(logging.INFO, logger="moonbase.access"):
        wire = await place.connect()
        content = chunked(b"{")[:-5] + rest
        await wire.send(request(content, CHUNKED, line=b"POST " + path + b" HTTP/1.1", length=None))
        assert (await wire.answer()).status == status
        assert await wire.closed()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "moonbase.access"]
    assert line.startswith(f"POST {path.decode()} {status} ")
    assert "error=invalid_request_error" in line


async def test_many_small_chunks_are_a_body(place: Place) -> None:
    wire = await place.connect()
    data = chunked(*(b" " for _ in range(LIMIT - len(GOOD) - 1)), GOOD)
    for at in range(0, len(data), 1000):
        await wire.send(request(data[:1000], CHUNKED, length=None) if at == 0 else data[at : at + 1000])
    assert (await wire.answer()).status == 200


async def test_a_body_whose_end_comes_with_half_the_next_head(place: Place) -> None:
    wire = await place.connect()
    first = request(b" " * (LIMIT - len(GOOD)) + GOOD)
    await wire.send(first[:200])
    for _ in range(20):
        await wire.send(first[200:] + first[:200])
        assert (await wire.answer()).status == 200
    await wire.send(first[200:])
    assert (await wire.answer()).status == 200


async def test_trailers_are_no_headers(place: Place) -> None:
    wire = await place.connect()
    ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    sent = request(
        chunked(ping)[:-2] + b"MCP-Protocol-Version: 1\r\n\r\n", CHUNKED, line=b"POST /mcp HTTP/1.1", length=None
    )
    await wire.send(sent)
    assert (await wire.answer()).status == 200


async def test_what_is_broken_after_a_refusal_gets_no_second_one(place: Place) -> None:
    wire = await place.connect()
    await wire.send(request(chunked(b"x" * (LIMIT + 1))[:-5], CHUNKED, length=None))
    assert (await wire.answer()).error == TOO_LARGE
    await wire.send(b"zz\r\n")
    assert await wire.closed()


@pytest.mark.parametrize("whole", [False, True])
async def test_a_client_is_not_blamed_for_a_loop_that_was_held_up(place: Place, whole: bool) -> None:
    """What it sent in that time lies unread when the timer fires."""
    wire = await place.connect()
    await wire.send(request()[: 0 if whole else -5])
    await asyncio.sleep(0.01)
    time.sleep(2 * PATIENCE)  # noqa: ASYNC251
    await asyncio.sleep(0)
    await wire.send(request() if whole else request()[-5:])
    assert (await wire.answer()).status == 200


SLOW: dict[str, tuple[bytes, tuple[int, str] | None]] = {
    "says nothing": (b"", None),
    "only blank lines": (b"\r\n\r\n", None),
    "stops in the request line": (POST[:10], (408, "the request's headers did not come in time")),
    "stops in a header": (request()[:60], (408, "the request's headers did not come in time")),
    "stops before the body": (request(b"", length=50), (408, "the request's body did not come in time")),
    "stops in the body": (request(GOOD[:-1], length=len(GOOD)), (408, "the request's body did not come in time")),
    "stops between chunks": (
        request(chunked(GOOD)[:-5], CHUNKED, length=None),
        (408, "the request's body did not come in time"),
    ),
}


@pytest.mark.parametrize("name", SLOW)
async def test_a_client_that_stops_is_not_waited_for_without_end(place: Place, name: str) -> None:
    data, error = SLOW[name]
    wire = await place.connect()
    await wire.send(data)
    if error is not None:
        assert (await wire.answer()).error == error
    assert await wire.closed()


async def test_a_slow_client_that_does_not_stop_is_served(place: Place) -> None:
    """`patience` bounds each silence in a body, not the whole of it."""
    wire = await place.connect()
    data = request()
    head = data.index(b"\r\n\r\n") + 4
    await wire.send(data[:head])
    began = asyncio.get_running_loop().time()
    for piece in (data[at : at + 9] for at in range(head, len(data), 9)):
        await asyncio.sleep(PATIENCE / 6)
        await wire.send(piece)
    assert asyncio.get_running_loop().time() - began > PATIENCE
    assert (await wire.answer()).status == 200


async def test_a_request_that_waits_behind_an_answer_is_not_cut_by_its_own_slowness(tmp_path: Path) -> None:
    """The head of a pipelined request may be slow while an answer is under way; the answer is not torn."""
    platform = make_platform(tmp_path, engine=ScriptedEngine(pace=0.05), patience=0.2)
    async with running(platform) as server:
        port = int(server.url.rsplit(":", 1)[1])
        wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
        await wire.send(request() + POST[:10])
        assert (await wire.answer()).status == 200
        assert (await wire.answer()).status == 408
        wire.close()


async def test_half_a_request_and_a_half_closed_connection(place: Place) -> None:
    for data in (b"", POST[:10], request()[:-10]):
        wire = await place.connect()
        await wire.send(data)
        wire.half_close()
        assert await wire.closed()
    assert place.engine.generated == 0


async def test_pipelined_requests_are_answered_in_order(place: Place) -> None:
    """A broken body between two good ones spoils neither."""
    wire = await place.connect()
    await wire.send(request() + request(b"{") + request(b"", line=b"GET /v1/nowhere HTTP/1.1") + request())
    assert [(await wire.answer()).status for _ in range(4)] == [200, 400, 404, 200]


async def test_100_continue(place: Place) -> None:
    wire = await place.connect()
    await wire.send(request(b"", b"Expect: 100-continue", length=len(GOOD)))
    assert (await wire.answer()).status == 100
    await wire.send(GOOD)
    assert (await wire.answer()).status == 200


async def test_http_1_0(place: Place) -> None:
    wire = await place.connect()
    await wire.send(request(line=b"POST /v1/chat/completions HTTP/1.0"))
    answer = await wire.answer()
    assert json.loads(answer.content)["choices"]
    assert await wire.closed()


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/v1/chat/completions?api-version=1"])
async def test_a_stream_over_http_1_0_has_no_chunks_and_ends_with_the_connection(place: Place, path: bytes) -> None:
    """As nginx asks unless told otherwise; a server MUST NOT send chunks to such a client (RFC 9112, 6.1)."""
    content = json.dumps(body(stream=True)).encode()
    wire = await place.connect()
    await wire.send(request(content, b"Connection: keep-alive", line=b"POST " + path + b" HTTP/1.0"))
    head, _, frames = (await wire.rest()).partition(b"\r\n\r\n")
    assert b"\r\nconnection: close" in head
    assert b"transfer-encoding" not in head
    assert b"\r\nx-accel-buffering: no\r\n" in head  # else nginx waits for some kilobytes
    assert [frame[:6] for frame in frames.split(b"\n\n")[:-1]] == [b"data: "] * frames.count(b"data: ")
    assert frames.endswith(b"data: [DONE]\n\n")


async def test_chunks_are_joined(place: Place) -> None:
    wire = await place.connect()
    await wire.send(request(chunked(*[GOOD[at : at + 1] for at in range(len(GOOD))]), CHUNKED, length=None))
    assert (await wire.answer()).status == 200


@pytest.mark.parametrize("together", [True, False])
async def test_an_offer_of_another_protocol_is_ignored_and_the_body_kept(
    place: Place, together: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Java's HTTP client offers h2c with its first request (RFC 9110, 7.8)."""
    offer = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAEAAEAAAAIAAAAB")
    wire = await place.connect()
    data = request(GOOD, *offer)
    head = len(data) - len(GOOD)
    with caplog.at_level(logging.WARNING):
        for piece in [data] if together else [data[:50], data[50:head], data[head:-7], data[-7:]]:
            await wire.send(piece)
            await asyncio.sleep(0.02)
        assert (await wire.answer()).status == 200
        await wire.send(request())
        assert (await wire.answer()).status == 200
    assert caplog.records == []


async def test_a_websocket_is_refused(place: Place) -> None:
    wire = await place.connect()
    headers = (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: eA==")
    await wire.send(request(b"", *headers, line=b"GET /v1/chat/completions HTTP/1.1"))
    assert (await wire.answer()).error == NO_METHOD


async def test_after_all_of_it_the_server_answers_as_before(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    def without_id(answer: dict[str, object]) -> dict[str, object]:
        return {name: value for name, value in answer.items() if name != "id"}

    right = without_id(await complete(place.server, body()))
    generated = place.engine.generated
    for data in [*BROKEN.values(), *OVERSIZE.values(), *(data for data, _ in SLOW.values())]:
        wire = await place.connect()
        await wire.send(data)
        wire.close()
    assert without_id(await complete(place.server, body())) == right
    assert place.engine.generated == 2 * generated
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
