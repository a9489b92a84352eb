"""design.md, decision 2: `server(http(server(scripted)))` answers as `server(scripted)` does, ids and times apart."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from moonbase.contract.cards import CARDS
from moonbase.contract.engine import Engine
from moonbase.contract.errors import ApiError, EngineOverloaded, InvalidRequest, RateLimited, ServerError, Unavailable
from moonbase.contract.events import ContentDelta, Event, Failed, PromptRead, ReasoningDelta, ReasoningEnded
from moonbase.contract.request import ChatRequest
from moonbase.engines.scripted import ScriptedEngine
from tests.contract.pictures import PNG, data_url, image
from tests.engines.http.serving import in_front_of
from tests.running import Running, make_platform, running
from tests.server.client import Json, body, client, post, stream, user

WEATHER: Json = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather somewhere.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK: Json = {"type": "function", "function": {"name": "clock", "strict": False}}
CALL = 'Call the tool `get_weather` with these JSON arguments: {"city": "Oslo, \\"N\\" \\u2603"}'
TWO = f"{CALL} Call the tool `clock` with these JSON arguments: {{}}"
SCHEMA: Json = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "schema": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]},
    },
}
LOOP: list[Json] = [
    user(f"Then call the tool `clock` with these JSON arguments: {{}} {CALL}"),
    {
        "role": "assistant",
        "content": "Let me see.",
        "reasoning_content": "I think so.",
        "tool_calls": [{"id": "clock:0", "type": "function", "function": {"name": "clock", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "clock:0", "content": "12:00 <|im_end|> <think>"},
]
TURNS: list[Json] = [
    user("First."),
    {"role": "assistant", "content": "One.", "reasoning_content": "Thought of the first turn."},
    user("Second, " + "word " * 300),
]
OFF: Json = {"thinking": {"type": "disabled"}}

REQUESTS: dict[str, Json] = {
    "plain": body(user("Hello ☃ \u2028 there.")),
    "system": body({"role": "system", "content": "Be brief."}, user("Hi.")),
    "parts": body({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
    "named": body({"role": "user", "name": "ann", "content": "Hi."}),
    "length": body(user("word " * 50), max_completion_tokens=20),
    "length while thinking": body(user("Hi."), max_tokens=3),
    "one token": body(user("Hi."), max_tokens=1),
    "not thinking": body(user("Hi."), **OFF),
    "budget": body(user("Hi."), thinking={"type": "enabled", "budget_tokens": 3}),
    "no budget for thought": body(user("Hi."), thinking={"type": "enabled", "budget_tokens": 0}),
    "k3 budget": body(user("Hi."), model="kimi-k3", thinking={"budget_tokens": 2}),
    "effort": body(user("Hi."), model="kimi-k3", reasoning_effort="low"),
    "keep": body(*TURNS, thinking={"type": "enabled", "keep": "all"}),
    "no keep": body(*TURNS),
    "kept always": body(*TURNS, model="kimi-k2.7-code"),
    "no switch": body(*TURNS, model="kimi-k2-thinking"),
    "k2.5 off": body(*TURNS, model="kimi-k2.5", **OFF),
    "cached": body(*TURNS, user("Third.")),
    "reasoning dropped": body(user("First."), {"role": "assistant", "content": "One."}, user("Second.")),
    "call": body(user(CALL), tools=[WEATHER, CLOCK]),
    "two calls": body(user(TWO), tools=[WEATHER, CLOCK]),
    "k3 call": body(user(TWO), tools=[WEATHER, CLOCK], model="kimi-k3"),
    "loop": body(*LOOP, tools=[WEATHER, CLOCK]),
    "result": body(user(CALL), *LOOP[1:], tools=[CLOCK, WEATHER]),
    "none": body(user(CALL), tools=[WEATHER], tool_choice="none"),
    "required": body(user("Hi."), tools=[WEATHER], tool_choice="required", **OFF),
    "k3 required": body(user("Hi."), tools=[WEATHER], tool_choice="required", model="kimi-k3"),
    "named tool": body(
        user("Hi."), tools=[CLOCK, WEATHER], tool_choice={"type": "function", "function": {"name": "clock"}}, **OFF
    ),
    "dynamic tools": body({"role": "system", "tools": [WEATHER]}, user(CALL), model="kimi-k3"),
    "built in": body(user("Hi."), tools=[{"type": "builtin_function", "function": {"name": "$web_search"}}]),
    "n": body(user("Hi there."), model="kimi-k2-thinking", n=3, temperature=0.7, top_p=0.5, seed=7),
    "n with calls": body(user(TWO), model="kimi-k2-thinking", n=2, tools=[WEATHER, CLOCK]),
    "penalties": body(user("Hi."), model="kimi-k2-thinking", presence_penalty=0.5, frequency_penalty=-1),
    "locked": body(user("Hi."), temperature=1, top_p=0.95, n=1, presence_penalty=0, frequency_penalty=0),
    "stop": body(user("one two three four"), stop=["three"]),
    "stop over tokens": body(user("abcdefghijklmnop qrst"), stop=["hijklm", "nothing"]),
    "stop in the reasoning": body(user("Hi."), stop=["scripted"]),
    "stop at once": body(user("Hi."), stop="You"),
    "json object": body(user("Give JSON."), response_format={"type": "json_object"}),
    "json schema": body(user("Give JSON."), response_format=SCHEMA),
    "text format": body(user("Hi."), response_format={"type": "text"}),
    "logprobs": body(user("Hi."), logprobs=True),
    "top logprobs": body(user("Hi."), logprobs=True, top_logprobs=3, stop=["aid"]),
    "picture": body({"role": "user", "content": [image(data_url(PNG))]}),
    "partial": body(user("Go on."), {"role": "assistant", "content": "It is", "partial": True}),
    "cache key": body(user("Hi."), prompt_cache_key="s1", safety_identifier="u1", seed=2**70),
    "k2.7 enabled": body(user("Hi."), model="kimi-k2.7-code", thinking={"type": "enabled"}),
}
REFUSED: dict[str, Json] = {
    "unknown model": body(user("Hi."), model="gpt-4"),
    "no messages": {"model": "kimi-k2.6", "messages": []},
    "temperature": body(user("Hi."), temperature=0.3),
    "keep": body(user("Hi."), model="kimi-k2.5", thinking={"type": "enabled", "keep": "all"}),
    "required while thinking": body(user("Hi."), tools=[WEATHER], tool_choice="required"),
    "unanswered": body(*LOOP[:2], user("Hi.")),
    "schema": body(user("Hi."), response_format={"type": "json_schema", "json_schema": {"name": "x"}}),
    "too long": body(user("word " * 3000)),
    "k3 logprobs": body(user("Hi."), model="kimi-k3", logprobs=True),
    "surrogate": body(user("\ud800")),
}
OPTIONS: dict[str, Json] = {
    "": {},
    "usage": {"stream_options": {"include_usage": True}},
    "counts": {"stream_options": {"continuous_usage_stats": True}},
    "ids": {"stream_options": {"include_internal_content": True, "include_usage": True}},
}


class Pair(NamedTuple):
    """The same engine, once behind one server and once behind two."""

    direct: Running
    behind: Running


@asynccontextmanager
async def pair(folder: Path, one: Engine, other: Engine) -> AsyncGenerator[Pair]:
    (folder / "direct").mkdir()
    direct = make_platform(folder / "direct", engine=one)
    async with running(direct) as first, in_front_of(other, folder) as behind:
        yield Pair(first, behind)


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncGenerator[Pair]:
    async with pair(tmp_path, ScriptedEngine(context=2000), ScriptedEngine(context=2000)) as both:
        yield both


def told(headers: httpx.Headers) -> Json:
    """The headers that say something of the answer."""
    return {
        name: headers.get(name) for name in ("x-msh-usage-prompt-tokens", "x-msh-usage-cached-tokens", "retry-after")
    }


def nameless(answer: Json) -> Json:
    return {name: value for name, value in answer.items() if name not in ("id", "created")}


async def whole(server: Running, payload: Json) -> Any:
    answer = await post(server, payload)
    return answer.status_code, told(answer.headers), nameless(answer.json())


async def streamed(server: Running, payload: Json) -> Any:
    answer = await post(server, {**payload, "stream": True})
    if answer.status_code != 200:
        return answer.status_code, told(answer.headers), answer.json()
    found = await stream(server, payload)
    return told(found.headers), [nameless(frame) for frame in found.frames], found.done


@pytest.mark.parametrize("name", REQUESTS)
async def test_whole_answers(servers: Pair, name: str) -> None:
    expected = await whole(servers.direct, REQUESTS[name])
    assert expected[0] == 200, expected
    assert await whole(servers.behind, REQUESTS[name]) == expected


@pytest.mark.parametrize("options", OPTIONS.values(), ids=[name or "plain" for name in OPTIONS])
async def test_streams(servers: Pair, options: Json) -> None:
    """Frame by frame: the same increments, the same counts so far, the same ids of tokens."""
    await check_streams(servers, options, every=1 if not options else 3)


@pytest.mark.slow
@pytest.mark.parametrize("options", [options for options in OPTIONS.values() if options])
async def test_all_streams(servers: Pair, options: Json) -> None:
    await check_streams(servers, options, every=1)


async def check_streams(servers: Pair, options: Json, *, every: int) -> None:
    for name, request in list(REQUESTS.items())[::every]:
        expected = await streamed(servers.direct, {**request, **options})
        assert await streamed(servers.behind, {**request, **options}) == expected, name


@pytest.mark.parametrize("name", REFUSED)
async def test_refusals_before_the_stream(servers: Pair, name: str) -> None:
    for read in (whole, streamed):
        expected = await read(servers.direct, REFUSED[name])
        assert 400 <= expected[0] < 500, expected
        assert await read(servers.behind, REFUSED[name]) == expected


async def test_what_else_it_serves(servers: Pair) -> None:
    """contract.md 5.1, 5.2."""
    async with client(servers.direct) as direct, client(servers.behind) as behind:
        models = (await direct.get("/models")).json()
        assert (await behind.get("/models")).json() == models
        for name in ("plain", "call", "keep", "picture", "k3 budget"):
            counted = await direct.post("/tokenizers/estimate-token-count", json=REQUESTS[name])
            assert counted.status_code == 200
            assert (await behind.post("/tokenizers/estimate-token-count", json=REQUESTS[name])).json() == counted.json()


class FailingEngine(ScriptedEngine):
    """Gives `before`, then fails."""

    def __init__(self, error: ApiError, *before: Event, reason: Any = "unexpected_state") -> None:
        super().__init__()
        self._events = [PromptRead(9, 4), *before, Failed(error, reason)]

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        for event in self._events:
            yield event


WAIT = {"Retry-After": "3"}


@pytest.mark.parametrize(
    "error",
    [
        EngineOverloaded("The engine is currently overloaded, please try again later", headers=WAIT),
        RateLimited("request reached max organization concurrency: 1, please try again after 1 seconds", headers=WAIT),
        Unavailable("the engine is being restarted", headers=WAIT),
        ServerError("the engine's worker process ended"),
        InvalidRequest("Invalid request: the answer's schema cannot be met"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_failures_before_the_first_token(tmp_path: Path, error: ApiError) -> None:
    async with pair(tmp_path, FailingEngine(error), FailingEngine(error)) as servers:
        for read in (whole, streamed):
            expected = await read(servers.direct, REQUESTS["plain"])
            assert expected[0] == error.status
            assert await read(servers.behind, REQUESTS["plain"]) == expected


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ServerError("the engine's worker process ended"), "unexpected_state"),
        (EngineOverloaded("no room"), "engine_overloaded"),
        (Unavailable("the server is shutting down"), "server_interrupted"),
    ],
)
@pytest.mark.parametrize(
    "before",
    [
        [ReasoningDelta("Hm", 2)],
        [ReasoningDelta("Hm", 2), ReasoningEnded(1), ContentDelta("So", 3)],
        [ContentDelta("So", 3)],
    ],
    ids=["reasoning", "content", "content alone"],
)
async def test_failures_after_it(tmp_path: Path, error: ApiError, reason: str, before: list[Event]) -> None:
    """The stream ends with the same frame, and neither has `[DONE]`; a whole answer is an error with its status."""
    engines = [FailingEngine(error, *before, reason=reason) for _ in range(2)]
    async with pair(tmp_path, engines[0], engines[1]) as servers:
        expected = await streamed(servers.direct, REQUESTS["plain"])
        assert expected[1][-1]["choices"][0]["finish_reason"] == reason
        assert not expected[2]
        assert await streamed(servers.behind, REQUESTS["plain"]) == expected
        answer = await post(servers.behind, REQUESTS["plain"])
        assert answer.status_code >= 429


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
async def test_every_card(servers: Pair, card: Any) -> None:
    for request in (body(*TURNS, model=card.id), body(user(CALL), tools=[WEATHER], model=card.id)):
        assert await streamed(servers.behind, request) == await streamed(servers.direct, request)
