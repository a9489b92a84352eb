"""The server of a test, through the libraries that its users' programs have."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

import moonbase
from moonbase.contract.errors import SettingsError
from moonbase.testing import ScriptError, Server
from tests.documents.live import PROGRAMS

MODEL = "kimi-k2.6"
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello there."}]
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: ChatCompletionToolParam = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
TORN = "peer closed connection without sending complete message body"


def client_of(server: Server, **options: Any) -> openai.Client:
    return openai.Client(base_url=server.base_url, api_key=server.api_key, **options)


def ask(server: Server, **options: Any) -> Any:
    """The choice that the openai library makes of the answer."""
    with client_of(server, max_retries=0) as client:
        complete: Any = client.chat.completions.create
        return complete(model=MODEL, messages=HELLO, **options).choices[0]


def test_replies_are_given_in_order_and_then_directions_count() -> None:
    with Server() as server:
        server.reply("Hello.", reasoning="They greet me.")
        server.reply("Let me look.", calls=[("get_weather", {"city": "Paris"})])
        first, second, third = ask(server), ask(server, tools=[WEATHER]), ask(server)
    assert (first.message.content, first.message.reasoning_content) == ("Hello.", "They greet me.")
    assert second.message.content == "Let me look."
    assert second.message.tool_calls[0].function.arguments == '{"city":"Paris"}'
    assert second.finish_reason == "tool_calls"
    assert third.message.content == "You said: Hello there."


def test_a_stream_has_the_same_and_its_counts() -> None:
    with Server() as server, client_of(server) as client:
        server.reply("Hello to you.", reasoning="They greet me.")
        stream = client.chat.completions.create(
            model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "They greet me."
    assert "".join(delta.content or "" for delta in deltas) == "Hello to you."
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == len(["They", " greet", " me", "."]) + 1 + len(
        ["Hello", " to", " you", "."]
    )


def test_what_is_no_text_becomes_json() -> None:
    with Server() as server:
        server.reply({"city": "Åre", "days": [1, 2]})
        assert ask(server, response_format={"type": "json_object"}).message.content == '{"city":"Åre","days":[1,2]}'


def test_a_refusal_is_tried_again_by_a_client_that_does_so() -> None:
    with Server() as server, client_of(server) as client:
        server.fail(429, retry_after=0.01)
        server.fail(503, retry_after=0.01)
        server.reply("At last.")
        answer = client.chat.completions.create(model=MODEL, messages=HELLO)
        assert answer.choices[0].message.content == "At last."
        assert len(server.requests) == 3
        server.assert_all_used()


def test_a_refusal_as_the_client_sees_it() -> None:
    with Server() as server:
        server.fail(429, type="engine_overloaded_error", retry_after=7)
        with pytest.raises(openai.RateLimitError) as caught:
            ask(server)
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.type == "engine_overloaded_error"


def test_a_bad_request_is_refused_as_ever_and_takes_no_reply() -> None:
    with Server() as server:
        server.reply("Hello.")
        with pytest.raises(openai.BadRequestError, match="invalid temperature: only 1 is allowed for this model"):
            ask(server, temperature=0.5)
        assert len(server.unused) == 1
        refused = httpx.post(f"{server.base_url}/chat/completions", json={"model": MODEL, "messages": HELLO})
        assert refused.status_code == 401


@pytest.mark.parametrize("reason", ["length", "content_filter", "server_interrupted", "engine_overloaded"])
def test_a_stream_that_ends_otherwise(reason: Any) -> None:
    with Server() as server, client_of(server) as client:
        server.reply("The weather in", finish_reason=reason)
        stream = list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "The weather in"
        assert stream[-1].choices[0].finish_reason == reason


def test_a_stream_whose_connection_breaks_off() -> None:
    with Server() as server, client_of(server) as client:
        server.reply("The weather in", cut=True)
        stream = client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        said: list[str] = []
        with pytest.raises(openai.APIConnectionError) as caught:
            said.extend(chunk.choices[0].delta.content or "" for chunk in stream)
        assert TORN in str(caught.value.__cause__)
        assert "".join(said) == "The weather in"
        # The server goes on.
        assert client.chat.completions.create(model=MODEL, messages=HELLO).choices


def test_an_answer_whose_connection_breaks_off() -> None:
    with Server() as server:
        server.reply("The weather in", cut=True)
        with pytest.raises(openai.APIConnectionError):
            ask(server)


def test_a_pace_at_which_a_client_loses_patience() -> None:
    with Server() as server:
        server.reply("Hello.", pace=60)
        with client_of(server, max_retries=0, timeout=0.2) as client, pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model=MODEL, messages=HELLO)


def test_a_reply_that_fits_no_request_fails_the_test() -> None:
    said = "reply 1 of the test's script cannot answer its request: it calls 'get_wether'"
    with pytest.raises(ScriptError, match=said), Server() as server:
        server.reply(calls=[("get_wether", {"city": "Paris"})])
        with pytest.raises(openai.BadRequestError, match="did you mean 'get_weather'"):
            ask(server, tools=[WEATHER])


def test_what_went_wrong_before_is_not_hidden_by_it() -> None:
    with pytest.raises(openai.BadRequestError) as caught, Server() as server:
        server.reply("No JSON.")
        ask(server, response_format={"type": "json_object"})
    (note,) = caught.value.__notes__
    assert "Expecting value" in note


def test_what_is_left_of_the_script() -> None:
    with Server() as server:
        server.reply("Hello.")
        server.fail(503)
        ask(server)
        assert len(server.unused) == 1
        with pytest.raises(ScriptError, match=r"no request has taken Refusal\(error=Unavailable\(.*; 1 came in"):
            server.assert_all_used()


NO_REPLIES: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"finish_reason": "tired"}, ValueError, "finish_reason is 'tired'; expected one of stop, length"),
    ({"finish_reason": "tool_calls"}, ValueError, "finish_reason is 'tool_calls'; this reply ends with 'stop'"),
    ({"calls": ("get_weather", {})}, TypeError, "calls has 'get_weather'; expected pairs of a name and its"),
    ({"calls": [("get_weather", 3)]}, TypeError, r"calls has \('get_weather', 3\); expected pairs"),
]


@pytest.mark.parametrize(("arguments", "error", "said"), NO_REPLIES)
def test_a_reply_that_is_none(arguments: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        Server().reply(**arguments)


def test_a_client_that_drops_reasoning() -> None:
    """contract.md 3."""
    call = {"id": "get_weather:0", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    dropped: Any = [
        *HELLO,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "get_weather:0", "content": "sunny"},
    ]
    with Server(missing_reasoning="strict") as server, client_of(server, max_retries=0) as client:
        server.reply(calls=[("get_weather", {"city": "Paris"})])
        client.chat.completions.create(model=MODEL, messages=HELLO, tools=[WEATHER])
        with pytest.raises(openai.BadRequestError, match="reasoning_content is missing in assistant tool call message"):
            client.chat.completions.create(model=MODEL, messages=dropped, tools=[WEATHER])
        assert "reasoning_content" not in server.requests[-1].json["messages"][1]


def test_what_came_in_is_told_without_the_key() -> None:
    with Server() as server, openai.Client(base_url=server.base_url, api_key="sk-very-secret") as client:
        client.models.list()
        client.chat.completions.create(model=MODEL, messages=HELLO)
        (asked,) = server.requests
        listed, _ = server.traffic
    assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
    assert asked.json["messages"] == HELLO
    assert asked.headers["authorization"] == "Bearer ***"
    assert asked.headers["content-type"] == "application/json"
    assert (listed.method, listed.path, listed.content) == ("GET", "/v1/models", b"")
    with pytest.raises(ValueError, match="the body of GET /v1/models is no JSON"):
        _ = listed.json
    assert "sk-very-secret" not in repr((asked, asked.headers, listed, server))


def test_anthropics_library() -> None:
    with Server() as server, anthropic.Anthropic(base_url=server.anthropic_url, api_key=server.api_key) as client:
        server.reply("Hello.", reasoning="They greet me.")
        server.fail(429, type="engine_overloaded_error", retry_after=0.01)
        server.reply(calls=[("get_weather", {"city": "Paris"})])
        server.reply("The wea", cut=True)
        asked: Any = {
            "model": MODEL,
            "max_tokens": 100,
            "messages": HELLO,
            "thinking": {"type": "enabled", "budget_tokens": 1024},
        }
        create: Any = client.messages.create
        thought, text = create(**asked).content
        assert (thought.type, text.type) == ("thinking", "text")
        tools = [{"name": "get_weather", "input_schema": SCHEMA}]
        *_, call = create(**asked, tools=tools).content
        assert (call.type, call.name, call.input) == ("tool_use", "get_weather", {"city": "Paris"})
        with pytest.raises(Exception, match=TORN), client.messages.stream(**asked) as stream:
            stream.until_done()
        assert [request.path for request in server.requests] == ["/anthropic/v1/messages"] * 4
        assert server.requests[0].headers["authorization"] == "Bearer ***"


def test_the_responses_api() -> None:
    with Server() as server, client_of(server) as client:
        server.reply("Hello.")
        assert client.responses.create(model=MODEL, input="Hello there.").output_text == "Hello."
        assert server.requests[0].json["input"] == "Hello there."


def test_the_sdk() -> None:
    def get_weather(city: str) -> str:
        """The weather of a city."""
        return f"sunny in {city}"

    with Server(missing_reasoning="strict") as server:
        server.reply(reasoning="I look it up.", calls=[("get_weather", {"city": "Paris"})])
        server.reply("It is sunny.")
        agent = moonbase.Agent(tools=[get_weather], base_url=server.base_url, api_key=server.api_key, model=MODEL)
        assert agent.run_sync("How is the weather in Paris?").text == "It is sunny."
        _, asked = server.requests
        assert asked.json["messages"][-1]["content"] == "sunny in Paris"
        assert asked.json["messages"][-2]["reasoning_content"] == "I look it up."


def test_the_official_tools() -> None:
    """contract.md 6: declared and run as on the platform, and a sealed output is read back."""
    with Server() as server, client_of(server) as client:
        http = httpx.Client(base_url=server.base_url, headers={"Authorization": f"Bearer {server.api_key}"})
        with http:
            tools = http.get("/formulas/moonshot/web-search:latest/tools").json()["tools"]
            call = {"name": "web_search", "arguments": '{"query": "space"}'}
            fiber = http.post("/formulas/moonshot/web-search:latest/fibers", json=call).json()
        server.reply(calls=[("web_search", {"query": "space"})])
        asked: list[Any] = [*HELLO]
        message = client.chat.completions.create(model=MODEL, messages=asked, tools=tools).choices[0].message
        assert message.tool_calls
        sealed = fiber["context"]["encrypted_output"]
        asked += [message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": sealed}]
        seen = client.chat.completions.create(model=MODEL, messages=asked, tools=tools).choices[0].message.content
        assert seen and "Moon" in seen
        assert [request.path for request in server.traffic][:2] == [
            "/v1/formulas/moonshot/web-search:latest/tools",
            "/v1/formulas/moonshot/web-search:latest/fibers",
        ]
        assert len(server.requests) == 2


@pytest.mark.parametrize("name", ["formula_k2_6.py", "formula_k2_thinking.py"])
def test_the_documents_own_program(name: str) -> None:
    """Byte for byte, in a process of its own: it loads the official tools, and sends its reasoning back."""
    with Server(missing_reasoning="strict") as server:
        server.reply(reasoning="Which day is it?", calls=[("date", {"operation": "time"})])
        server.reply(reasoning="Now the news.", calls=[("web_search", {"query": "space"})])
        server.reply("# Daily News Report")
        environment = {**os.environ, **server.environment}
        done = subprocess.run(
            [sys.executable, PROGRAMS / name], env=environment, capture_output=True, text=True, timeout=90, check=True
        )
        assert "=============Final Answer=============\n# Daily News Report" in done.stdout
        server.assert_all_used()
        *_, last = server.requests
        kept = [message.get("reasoning_content") for message in last.json["messages"] if message["role"] == "assistant"]
        assert kept == ["Which day is it?", "Now the news."]


def test_the_builtin_search_and_loops_of_the_server() -> None:
    """contract.md 6.3; docs/server-run-tools.md."""
    with Server() as server:
        server.reply(calls=[("$web_search", {"query": "space"})])
        choice = ask(server, tools=[{"type": "builtin_function", "function": {"name": "$web_search"}}])
        assert choice.message.tool_calls[0].function.name == "$web_search"
        server.reply(calls=[("base64_encode", {"data": "moon"})])
        server.reply("Done.")
        assert ask(server, extra_body={"formulas": ["moonshot/base64:latest"]}).message.content == "Done."
        server.assert_all_used()


def test_two_servers_at_once_know_nothing_of_each_other() -> None:
    with Server() as one, Server() as other:
        assert one.base_url != other.base_url
        one.reply("one")
        other.reply("other")
        assert (ask(other).message.content, ask(one).message.content) == ("other", "one")
        assert (len(one.requests), len(other.requests)) == (1, 1)


async def test_in_an_async_test() -> None:
    async with Server() as server, openai.AsyncClient(base_url=server.base_url, api_key=server.api_key) as client:
        for number in reversed(range(8)):
            server.reply(f"reply {number}", to=f"question {number}")
        asked: list[list[ChatCompletionMessageParam]] = [
            [{"role": "user", "content": f"question {n}"}] for n in range(8)
        ]
        answers = await asyncio.gather(*(client.chat.completions.create(model=MODEL, messages=each) for each in asked))
        assert [answer.choices[0].message.content for answer in answers] == [f"reply {n}" for n in range(8)]
    with Server() as server:
        async with openai.AsyncClient(base_url=server.base_url, api_key=server.api_key) as client:
            server.reply("Hello.")
            answer = await client.chat.completions.create(model=MODEL, messages=HELLO)
            assert answer.choices[0].message.content == "Hello."


def test_it_leaves_while_an_answer_is_under_way() -> None:
    with Server(pace=0.05) as server:
        client = client_of(server)
        server.reply("word " * 10_000)
        stream = client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        next(stream)
    assert list(stream)[-1].choices[0].finish_reason == "server_interrupted"
    client.close()


def test_nothing_is_left_behind_where_a_test_fails_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = threading.enumerate()
    left: list[openai.Client] = []
    with pytest.raises(ZeroDivisionError), Server() as server:
        left.append(client_of(server))
        next(left[0].chat.completions.create(model=MODEL, messages=HELLO, stream=True))
        assert list(tmp_path.iterdir())
        raise ZeroDivisionError
    assert threading.enumerate() == before
    assert not list(tmp_path.iterdir())
    with pytest.raises(httpx.ConnectError):
        httpx.get(str(left[0].base_url))
    left[0].close()
    gc.collect()  # a socket that nobody has closed would be an error


def test_a_reset_is_as_good_as_a_new_server() -> None:
    """Cached prompts, restored reasoning, balances and files are what one request could know of another."""

    def use(server: Server) -> list[Any]:
        with client_of(server, max_retries=0) as client:
            file = client.files.create(file=b"A file.", purpose="batch")
            spent = client.get("/users/me/balance", cast_to=httpx.Response).json()["data"]["available_balance"]
            server.reply(reasoning="Paris, then.", calls=[("get_weather", {"city": "Paris"})])
            client.chat.completions.create(model=MODEL, messages=[long], tools=[WEATHER])
            usage = client.chat.completions.create(model=MODEL, messages=[long], tools=[WEATHER]).usage
            server.reply("Nobody asks for it.")
            names = [each.id for each in client.files.list()]
            return [spent, usage, len(names), file.id in names, len(server.requests), len(server.unused)]

    long: ChatCompletionMessageParam = {"role": "user", "content": "word " * 400}
    call = {
        "id": "get_weather:0",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
    }
    dropped: Any = [
        long,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "get_weather:0", "content": "sunny"},
    ]
    with Server() as server:
        first = use(server)
        assert first[1].prompt_tokens_details.cached_tokens > 0
        server.reset()
        assert (server.requests, server.unused) == ([], ())
        with (
            client_of(server, max_retries=0) as client,
            pytest.raises(openai.BadRequestError, match="reasoning_content"),
        ):
            client.chat.completions.create(model=MODEL, messages=dropped, tools=[WEATHER])
        server.reset()
        assert use(server) == first


def test_settings_of_a_configuration_file() -> None:
    settings = {"server": {"api_keys": ["sk-a"]}, "limits": {"rpm": 1}, "tools": {"fetch": False}}
    with Server(settings=settings) as server:
        assert server.api_key == "sk-a"
        ask(server)
        with pytest.raises(openai.RateLimitError, match="max RPM: 1"):
            ask(server)


def test_keys_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("sk-of-a-file\n")
    with Server(settings={"server": {"key_file": str(tmp_path / "keys")}}) as server:
        assert server.api_key == "sk-of-a-file"
        assert ask(server)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"servers": {}}, "unknown field `servers`; did you mean server"),
        ({"server": {"port": "many"}}, r"Expected `int`, got `str` - at `\$.server.port`"),
        ({"engines": {"a": {"kind": "bundled"}}}, "has an engine of its own"),
        ({"server": {"credit_usd": -1}}, "server.credit_usd must be 0 or more"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], said: str) -> None:
    before = threading.enumerate()
    with pytest.raises(SettingsError, match=said), Server(settings=settings):
        pass
    assert threading.enumerate() == before
    with pytest.raises(SettingsError, match="missing_reasoning"):
        Server(missing_reasoning="stict")  # pyright: ignore


def test_it_serves_once_and_says_where_only_then() -> None:
    server = Server()
    with pytest.raises(RuntimeError, match="does not serve; use it in a with statement"):
        _ = server.base_url
    with server, pytest.raises(RuntimeError, match="has been started already"):
        server.start()
    server.stop()
    with pytest.raises(RuntimeError, match="does not serve"):
        _ = server.url


@pytest.mark.parametrize("direct", [None, "example.com"])
def test_the_environment_of_clients(monkeypatch: pytest.MonkeyPatch, direct: str | None) -> None:
    """Behind a proxy too, which could not reach this machine."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    if direct is not None:
        monkeypatch.setenv("no_proxy", direct)
    with Server() as server:
        assert server.environment["NO_PROXY"] == ("127.0.0.1" if direct is None else "example.com,127.0.0.1")
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.reply("one")
        server.reply("two")
        with openai.Client() as client:
            assert client.chat.completions.create(model=MODEL, messages=HELLO).choices[0].message.content == "one"
        with anthropic.Anthropic() as claude:
            (block,) = claude.messages.create(
                model=MODEL, max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
            ).content
            assert block.type == "text" and block.text == "two"
