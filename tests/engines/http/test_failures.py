"""Upstreams that refuse, fail, fall silent or are no upstreams at all (contract.md 4.2)."""

from __future__ import annotations

import asyncio
import gzip
import logging
from pathlib import Path
from typing import Any

import pytest

from moonbase.contract.errors import (
    ApiError,
    EngineOverloaded,
    InvalidRequest,
    NotFound,
    RateLimited,
    RequestTooLarge,
    ServerError,
    SettingsError,
    Unavailable,
    UnexpectedOutput,
)
from moonbase.contract.events import ContentDelta, Failed
from moonbase.engines.http.connection import MAX_HEAD
from moonbase.engines.http.dialect import Room
from moonbase.engines.http.dialects import read_room
from moonbase.engines.http.upstream import parse_upstream
from tests.engines.http.asking import answer_of, asking, events_of, failure_of
from tests.engines.http.serving import http_engine
from tests.engines.http.stub import STREAM, Asked, chunk, delta, head, lines, stream, totals, upstream, whole
from tests.running import make_platform, running
from tests.server.client import Json, body, error_of, post

SECRET = "sk-upstream-secret"
OFF: Json = {"thinking": {"type": "disabled"}}
GOOD = whole({"choices": [{"message": {"content": "It"}, "finish_reason": "stop"}]})


LM_STUDIO = "is greater than the context length (n_keep: 13055>= n_ctx: 4096). Try to load the model with a larger one"
TOO_LONG = "Invalid request: Your request exceeded model token limit: 4096 (requested: 13055)"
BLIND = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"


def refused(status: int, message: str = "", type: str = "", **headers: str) -> bytes:
    return whole({"error": {"message": message, "type": type}}, status, **headers)


async def failure_from(reply: bytes, **options: Any) -> ApiError:
    async with upstream(reply) as stub:
        engine = http_engine(stub.url, options.pop("dialect", "vllm"), key=SECRET, **options)
        error = await failure_of(engine, asking(**OFF))
        await engine.close()
    assert SECRET not in error.message
    assert "127.0.0.1" not in error.message
    return error


@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        (refused(400, "top_k must be positive"), InvalidRequest, "top_k must be positive"),
        (whole({"detail": [{"loc": ["body"], "msg": "bad"}]}, 422), InvalidRequest, "bad"),
        (whole({"object": "error", "message": "no such thing", "code": 400}, 400), InvalidRequest, "no such thing"),
        (whole({"error": "plain words"}, 400), InvalidRequest, "plain words"),
        (whole(b"<html>", 400, content_type="text/html"), InvalidRequest, "without saying why"),
        (refused(500, BLIND, "server_error"), InvalidRequest, "image input is not supported"),
        (refused(401, f"Incorrect API key: {SECRET}"), Unavailable, "does not accept this server"),
        (refused(402, "pay"), Unavailable, "does not accept this server"),
        (refused(403, "no"), Unavailable, "does not accept this server"),
        (refused(404, "The model `x` does not exist."), NotFound, "Not found the model kimi-k2.6 or Permission denied"),
        (whole({"detail": "Not Found"}, 404), NotFound, "Not found the model kimi-k2.6"),
        (refused(405), ServerError, "status 405"),
        (refused(413), RequestTooLarge, "maximum size"),
        (head(301, location="http://x/", content_length="0"), ServerError, "status 301"),
        (refused(429, "slow down", "rate_limit_reached_error"), RateLimited, "slow down"),
        (refused(429, "quota", "exceeded_current_quota_error"), Unavailable, "does not accept this server"),
        (refused(429, "Too many requests for 10.0.0.7"), EngineOverloaded, "overloaded, please try again later"),
        (refused(500, "CUDA error at /opt/x.py"), ServerError, "the engine of this model failed"),
        (refused(500, "invalid state transition: odd", "unexpected_output"), UnexpectedOutput, "odd"),
        (whole(b"<html>bad gateway</html>", 502, content_type="text/html"), Unavailable, "not available at the moment"),
        (refused(503, "loading model", "unavailable_error"), Unavailable, "not available at the moment"),
        (refused(529, "Overloaded"), Unavailable, "not available"),
        (refused(408, "modal-http: timeout"), Unavailable, "not available"),
        (refused(409, "lock timeout"), Unavailable, "not available"),
        (refused(425, "too early"), Unavailable, "not available"),
        (refused(499, "client closed request"), Unavailable, "not available"),
        (whole(b"error code: 524", 524, content_type="text/plain"), Unavailable, "not available"),
        (whole(b"<html>hello</html>", content_type="text/html"), ServerError, "answered with text/html"),
        (whole(gzip.compress(b"{}"), content_encoding="gzip"), ServerError, "application/json in the encoding gzip"),
        (whole(b"{}", content_encoding="identity"), UnexpectedOutput, "before its answer was finished"),
        (whole(b"{}", content_type="application/json"), UnexpectedOutput, "before its answer was finished"),
        (whole(b"{not json"), UnexpectedOutput, "a frame that is none"),
        (whole({"error": {"message": "too much", "code": 429}}), EngineOverloaded, "too much"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Unavailable, "not available"),
        (b"HTTP/1.1 200 OK\r\n" + b"x-a: " + b"y" * (MAX_HEAD + 9) + b"\r\n", Unavailable, "not available"),
        (b"", Unavailable, "not available"),
        (stream(), UnexpectedOutput, "before its answer was finished"),
        (stream(f'event: error\ndata: {{"error": {{"message": "x {LM_STUDIO}"}}}}'), InvalidRequest, TOO_LONG),
        (stream({"error": {"message": "Provider disconnected", "code": 502}}), Unavailable, "failed"),
        (stream({"error": {"message": "slow down", "code": "429"}}), EngineOverloaded, "slow down"),
        (stream({"error": {"message": "odd", "code": ["429"]}}), UnexpectedOutput, "failed"),
        (stream("data: {not json"), UnexpectedOutput, "a frame that is none"),
        (stream("data: [1]"), UnexpectedOutput, "a frame that is none"),
    ],
)
async def test_before_the_first_token(reply: bytes, kind: type[ApiError], text: str) -> None:
    error = await failure_from(reply)
    assert type(error) is kind, error.message
    assert text in error.message


