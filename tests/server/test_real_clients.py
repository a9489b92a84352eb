"""The openai library against the server: what a user of the hosted API relies on, through the client that most have.

The other clients that were tried are in docs/clients.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from moonbase.contract.errors import EngineOverloaded, Unavailable
from moonbase.contract.events import ContentDelta, Event, Failed
from moonbase.contract.request import ChatRequest
from moonbase.engines.scripted import ScriptedEngine
from tests.running import KEY, Running, make_platform, running

MODEL = "kimi-k2.6"
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello there."}]
THOUGHT = "I am the scripted engine. I read this and answer."


class City(BaseModel):
    """A city."""

    name: str
    population: int
    tags: list[str]


OSLO = City(name="Oslo", population=7, tags=["north"])
CITY: ChatCompletionToolParam = openai.pydantic_function_tool(City)
DIRECTION = f"all the tool `City` with these JSON arguments: {OSLO.model_dump_json()} "


class Unwell(ScriptedEngine):
    """Meets the first `failures` requests with `failure`, after `begun` of the answer."""

    def __init__(self, failure: Failed, *, failures: int, begun: str = "") -> None:
        super().__init__()
        self._failure, self._left, self._begun = failure, failures, begun

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        if self._left:
            self._left -= 1
            if self._begun:
                yield ContentDelta(self._begun, 1)
            yield self._failure
            return
        async for event in super().stream(request):
            yield event


def client_of(server: Running, key: str = KEY, *, retries: int = 0) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=server.base_url, api_key=key, max_retries=retries)


def reasoning(message: BaseModel) -> Any:
    """What the library keeps of a field that it does not know; None when it was not sent."""
    return (message.model_extra or {}).get("reasoning_content")


def asked(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


async def test_a_whole_answer_its_usage_and_its_headers(server: Running) -> None:
    async with client_of(server) as client:
        raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
    answer = raw.parse()
    message, usage = answer.choices[0].message, answer.usage
    assert (message.content, reasoning(message)) == ("You said: Hello there.", THOUGHT)
    assert usage is not None and usage.completion_tokens_details is not None and usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == 12
    assert raw.headers["x-msh-usage-prompt-tokens"] == str(usage.prompt_tokens)
    assert raw.headers["x-msh-usage-cached-tokens"] == str(usage.prompt_tokens_details.cached_tokens)
    assert raw.headers["x-trace-id"]


async def test_the_synchronous_client(server: Running) -> None:
    def talk() -> list[str]:
        with openai.OpenAI(base_url=server.base_url, api_key=KEY, max_retries=0) as client:
            stream = client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
            return [choice.delta.content or "" for chunk in stream for choice in chunk.choices]

    assert "".join(await asyncio.to_thread(talk)) == "You said: Hello there."


async def test_a_stream_gives_usage_both_ways(server: Running) -> None:
    """contract.md 2.4: in the end frame's choice always, in a frame of its own when asked for."""
    async with client_of(server) as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    *_, end, summary = chunks
    assert summary.usage is not None and summary.choices == []
    assert (end.choices[0].model_extra or {})["usage"]["total_tokens"] == summary.usage.total_tokens
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(reasoning(delta) or "" for delta in deltas) == THOUGHT
    first_content = next(index for index, delta in enumerate(deltas) if delta.content)
    assert not any(reasoning(delta) for delta in deltas[first_content:])


async def test_thinking_is_switched_off_through_extra_body(server: Running) -> None:
    async with client_of(server) as client:
        off = {"thinking": {"type": "disabled"}}
        answer = await client.chat.completions.create(model=MODEL, messages=HELLO, extra_body=off)
    assert reasoning(answer.choices[0].message) is None
    assert answer.choices[0].message.content == "You said: Hello there."


async def test_parse_gives_an_object_of_the_schema(server: Running) -> None:
    async with client_of(server) as client:
        answer = await client.chat.completions.parse(model=MODEL, messages=asked("A city."), response_format=City)
    assert answer.choices[0].message.parsed == City(name="", population=0, tags=[])


async def test_parse_gives_a_tools_arguments_too(server: Running) -> None:
    async with client_of(server) as client:
        answer = await client.chat.completions.parse(model=MODEL, messages=asked("C" + DIRECTION), tools=[CITY])
    calls = answer.choices[0].message.tool_calls
    assert calls is not None and [call.function.parsed_arguments for call in calls] == [OSLO]


