"""Bytes that never become a character: engines that detokenize show them as U+FFFD; they are counted and never shown
(contract.md 2.5)."""

from __future__ import annotations

from typing import Any

import pytest

from moonbase.contract.events import ArgumentsDelta, ContentDelta, Event, Finished, ReasoningDelta, ReasoningEnded
from moonbase.contract.request import ChatRequest
from moonbase.engines.http.dialect import DialectName
from tests.engines.http.asking import answer_of, asking, events_of
from tests.engines.http.serving import http_engine
from tests.engines.http.stub import Json, delta, stream, totals, upstream, whole
from tests.server.client import user

BROKEN = "\ufffd"
TOOL: Json = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
OFF: Json = {"thinking": {"type": "disabled"}}
MENDED: tuple[DialectName, ...] = ("vllm", "sglang", "llamacpp", "openai")


def counted(completion: int, **said: Any) -> Json:
    """A frame with the counts so far, as vLLM and SGLang send them."""
    return delta(usage={"prompt_tokens": 9, "completion_tokens": completion}, **said)


def calling(arguments: str, name: str | None = None) -> Json:
    function = {"arguments": arguments, **({} if name is None else {"name": name})}
    return delta(tool_calls=[{"index": 0, **({} if name is None else {"id": "c"}), "function": function}])


async def answered(dialect: DialectName, reply: bytes, request: ChatRequest | None = None) -> Json:
    async with upstream(reply) as stub:
        engine = http_engine(stub.url, dialect)
        try:
            return await answer_of(engine, request)
        finally:
            await engine.close()


async def told(dialect: DialectName, *payloads: Json, request: ChatRequest | None = None) -> list[Event]:
    async with upstream(stream(*payloads)) as stub:
        engine = http_engine(stub.url, dialect)
        try:
            return await events_of(engine, request)
        finally:
            await engine.close()


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, ReasoningDelta | ContentDelta | ArgumentsDelta)]


@pytest.mark.parametrize("dialect", MENDED)
async def test_a_stream_shows_none(dialect: DialectName) -> None:
    frames = [
        delta(role="assistant", content=""),
        delta(reasoning_content=f"Hm{BROKEN}"),
        delta(reasoning_content=BROKEN),
        delta(content=BROKEN),
        delta(content=f"{BROKEN}It{BROKEN}{BROKEN} is"),
        calling(f'{{"a": "{BROKEN}', name="look"),
        calling(f'{BROKEN}b"}}'),
        delta("tool_calls"),
        totals(9, 9),
    ]
    found = await told(dialect, *frames, request=asking(tools=[TOOL]))
    assert texts(found) == ["Hm", "It is", '{"a": "', 'b"}']


@pytest.mark.parametrize("dialect", MENDED)
async def test_an_answer_that_comes_whole_shows_none(dialect: DialectName) -> None:
    message = {"role": "assistant", "content": f"caf{BROKEN} {BROKEN}", "reasoning_content": f"{BROKEN}Hm"}
    usage = {"prompt_tokens": 9, "completion_tokens": 6}
    reply = whole({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage})
    found = await answered(dialect, reply)
    assert (found["reasoning_content"], found["content"]) == ("Hm", "caf ")
    assert found["usage"]["completion_tokens"] == 6


@pytest.mark.parametrize("dialect", ["kimi", "moonbase"])
async def test_the_platform_s_own_answers_stay(dialect: DialectName) -> None:
    found = await told(dialect, delta(role="assistant", content=""), delta(content=f"a{BROKEN}"), delta("stop"))
    assert texts(found) == [f"a{BROKEN}"]


async def test_tokens_that_show_nothing_count_with_what_comes_next() -> None:
    frames = [
        delta(role="assistant", content=""),
        counted(2, reasoning="Hm"),
        counted(4, reasoning=BROKEN),
        counted(5, content=BROKEN),
        counted(7, content="It is"),
        counted(8, content=BROKEN),
        delta("stop"),
        totals(9, 8),
    ]
    found = await told("vllm", *frames)
    assert [event.tokens for event in found if isinstance(event, ReasoningDelta)] == [2]
    assert [(event.tokens, event.reasoning) for event in found if isinstance(event, ReasoningEnded)] == [(2, 2)]
    assert [event.tokens for event in found if isinstance(event, ContentDelta)] == [3]
    end = found[-1]
    assert isinstance(end, Finished)
    assert (end.usage.completion_tokens, end.usage.reasoning_tokens) == (8, 4)


async def test_where_nothing_is_counted_each_increment_is_a_token() -> None:
    frames = [delta(role="assistant", content=""), *[delta(content=BROKEN)] * 3, delta(content="a"), delta("stop")]
    found = await told("llamacpp", *frames)
    assert [event.tokens for event in found if isinstance(event, ContentDelta)] == [4]
    end = found[-1]
    assert isinstance(end, Finished)
    assert end.usage.completion_tokens == 4


async def test_an_answer_of_nothing_else_is_empty() -> None:
    found = await answered(
        "sglang", stream(counted(1, role="assistant", content=BROKEN), delta("stop"), totals(9, 1)), asking(**OFF)
    )
    assert (found["content"], found["finish_reason"], found["usage"]["completion_tokens"]) == ("", "stop", 1)


def with_ids(ids: list[int], finish: str | None = None, **said: Any) -> Json:
    frame = delta(finish, **said)
    frame["choices"][0]["token_ids"] = ids
    return frame


async def test_ids_of_tokens_stand_once_and_in_order() -> None:
    frames = [
        delta(role="assistant", content=""),
        with_ids([1], content=BROKEN),
        with_ids([2], content="a"),
        with_ids([3], content=BROKEN),
        with_ids([4], "stop"),
    ]
    request = asking(stream=True, stream_options={"include_internal_content": True}, **OFF)
    found = await told("vllm", *frames, request=request)
    ids = [event.token_ids for event in found if isinstance(event, ContentDelta | Finished)]
    assert ids == [(1, 2), (3, 4)]


async def test_logprobs_join_to_the_text() -> None:
    def token(text: str, data: bytes) -> Json:
        return {"token": text, "logprob": -0.5, "bytes": list(data), "top_logprobs": []}

    frame = delta(content=f"a{BROKEN}b")
    listed = [token("a", b"a"), token(BROKEN, b"\xe2\x82"), token("b", b"b")]
    frame["choices"][0]["logprobs"] = {"content": listed}
    frames = [delta(role="assistant", content=""), frame, delta("stop")]
    found = await told("vllm", *frames, request=asking(model="kimi-k2-thinking", logprobs=True))
    (content,) = [event for event in found if isinstance(event, ContentDelta)]
    assert content.text == "ab"
    assert [each.token for each in content.logprobs] == ["a", "b"]


@pytest.mark.parametrize(
    "request_",
    [
        asking(user(f"What is {BROKEN}?")),
        asking(user("What is '\\uFFFD'?")),
        asking(tools=[{"type": "function", "function": {"name": "look", "description": f"for {BROKEN}"}}]),
    ],
    ids=["in a message", "as an escape", "in a tool"],
)
async def test_what_may_be_a_copy_stays(request_: ChatRequest) -> None:
    frames = [delta(role="assistant", content=""), delta(content=f"It is {BROKEN}."), delta("stop")]
    assert texts(await told("vllm", *frames, request=request_)) == [f"It is {BROKEN}."]