@pytest.mark.parametrize("status", [408, 429, 503])
async def test_retry_after_is_passed_on(status: int) -> None:
    assert (await failure_from(refused(status, retry_after="7"))).headers == {"Retry-After": "7"}
    odd = await failure_from(refused(status, retry_after="Fri, 31 Dec 1999 23:59:59 GMT"))
    assert odd.headers == {}


async def test_the_operators_account_is_not_named() -> None:
    """contract.md 4.2: the hosted texts have it in them."""
    text = (
        "Your account org-a1b2c3<ak-d4e5f6> request reached organization max RPM: 3, please try again after 1 seconds"
    )
    error = await failure_from(refused(429, text, "rate_limit_reached_error"), dialect="kimi")
    assert error.message.startswith("Your account …")
    assert "a1b2c3" not in error.message
    assert "d4e5f6" not in error.message


async def test_nobody_is_there(caplog: pytest.LogCaptureFixture) -> None:
    async with upstream(b"") as stub:
        url = stub.url
    engine = http_engine(url.replace("//", f"//user:{SECRET}@"), "vllm", key=None)
    with caplog.at_level(logging.WARNING):
        await engine.start()
        error = await failure_of(engine)
    await engine.close()
    assert (error.status, error.type) == (503, "server_unavailable")
    assert "Connection refused" in caplog.text or "Connect call failed" in caplog.text
    assert SECRET not in caplog.text


LISTS: dict[str, bytes] = {"nothing": b"", "half a list": whole({"data": [{"id": "the-model"}]})[:-9]}


@pytest.mark.parametrize("models", [*LISTS.values()], ids=[*LISTS])
async def test_a_list_of_models_that_never_comes(models: bytes) -> None:
    """It is waited for a while, and once for all requests that need it."""
    async with upstream(GOOD, models=models) as stub:
        engine = http_engine(stub.url, "vllm", ask_s=0.4)
        async with asyncio.timeout(1.5):
            await engine.start()
            found = await asyncio.gather(*(answer_of(engine, asking(**OFF)) for _ in range(5)))
        await engine.close()
    assert [each["content"] for each in found] == ["It"] * 5
    assert stub.lists == 2


