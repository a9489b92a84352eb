"""`/anthropic/v1/messages` (contract.md 9), through Anthropic's own library and on the wire."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest
from anthropic import AsyncAnthropic

from moonbase.contract.errors import EngineOverloaded
from moonbase.contract.events import ContentDelta, Event, Failed
from moonbase.contract.request import ChatRequest
from moonbase.engines.scripted import ScriptedEngine
from tests.running import KEY, Running, make_platform, running
from tests.server.client import body, complete

Json = dict[str, Any]
MODEL = "kimi-k2.6"
THOUGHT = "I am the scripted engine. I read this and answer."
HELLO: Any = [{"role": "user", "content": "Hello there."}]
THINKS: Any = {"type": "enabled", "budget_tokens": 1024}
WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
ASKED: Any = {"role": "user", "content": 'Call the tool `get_weather` with these JSON arguments: {"city":"Oslo"} '}


def sdk(server: Running, key: str = KEY) -> AsyncAnthropic:
    return AsyncAnthropic(base_url=f"{server.url}/anthropic", auth_token=key, max_retries=0)


async def test_a_whole_answer(server: Running) -> None:
    async with sdk(server) as client:
        message = await client.messages.create(model=MODEL, max_tokens=99, messages=HELLO, thinking=THINKS)
        plain = await client.messages.create(model=MODEL, max_tokens=99, messages=HELLO)
    thought, text = message.content
    assert thought.type == "thinking"
    assert (thought.thinking, bool(thought.signature)) == (THOUGHT, True)
    assert text.type == "text"
    assert text.text == "You said: Hello there."
    assert (message.role, message.model, message.stop_reason) == ("assistant", MODEL, "end_turn")
    assert message.id.startswith("msg_")
    assert [block.type for block in plain.content] == ["text"]


async def test_the_counts_are_those_of_chat_completions(server: Running) -> None:
    async with sdk(server) as client:
        message = await client.messages.create(model=MODEL, max_tokens=99, messages=HELLO, thinking=THINKS)
        counted = await client.messages.count_tokens(model=MODEL, messages=HELLO, thinking=THINKS)
    usage = (await complete(server, body()))["usage"]
    told = message.usage
    assert told.input_tokens + (told.cache_read_input_tokens or 0) == usage["prompt_tokens"] == counted.input_tokens
    assert told.output_tokens == usage["completion_tokens"]
    assert told.output_tokens_details is not None
    assert told.output_tokens_details.thinking_tokens == usage["completion_tokens_details"]["reasoning_tokens"]


@pytest.mark.parametrize("model", [MODEL, "kimi-k3"])
async def test_a_loop_with_a_tool_streamed(server: Running, model: str) -> None:
    async with sdk(server) as client:
        async with client.messages.stream(
            model=model, max_tokens=500, tools=[WEATHER], thinking=THINKS, messages=[ASKED]
        ) as stream:
            called = await stream.get_final_message()
        assert called.stop_reason == "tool_use"
        call = called.content[-1]
        assert call.type == "tool_use"
        assert (call.name, call.input) == ("get_weather", {"city": "Oslo"})
        result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": "12 degrees"}
        conversation: Any = [
            ASKED,
            {"role": "assistant", "content": called.content},
            {"role": "user", "content": [result]},
        ]
        answer = await client.messages.create(
            model=model, max_tokens=500, tools=[WEATHER], thinking=THINKS, messages=conversation
        )
    assert [block.type for block in called.content] == ["thinking", "tool_use"]
    text = answer.content[-1]
    assert text.type == "text"
    assert "12 degrees" in text.text


async def test_thinking_that_the_client_dropped_is_restored(server: Running) -> None:
    """contract.md 3: what a framework drops most often."""
    async with sdk(server) as client:
        called = await client.messages.create(
            model=MODEL, max_tokens=500, tools=[WEATHER], thinking=THINKS, messages=[ASKED]
        )
        kept: Any = [block for block in called.content if block.type == "tool_use"]
        result: Any = {"type": "tool_result", "tool_use_id": kept[0].id, "content": "12 degrees"}
        conversation: Any = [ASKED, {"role": "assistant", "content": kept}, {"role": "user", "content": [result]}]
        raw = await client.messages.with_raw_response.create(
            model=MODEL, max_tokens=500, tools=[WEATHER], thinking=THINKS, messages=conversation
        )
    assert raw.headers["x-moonbase-reasoning-restored"] == "1"


async def test_where_nothing_is_restored_it_is_refused(tmp_path: Path) -> None:
    platform = make_platform(tmp_path, missing_reasoning="strict")
    call: Any = {"type": "tool_use", "id": "get_weather:0", "name": "get_weather", "input": {}}
    result: Any = {"type": "tool_result", "tool_use_id": "get_weather:0", "content": ""}
    conversation: Any = [ASKED, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    async with running(platform) as server, sdk(server) as client:
        with pytest.raises(anthropic.BadRequestError, match=r"reasoning_content is missing .* at index 1"):
            await client.messages.create(
                model=MODEL, max_tokens=500, messages=conversation, tools=[WEATHER], thinking=THINKS
            )


async def test_a_request_as_claude_code_sends_it(server: Running) -> None:
    """Claude Code 2.1: marks for the cache, a system message in the middle, betas, efforts of Anthropic's."""
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    sent = {
        "model": f"{MODEL}[1m]",
        "max_tokens": 500,
        "stream": True,
        "system": [{"type": "text", "text": "You are a coding agent.", **mark}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hello there.", **mark}]},
            {"role": "system", "content": "Mind the tests."},
        ],
        "tools": [{**WEATHER, **mark, "eager_input_streaming": True}],
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "xhigh"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "metadata": {"user_id": "{}"},
    }
    async with httpx.AsyncClient(headers={"x-api-key": KEY, "anthropic-version": "2023-06-01"}) as http:
        answer = await http.post(f"{server.url}/anthropic/v1/messages?beta=true", json=sent)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["request-id"] == answer.headers["x-trace-id"]
    assert answer.text.startswith('event: message_start\ndata: {"type":"message_start","message":{"type":"message"')
    assert answer.text.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n')
    assert "[DONE]" not in answer.text


