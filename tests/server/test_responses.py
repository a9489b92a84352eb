"""`/v1/responses` through the openai library, and on the wire."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from moonbase.contract.errors import EngineOverloaded
from moonbase.contract.events import ContentDelta, Event, Failed
from moonbase.contract.request import ChatRequest
from moonbase.engines.scripted import ScriptedEngine
from tests.running import KEY, Running, make_platform, running
from tests.server.client import body, complete
from tests.server.test_web_tools import Told, hit

Json = dict[str, Any]
MODEL = "kimi-k3"
THOUGHT = "I am the scripted engine. I read this and answer."
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
ASKED: Any = {"role": "user", "content": 'Call the tool `get_weather` with these JSON arguments: {"city":"Oslo"} '}
SEARCH: Any = {"type": "web_search", "external_web_access": False}
LOOK: Any = {"role": "user", "content": 'Call the tool `web_search` with these JSON arguments: {"query":"hospital"} '}


def sdk(server: Running) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=server.base_url, api_key=KEY, max_retries=0)


async def test_a_whole_response(server: Running) -> None:
    async with sdk(server) as client:
        response = await client.responses.create(model=MODEL, input="Hello there.")
    thought, said = response.output
    assert thought.type == "reasoning"
    assert [part.text for part in thought.summary] == [THOUGHT]
    assert said.type == "message"
    assert response.output_text == "You said: Hello there."
    assert (response.status, response.model, response.object) == ("completed", MODEL, "response")
    assert response.id.startswith("resp_")
    assert response.model_dump()["store"] is False
    assert response.reasoning is not None
    assert response.reasoning.effort == "max"


async def test_the_counts_are_those_of_chat_completions(server: Running) -> None:
    async with sdk(server) as client:
        response = await client.responses.create(model=MODEL, input="Hello there.")
    usage, told = (await complete(server, body(model=MODEL)))["usage"], response.usage
    assert told is not None
    assert (told.input_tokens, told.output_tokens) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert told.total_tokens == usage["total_tokens"]
    assert told.output_tokens_details.reasoning_tokens == usage["completion_tokens_details"]["reasoning_tokens"]


@pytest.mark.parametrize("model", [MODEL, "kimi-k2.6", "kimi-k2-thinking"])
async def test_a_loop_with_a_tool_streamed(server: Running, model: str) -> None:
    conversation: list[Any] = [ASKED]
    async with sdk(server) as client:
        async with client.responses.stream(model=model, input=conversation, tools=[WEATHER]) as stream:
            kinds = [event.type async for event in stream]
            called = await stream.get_final_response()
        conversation += [item.model_dump(exclude_none=True) for item in called.output]
        call = called.output[-1]
        assert call.type == "function_call"
        conversation.append({"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"})
        answer = await client.responses.create(model=model, input=conversation, tools=[WEATHER])
    assert (call.name, call.arguments, call.namespace) == ("get_weather", '{"city":"Oslo"}', None)
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert [item.type for item in called.output] == ["reasoning", "function_call"]
    assert "12 degrees" in answer.output_text


async def test_a_call_in_a_namespace(server: Running) -> None:
    space: Any = {"type": "namespace", "name": "sky", "description": "The sky.", "tools": [WEATHER]}
    asked: Any = {"role": "user", "content": ASKED["content"].replace("get_weather", "sky__get_weather")}
    async with sdk(server) as client:
        called = await client.responses.create(model=MODEL, input=[asked], tools=[space])
        call = called.output[-1]
        assert call.type == "function_call"
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"}
        back: Any = [asked, *[item.model_dump(exclude_none=True) for item in called.output], result]
        answer = await client.responses.create(model=MODEL, input=back, tools=[space])
    assert (call.namespace, call.name) == ("sky", "get_weather")
    assert "12 degrees" in answer.output_text


async def test_the_server_searches(server: Running) -> None:
    """The client sees that there was a search, and for what; what it found stays here."""
    async with sdk(server) as client:
        response = await client.responses.create(model=MODEL, input=[LOOK], tools=[SEARCH, WEATHER])
    assert [item.type for item in response.output] == ["reasoning", "web_search_call", "reasoning", "message"]
    search = response.output[1]
    assert search.type == "web_search_call"
    assert (search.status, search.action.type) == ("completed", "search")
    assert "hospital" in response.output_text  # the scripted engine tells what it has read
    assert response.usage is not None


async def searched(client: AsyncOpenAI, *, include: Any, streams: bool) -> Any:
    """The response to a search within two domains."""
    tools: Any = [{**SEARCH, "filters": {"allowed_domains": ["Example.org", "example.com"]}}]
    if not streams:
        return await client.responses.create(model=MODEL, input=[LOOK], tools=tools, include=include)
    async with client.responses.stream(model=MODEL, input=[LOOK], tools=tools, include=include) as stream:
        return await stream.get_final_response()


@pytest.mark.parametrize("streams", [False, True])
async def test_where_a_search_has_looked(tmp_path: Path, *, streams: bool) -> None:
    """`filters.allowed_domains`, and `web_search_call.action.sources` in `include`."""
    search = Told(hit(1, host="other.net"), hit(2, host="news.example.org"), hit(3, host="www.example.com"))
    async with running(make_platform(tmp_path, search=search)) as server, sdk(server) as client:
        response = await searched(client, include=["web_search_call.action.sources"], streams=streams)
        without = await searched(client, include=[], streams=streams)
    action = response.output[1].model_dump()["action"]
    assert [(source["url"], source["title"]) for source in action["sources"]] == [
        ("http://news.example.org/2", "Title 2"),
        ("http://www.example.com/3", "Title 3"),
    ]
    assert "Title 2" in response.output_text
    assert "Title 1" not in response.output_text
    assert search.asked[0] == ("hospital site:example.org OR site:example.com", 20)
    assert without.output[1].model_dump()["action"].get("sources") is None


async def test_calls_of_the_client_end_a_step_with_a_search(server: Running) -> None:
    both: Any = {"role": "user", "content": LOOK["content"] + "\n" + ASKED["content"]}
    async with sdk(server) as client:
        response = await client.responses.create(model=MODEL, input=[both], tools=[SEARCH, WEATHER])
    told = [(item.type, getattr(item, "status", None)) for item in response.output[1:]]
    assert told == [("web_search_call", "incomplete"), ("function_call", "completed")]


async def test_without_a_search_nothing_is_run_here(server: Running) -> None:
    own: Any = [{**WEATHER, "name": "web_search"}]
    async with sdk(server) as client:
        response = await client.responses.create(model=MODEL, input=[LOOK], tools=own)
    call = response.output[-1]
    assert (call.type, getattr(call, "name", None)) == ("function_call", "web_search")


async def test_thinking_that_the_client_dropped_is_restored(server: Running) -> None:
    """contract.md 3: what a framework drops most often."""
    async with sdk(server) as client:
        called = await client.responses.create(model="kimi-k2.6", input=[ASKED], tools=[WEATHER])
        call = called.output[-1]
        assert call.type == "function_call"
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"}
        back: Any = [ASKED, call.model_dump(exclude_none=True), result]
        raw = await client.responses.with_raw_response.create(model="kimi-k2.6", input=back, tools=[WEATHER])
    assert raw.headers["x-moonbase-reasoning-restored"] == "1"


async def test_a_request_as_codex_sends_it(server: Running) -> None:
    """Codex 0.169: developers' messages, a namespace, a search, reasoning without an effort, data of its own."""
    sent = {
        "model": MODEL,
        "stream": True,
        "input": [
            {
                "type": "message",
                "id": "msg_1",
                "role": "developer",
                "content": [{"type": "input_text", "text": "Code."}],
            },
            {
                "type": "message",
                "id": "msg_2",
                "role": "user",
                "content": [{"type": "input_text", "text": "Hello there."}],
            },
        ],
        "tools": [
            {**WEATHER, "description": "The weather.", "strict": False},
            {"type": "namespace", "name": "multi_agent_v1", "description": "", "tools": [{**WEATHER, "strict": False}]},
            SEARCH,
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"summary": "auto"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "01a205e8",
        "client_metadata": {"session_id": "01a205e8"},
    }
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}) as http:
        answer = await http.post(f"{server.base_url}/responses", json=sent)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith('event: response.created\ndata: {"type":"response.created","sequence_number":0')
    assert answer.text.splitlines()[-3].startswith("event: response.completed")
    assert "[DONE]" not in answer.text


