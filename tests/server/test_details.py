"""What a request may ask for besides the answer: token ids and log probabilities (contract.md 1.1, 2.5, 4.3, 11.1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from moonbase.cli.compose import compose
from moonbase.contract.cards import CARDS
from moonbase.engines.opening import bundled_model, open_gguf
from moonbase.engines.scripted import ScriptedEngine
from moonbase.server.settings import EngineSettings, ServerSettings, Settings
from tests.running import Running, make_platform, running
from tests.server.client import Json, Stream, body, complete, error_of, post, stream, user

ASKED: Json = {"logprobs": True, "top_logprobs": 2}
IDS: Json = {"stream_options": {"include_internal_content": True}}
ALLOWED = [card.id for card in CARDS if card.logprobs]
DATE: Json = {"type": "function", "function": {"name": "date", "parameters": {"type": "object", "properties": {}}}}


class Silent(ScriptedEngine):
    """An engine that knows nothing of its tokens."""

    @property
    def gives_logprobs(self) -> bool:
        return False


def listed(answer: Stream) -> list[Json]:
    """The tokens that the frames list; each frame's must join to its content."""
    tokens: list[Json] = []
    for frame in answer.frames:
        for choice in frame["choices"]:
            if "logprobs" in choice:
                found = choice["logprobs"]["content"]
                assert "".join(token["token"] for token in found) == choice["delta"]["content"] != ""
                tokens += found
            else:
                assert not choice["delta"].get("content")
    return tokens


@pytest.mark.parametrize("model", ALLOWED)
async def test_logprobs_stand_on_content_and_in_the_whole_answer_alike(server: Running, model: str) -> None:
    payload = body(user("naïve 🌙 text"), model=model, **ASKED)
    tokens = listed(await stream(server, payload))
    (choice,) = (await complete(server, payload))["choices"]
    assert choice["logprobs"] == {"content": tokens}
    assert "".join(token["token"] for token in tokens) == choice["message"]["content"] == "You said: naïve 🌙 text"
    assert b"".join(bytes(token["bytes"]) for token in tokens).decode() == choice["message"]["content"]
    assert all(
        token["top_logprobs"] == [{key: token[key] for key in ("token", "logprob", "bytes")}] for token in tokens
    )


async def test_none_are_given_where_none_are_asked_for(server: Running) -> None:
    for payload in (body(), body(logprobs=False)):
        answer = await stream(server, payload)
        assert not any("logprobs" in choice for frame in answer.frames for choice in frame["choices"])
        assert "logprobs" not in (await complete(server, payload))["choices"][0]


async def test_a_call_lists_nothing(server: Running) -> None:
    payload = body(user("Call the tool `date` with these JSON arguments: {}"), tools=[DATE], **ASKED)
    assert listed(await stream(server, payload)) == []
    assert "logprobs" not in (await complete(server, payload))["choices"][0]


async def test_what_a_stop_withholds_is_not_listed(server: Running) -> None:
    payload = body(user("one two three"), stop=" two", **ASKED)
    tokens = listed(await stream(server, payload))
    assert [token["token"] for token in tokens] == ["You", " said", ":", " one"]
    assert (await complete(server, payload))["choices"][0]["logprobs"] == {"content": tokens}


@pytest.mark.parametrize("streamed", [True, False])
async def test_an_engine_that_cannot_give_them(tmp_path: Path, streamed: bool) -> None:
    async with running(make_platform(tmp_path, engine=Silent())) as up:
        status, kind, message = error_of(await post(up, body(stream=streamed, logprobs=True)))
        assert (status, kind) == (400, "invalid_request_error")
        assert message == (
            "Invalid request: the engine that serves 'kimi-k2.6' gives no logprobs; leave logprobs out, or send false"
        )
        assert await complete(up, body(logprobs=False))


@pytest.mark.parametrize("switch", [True, False])
async def test_k3_gives_them_where_the_operator_says_so(tmp_path: Path, switch: bool) -> None:
    settings = Settings(
        server=ServerSettings(data_dir=str(tmp_path), k3_logprobs=switch),
        engines={"scripted": EngineSettings(kind="scripted")},
    )
    async with running(compose(settings)) as up:
        answer = await post(up, body(model="kimi-k3", **ASKED))
    if switch:
        assert answer.json()["choices"][0]["logprobs"]["content"][0]["token"] == "You"
    else:
        assert error_of(answer)[2] == "invalid logprobs: only false is allowed for this model"


def increments(answer: Stream, index: int = 0) -> list[Json]:
    choices = [choice for frame in answer.frames for choice in frame["choices"] if choice["index"] == index]
    return [choice["delta"] for choice in choices[1:-1]]


@pytest.mark.parametrize("model", [card.id for card in CARDS])
async def test_every_increment_has_its_token_ids(server: Running, model: str) -> None:
    answer = await stream(server, body(user("moon moon"), model=model, **IDS))
    ids = [delta["internal_content"]["token_ids"] for delta in increments(answer)]
    assert sum(map(len, ids)) == answer.end["usage"]["completion_tokens"]
    assert "internal_content" not in answer.deltas[0]
    assert answer.end["delta"] == {}


async def test_token_ids_of_calls_and_of_several_choices(server: Running) -> None:
    direction = user("Call the tool `date` with these JSON arguments: {}")
    payload = body(direction, model="kimi-k2-thinking", tools=[DATE], n=2, **IDS)
    answer = await stream(server, payload)
    for index in (0, 1):
        found = increments(answer, index)
        assert [id for delta in found for id in delta["internal_content"]["token_ids"]]
        assert all(len(delta) == 2 for delta in found), "the ids, and what they are of"
    ends = [c for frame in answer.frames for c in frame["choices"] if c["finish_reason"]]
    counted = sum(
        len(delta["internal_content"]["token_ids"]) for index in (0, 1) for delta in increments(answer, index)
    )
    assert counted == sum(end["usage"]["completion_tokens"] for end in ends)


async def test_token_ids_are_for_those_who_ask_and_for_streams(server: Running) -> None:
    plain = await stream(server, body())
    assert not any("internal_content" in delta for delta in plain.deltas)
    whole = await complete(server, body(**IDS))
    assert "internal_content" not in whole["choices"][0]["message"]


@pytest.mark.parametrize("extra", [{}, {"stop": ["e", "."]}, {"max_tokens": 5}])
async def test_the_bundled_model_gives_both(tmp_path: Path, extra: dict[str, Any]) -> None:
    """Whatever it says: the whole answer is the fold of the stream, and each generated token has an id."""
    platform = make_platform(tmp_path, engine=open_gguf(bundled_model(), threads=1))
    async with running(platform) as up:
        payload = body(model="kimi-k2-thinking", temperature=0, max_tokens=60, **ASKED) | extra
        answer = await stream(up, payload | IDS)
        tokens = listed(answer)
        (choice,) = (await complete(up, payload))["choices"]
    again = choice.get("logprobs", {"content": []})["content"]
    assert [token["token"] for token in again] == [token["token"] for token in tokens]
    # The last bits depend on how the prompt was read: at once, or with most of it in the cache.
    numbers = [token["logprob"] for token in tokens]
    assert [token["logprob"] for token in again] == pytest.approx(numbers, abs=0.01)
    assert "".join(token["token"] for token in tokens) == choice["message"]["content"]
    ids = [id for delta in increments(answer) for id in delta["internal_content"]["token_ids"]]
    assert len(ids) == answer.end["usage"]["completion_tokens"]
    for token in tokens:
        assert token["top_logprobs"][0]["logprob"] == token["logprob"] <= 0
        assert len(token["top_logprobs"]) == 2