async def test_the_stream_helper_gathers_calls_and_reasoning(server: Running) -> None:
    async with client_of(server) as client:
        helper = client.chat.completions.stream(model=MODEL, messages=asked("C" + DIRECTION), tools=[CITY])
        async with helper as stream:
            kinds = {event.type async for event in stream}
            answer = await stream.get_final_completion()
    choice = answer.choices[0]
    assert {"tool_calls.function.arguments.delta", "tool_calls.function.arguments.done"} <= kinds
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    assert choice.message.tool_calls[0].function.parsed_arguments == OSLO
    assert reasoning(choice.message) == "I am the scripted engine. I call City."


@pytest.mark.parametrize("model", ["kimi-k2.6", "kimi-k2.7-code", "kimi-k3", "kimi-k2-thinking"])
@pytest.mark.parametrize("drops", [False, True])
async def test_a_loop_of_three_turns_of_calls(server: Running, model: str, drops: bool) -> None:
    """A client appends the message that it was given, or what its framework keeps of it."""
    talk = asked(f"C{DIRECTION}Then c{DIRECTION}Then c{DIRECTION}")
    restored: list[str | None] = []
    async with client_of(server) as client:
        for turn in range(4):
            raw = await client.chat.completions.with_raw_response.create(model=model, messages=talk, tools=[CITY])
            restored.append(raw.headers.get("x-moonbase-reasoning-restored"))
            message = raw.parse().choices[0].message
            sent: Any = message.model_dump(exclude_none=True, exclude={"reasoning_content"} if drops else set())
            talk.append(sent)
            for call in message.tool_calls or ():
                talk.append({"role": "tool", "tool_call_id": call.id, "content": f"found {turn}"})
    assert talk[-1] == {**talk[-1], "role": "assistant", "content": "found 2"}
    assert restored == ([None, "1", "2", "3"] if drops else [None] * 4)


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"model": "gpt-4"}, openai.NotFoundError, "Not found the model gpt-4 or Permission denied"),
        ({"temperature": 0.7}, openai.BadRequestError, "invalid temperature: only 1 is allowed for this model"),
        ({"messages": []}, openai.BadRequestError, "Invalid request: messages must not be empty"),
        (
            {"tools": [CITY], "tool_choice": "required"},
            openai.BadRequestError,
            "tool_choice 'required' is incompatible with thinking enabled",
        ),
    ],
)
async def test_a_refusal_is_the_librarys_own_error(
    server: Running, changes: dict[str, Any], kind: type[openai.APIStatusError], message: str
) -> None:
    body: dict[str, Any] = {"model": MODEL, "messages": HELLO, **changes}
    async with client_of(server) as client:
        for stream in (False, True):
            with pytest.raises(kind) as caught:
                await client.chat.completions.create(**body, stream=stream)
            assert caught.value.body == {"message": message, "type": caught.value.type}


async def test_a_wrong_key_is_an_authentication_error(tmp_path: Path) -> None:
    async with running(make_platform(tmp_path, keys=("sk-right",))) as server, client_of(server, "sk-wrong") as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (EngineOverloaded("busy", headers={"Retry-After": "0.01"}), openai.RateLimitError),
        (Unavailable("restarting", headers={"Retry-After": "0.01"}), openai.InternalServerError),
    ],
)
async def test_the_library_tries_again_when_it_should(
    tmp_path: Path, failure: EngineOverloaded | Unavailable, kind: type[openai.APIStatusError]
) -> None:
    """contract.md 4.2, 4.4: 429 with Retry-After, and 503."""
    engine = Unwell(Failed(failure), failures=3)
    async with running(make_platform(tmp_path, engine=engine)) as server:
        async with client_of(server) as once:
            with pytest.raises(kind) as caught:
                await once.chat.completions.create(model=MODEL, messages=HELLO)
            assert caught.value.response.headers["retry-after"] == "0.01"
        async with client_of(server, retries=2) as patient:
            answer = await patient.chat.completions.create(model=MODEL, messages=HELLO)
    assert answer.choices[0].message.content == "You said: Hello there."


async def test_a_failure_amid_a_stream_is_a_finish_reason(tmp_path: Path) -> None:
    engine = Unwell(Failed(Unavailable("crashed"), "server_interrupted"), failures=1, begun="Half")
    async with running(make_platform(tmp_path, engine=engine)) as server, client_of(server) as client:
        stream = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Half"
    assert chunks[-1].choices[0].finish_reason == "server_interrupted"