async def test_what_is_wrong_with_tls(caplog: pytest.LogCaptureFixture) -> None:
    """The log says so; OpenSSL's numbers are not the system's, whose first is "Operation not permitted"."""

    both = asyncio.Barrier(3)  # the list of models is asked for, then the answer

    async def speaks_none(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(GOOD)
        writer.close()
        await asyncio.wait([asyncio.ensure_future(writer.wait_closed())])
        await both.wait()

    server = await asyncio.start_server(speaks_none, "127.0.0.1", 0)
    async with server:
        engine = http_engine(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", "vllm")
        with caplog.at_level(logging.WARNING):
            await failure_of(engine)
        async with asyncio.timeout(5):
            await both.wait()
        await engine.close()
    assert "the TLS handshake failed: wrong version number" in caplog.text
    assert "permitted" not in caplog.text


async def test_nothing_compressed_is_asked_for() -> None:
    """RFC 9110, 12.5.3: where a request says nothing of encodings, any may come."""
    async with upstream(GOOD) as stub:
        engine = http_engine(stub.url, "vllm")
        await answer_of(engine)
        await engine.close()
    assert stub.asked[0].headers["accept-encoding"] == "identity"


async def test_what_the_operator_reads(caplog: pytest.LogCaptureFixture) -> None:
    """The reason stands in the log; the key does not."""
    with caplog.at_level(logging.WARNING):
        await failure_from(refused(401, f"Incorrect API key: {SECRET}"))
    assert "status 401: Incorrect API key: …" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("ends", ["cut", "whole"])
async def test_it_dies_in_the_middle(ends: str) -> None:
    """contract.md 2.1: the stream ends with a reason that says so."""
    part = STREAM + chunk(lines(delta(content="It")))
    async with upstream(
        part.replace(b"chunked", b"chunked\r\nconnection: close") + b"0\r\n\r\n" if ends == "whole" else _cut(part)
    ) as stub:
        engine = http_engine(stub.url, "vllm")
        events = await events_of(engine, asking(**OFF))
        await engine.close()
    last = events[-1]
    assert isinstance(last, Failed)
    assert ContentDelta("It") in events
    assert last.finish_reason == ("server_interrupted" if ends == "cut" else "unexpected_state")
    assert last.error.status == (503 if ends == "cut" else 500)


def _cut(data: bytes) -> Any:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    return answer


async def test_an_answer_that_is_whole_but_for_its_last_line() -> None:
    """It has said why it ended, so nothing is lost but its counts."""
    part = STREAM + chunk(lines(delta(content="It"), delta("stop")))
    async with upstream(_cut(part)) as stub:
        engine = http_engine(stub.url, "openai")
        found = await answer_of(engine, asking(**OFF))
        await engine.close()
    assert (found["content"], found["finish_reason"]) == ("It", "stop")


async def test_a_body_that_ends_with_its_connection() -> None:
    """HTTP/1.0, as some small servers have it (RFC 9112, 6.3)."""
    reply = head(content_type="text/event-stream") + lines(delta(content="It"), delta("stop"), totals(), "data: [DONE]")
    async with upstream(reply) as stub:
        engine = http_engine(stub.url, "openai")
        assert (await answer_of(engine, asking(**OFF)))["content"] == "It"
        await engine.close()


async def test_silence() -> None:
    async def nothing(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with upstream(nothing) as stub:
        engine = http_engine(stub.url, "vllm", silence_s=0.1)
        async with asyncio.timeout(5):
            assert (await failure_of(engine)).status == 503
            await stub.left.wait()
        await engine.close()


async def test_silence_after_another_exchange() -> None:
    """The connection has its timer from before, and no longer than it should."""

    async def nothing(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    good = whole({"choices": [{"message": {"content": "It"}, "finish_reason": "stop"}]})
    async with upstream(good, nothing) as stub:
        engine = http_engine(stub.url, "vllm", silence_s=0.2)
        async with asyncio.timeout(10):
            assert (await answer_of(engine, asking(**OFF)))["content"] == "It"
            assert (await failure_of(engine)).status == 503
            await stub.left.wait()
        await engine.close()
    assert len(stub.asked) == 2, "it may be at work: the request is not sent a second time"


async def test_silence_where_the_body_ends_with_its_connection() -> None:
    """It is cut off, not at its end."""

    async def begins(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head(content_type="text/event-stream") + lines(delta(content="It")))
        await asyncio.Event().wait()

    async with upstream(begins) as stub:
        engine = http_engine(stub.url, "vllm", silence_s=0.1)
        last = (await events_of(engine, asking(stream=True, **OFF)))[-1]
        await engine.close()
    assert isinstance(last, Failed)
    assert last.finish_reason == "server_interrupted"


BAD = whole({"choices": [{"message": {"content": "of another"}, "finish_reason": "stop"}]})


@pytest.mark.parametrize("second", [BAD, BAD[:60]], ids=["whole", "a part"])
async def test_a_second_reply_is_nobodys(second: bytes) -> None:
    """It comes right behind the first; the connection is not used again."""
    async with upstream(GOOD + second, GOOD) as stub:
        engine = http_engine(stub.url, "vllm")
        for _ in range(2):
            assert (await answer_of(engine, asking(**OFF)))["content"] == "It"
        await engine.close()
    assert (len(stub.asked), stub.connections) == (2, 2)


async def test_a_reply_on_an_idle_connection_is_nobodys() -> None:
    """Load balancers tell so that they close one: "408 Request Timeout"."""

    async def late(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD)
        await asyncio.sleep(0.05)
        writer.write(BAD[:60])
        await asyncio.Event().wait()

    async with upstream(late, GOOD) as stub:
        engine = http_engine(stub.url, "vllm")
        assert (await answer_of(engine, asking(**OFF)))["content"] == "It"
        async with asyncio.timeout(5):
            await stub.left.wait()
        assert (await answer_of(engine, asking(**OFF)))["content"] == "It"
        await engine.close()


async def test_a_connection_that_was_closed_while_idle_is_not_used() -> None:
    """uvicorn closes one after 5 seconds; a request may be on its way just then."""
    good = stream(delta(content="It"), delta("stop"), totals())
    async with upstream(_closing(good), good) as stub:
        engine = http_engine(stub.url, "vllm")
        for _ in range(2):
            assert (await answer_of(engine, asking(**OFF)))["content"] == "It"
        await engine.close()
    assert len(stub.asked) == 2


def _closing(data: bytes) -> Any:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return answer


async def test_a_connection_is_kept() -> None:
    async with upstream(stream(delta(content="It"), delta("stop"), totals())) as stub:
        engine = http_engine(stub.url, "vllm")
        for _ in range(3):
            await answer_of(engine, asking(**OFF))
        await engine.close()
    assert stub.connections == 1


async def test_a_client_gets_the_envelope(tmp_path: Path) -> None:
    async with upstream(refused(503, "x", retry_after="2")) as stub:
        engine = http_engine(stub.url, "vllm")
        async with running(make_platform(tmp_path, engine=engine)) as server:
            for streams in (False, True):
                answer = await post(server, {**body(), "stream": streams})
                assert error_of(answer)[:2] == (503, "server_unavailable")
                assert answer.headers["retry-after"] == "2"


@pytest.mark.parametrize(
    ("text", "room"),
    [
        (
            "This model's maximum context length is 2048 tokens. However, you requested 3005 tokens (2005 in the "
            "messages, 1000 in the completion). Please reduce the length of the messages or completion.",
            Room(2048, 2005),
        ),
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 2000. This model's maximum context length is 4096 "
            "tokens and your request has 2104 input tokens (2000 > 4096 - 2104). None",
            Room(4096, 2104),
        ),
        (
            "This model's maximum context length is 4096 tokens. However, you requested 4000 output tokens and your "
            "prompt contains at least 97 input tokens, for a total of at least 4097 tokens.",
            Room(4096, 97),
        ),
        (
            "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of "
            "5000 tokens: 4000 tokens from the input messages and 1000 tokens for the completion.",
            Room(4096, 4000),
        ),
        ("The input (5000 tokens) is longer than the model's context length (4096 tokens).", Room(4096, 5000)),
        (
            "request (66202 tokens) exceeds the available context size (65536 tokens), try increasing it",
            Room(65536, 66202),
        ),
        (f"The number of tokens to keep from the initial prompt {LM_STUDIO}", Room(4096, 13055)),
        ("Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)", Room(7424, 15028)),
        (
            "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with "
            "context length of only 4096 tokens, which is not enough.",
            Room(4096, 9000),
        ),
        ("Input validation error: `inputs` must have less than 4095 tokens. Given: 5000", Room(4095, 5000)),
        ("top_k must be positive", None),
    ],
)
def test_what_refusals_say_of_the_context(text: str, room: Room | None) -> None:
    assert read_room(text) == room


class TestUrls:
    @pytest.mark.parametrize(
        ("url", "name"),
        [
            ("http://gpu:8000", "http://gpu:8000/v1"),
            ("http://gpu:8000/", "http://gpu:8000/v1"),
            ("http://gpu:8000/v1/", "http://gpu:8000/v1"),
            ("https://api.moonshot.ai/v1", "https://api.moonshot.ai:443/v1"),
            ("https://host/openai", "https://host:443/openai"),
            ("http://u:p@[::1]:9", "http://[::1]:9/v1"),
            ("http://例え.jp:9", "http://xn--r8jz45g.jp:9/v1"),
        ],
    )
    def test_base_urls(self, url: str, name: str) -> None:
        assert parse_upstream(url).name == name

    @pytest.mark.parametrize(
        "url",
        ["gpu:8000", "ftp://gpu", "http://", "http://gpu:x", "http://gpu/a b", "http://gpu/?a=1", "http://例..jp"],
    )
    def test_what_is_none(self, url: str) -> None:
        with pytest.raises(SettingsError, match="the URL of an upstream must be"):
            parse_upstream(url)

    def test_credentials(self) -> None:
        found = parse_upstream("http://ann:s3cret@gpu")
        assert found.authorization == "Basic YW5uOnMzY3JldA=="
        assert found.scrubbed("s3cret YW5uOnMzY3JldA== gpu:80") == "… … …"
        assert "s3cret" not in found.name
        assert parse_upstream("http://ann:s3cret@gpu", "sk-1").authorization == "Bearer sk-1"

    def test_a_key_that_is_no_secret_stays_in_other_words(self) -> None:
        assert parse_upstream("http://gpu", "any").scrubbed("too many requests") == "too many requests"

    def test_a_key_that_no_header_may_hold(self) -> None:
        with pytest.raises(SettingsError) as raised:
            parse_upstream("http://gpu", "sk-1\r\nX: y")
        assert "sk-1" not in str(raised.value)