@pytest.mark.parametrize(
    ("members", "status", "kind"),
    [
        ({"model": "nope"}, 404, "not_found_error"),
        ({"messages": []}, 400, "invalid_request_error"),
        ({"max_tokens": None}, 400, "invalid_request_error"),
        ({"model": "kimi-k2.7-code"}, 400, "invalid_request_error"),
    ],
)
async def test_an_error_has_its_own_form(server: Running, members: Json, status: int, kind: str) -> None:
    sent = {"model": MODEL, "max_tokens": 9, "messages": HELLO, **members}
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as http:
        answer = await http.post(f"{server.url}/anthropic/v1/messages", json=sent)
    told = answer.json()
    assert (answer.status_code, told["type"], told["error"]["type"]) == (status, "error", kind)
    assert told["request_id"] == answer.headers["request-id"]
    assert set(told) == {"type", "error", "request_id"}


async def test_keys(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, keys=(KEY,))) as server:
        url = f"{server.url}/anthropic/v1/messages"
        sent = {"model": MODEL, "max_tokens": 9, "messages": HELLO}
        async with httpx.AsyncClient() as http:
            statuses = [
                (await http.post(url, json=sent, headers=headers)).status_code
                for headers in (
                    {"x-api-key": KEY},
                    {"authorization": f"Bearer {KEY}"},
                    {"x-api-key": "sk-wrong"},
                    {"authorization": "Bearer sk-wrong", "x-api-key": KEY},
                    {},
                )
            ]
            missing = (await http.post(url, json=sent)).json()
            elsewhere = await http.post(f"{server.base_url}/chat/completions", json=body(), headers={"x-api-key": KEY})
    assert statuses == [200, 200, 401, 401, 401]
    assert missing["error"]["type"] == "authentication_error"
    assert elsewhere.status_code == 401


class Breaks(ScriptedEngine):
    """Fails after a word."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        yield ContentDelta("One", 1)
        yield Failed(EngineOverloaded("too much"))


async def test_a_stream_that_breaks_ends_with_an_error(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, engine=Breaks())) as server, sdk(server) as client:
        with pytest.raises(anthropic.APIStatusError) as failed:
            async with client.messages.stream(model=MODEL, max_tokens=9, messages=HELLO) as stream:
                await stream.get_final_message()
        with pytest.raises(anthropic.RateLimitError):
            await client.messages.create(model=MODEL, max_tokens=9, messages=HELLO)
    error: Any = failed.value.body
    assert error["error"] == {"type": "overloaded_error", "message": "too much"}


async def test_both_formats_are_one_conversation(server: Running) -> None:
    """What was thought in one is restored in the other."""
    tool = {"function": {"name": "get_weather", "parameters": WEATHER["input_schema"]}, "type": "function"}
    first = await complete(server, body(ASKED, tools=[tool]))
    call = first["choices"][0]["message"]["tool_calls"][0]
    kept: Any = {"type": "tool_use", "id": call["id"], "name": "get_weather", "input": {"city": "Oslo"}}
    result: Any = {"type": "tool_result", "tool_use_id": call["id"], "content": "12 degrees"}
    conversation: Any = [ASKED, {"role": "assistant", "content": [kept]}, {"role": "user", "content": [result]}]
    async with sdk(server) as client:
        raw = await client.messages.with_raw_response.create(
            model=MODEL, max_tokens=500, messages=conversation, tools=[WEATHER], thinking=THINKS
        )
    assert raw.headers["x-moonbase-reasoning-restored"] == "1"


async def test_no_text_ends_a_line_of_a_stream(server: Running) -> None:
    """Clients that cut streams by Python's `str.splitlines` would."""
    sent = {
        "model": MODEL,
        "max_tokens": 99,
        "stream": True,
        "messages": [{"role": "user", "content": "a\u2028b\u0085c"}],
    }
    async with httpx.AsyncClient(headers={"x-api-key": KEY}) as http:
        answer = await http.post(f"{server.url}/anthropic/v1/messages", json=sent)
    assert answer.text.splitlines() == answer.text.split("\n")[:-1]
    assert "\\u2028" in answer.text