@pytest.mark.parametrize(
    ("members", "status", "kind"),
    [
        ({"model": "nope"}, 404, "resource_not_found_error"),
        ({"input": []}, 400, "invalid_request_error"),
        ({"previous_response_id": "resp_1"}, 400, "invalid_request_error"),
        ({"temperature": 0.3}, 400, "invalid_request_error"),
        ({"max_output_tokens": 0}, 400, "invalid_request_error"),
    ],
)
async def test_errors_are_those_of_chat_completions(server: Running, members: Json, status: int, kind: str) -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as http:
        answer = await http.post(f"{server.base_url}/responses", json={"model": MODEL, "input": "Hi", **members})
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)


async def test_keys(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, keys=(KEY,))) as server, httpx.AsyncClient() as http:
        url, sent = f"{server.base_url}/responses", {"model": MODEL, "input": "Hi"}
        allowed = await http.post(url, json=sent, headers={"authorization": f"Bearer {KEY}"})
        refused = await http.post(url, json=sent)
        asked = await http.get(url, headers={"authorization": f"Bearer {KEY}"})
    assert (allowed.status_code, refused.status_code, asked.status_code) == (200, 401, 405)


async def test_a_budget_that_ends_the_answer(server: Running) -> None:
    async with sdk(server) as client:
        response = await client.responses.create(model=MODEL, input="Hello there.", max_output_tokens=3)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage is not None
    assert response.usage.output_tokens == 3
    assert response.max_output_tokens == 3
    assert response.output[-1].model_dump()["status"] == "incomplete"


class Breaks(ScriptedEngine):
    """Fails after a word."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        yield ContentDelta("One", 1)
        yield Failed(EngineOverloaded("too much"))


async def test_a_stream_that_breaks_ends_with_a_failed_response(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, engine=Breaks())) as server, sdk(server) as client:
        stream = await client.responses.create(model=MODEL, input="Hi", stream=True)
        events = [event async for event in stream]
        with pytest.raises(openai.RateLimitError):
            await client.responses.create(model=MODEL, input="Hi")
    last = events[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert (last.response.error.code, last.response.error.message) == ("engine_overloaded_error", "too much")


async def test_each_answer_is_charged_once(server: Running) -> None:
    async with sdk(server) as client, httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as http:

        async def balance() -> float:
            told = await http.get(f"{server.base_url}/users/me/balance")
            return told.json()["data"]["available_balance"]

        before = await balance()
        await client.responses.create(model=MODEL, input="Hello there. Once.")
        between = await balance()
        await complete(server, body({"role": "user", "content": "Hello there. Also."}, model=MODEL))
        after = await balance()
    assert before - between == pytest.approx(between - after, abs=2e-5)  # it is told in steps of a hundred-thousandth
    assert before > between
