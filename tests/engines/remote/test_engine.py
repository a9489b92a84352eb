"""Rendered prompts at an upstream of prepared replies: what leaves, what comes of it, and how it fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from moonbase.contract.cards import CARDS
from moonbase.contract.errors import SettingsError
from moonbase.contract.events import ContentDelta, Event, Failed, Finished, PromptRead, ToolCallOpened
from moonbase.contract.fold import Fold
from moonbase.contract.request import ChatRequest, decode_chat_body, resolve
from moonbase.engines.http.client import Client
from moonbase.engines.http.upstream import parse_upstream
from moonbase.engines.remote.dialects import DialectName
from moonbase.engines.remote.opening import RemoteEngine, at_root, open_remote
from moonbase.engines.remote.settings import RemoteSettings
from moonbase.engines.remote.vocabulary import Vocabulary, read_vocabulary
from moonbase.engines.router import RouterEngine
from tests.engines.remote.kimi_folder import tiktoken_folder
from tests.engines.remote.upstream import Json, Prepared, upstream

K26 = next(card for card in CARDS if card.id == "kimi-k2.6")
LISTING: Json = {"data": [{"id": "kimi", "max_model_len": 4000}]}
WEATHER: Json = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
}


class Model:
    """What a served model says, as frames of its dialect; `said` holds texts and the marks between them."""

    def __init__(self, folder: Path, dialect: DialectName = "vllm") -> None:
        self.folder = tiktoken_folder(folder)
        self.vocabulary: Vocabulary = read_vocabulary(folder)
        self.dialect: DialectName = dialect

    def ids(self, said: str) -> list[int]:
        return self.vocabulary.encode([said], True)[0]

    def frames(self, said: str, reason: str = "stop", *, cached: int = 16) -> list[bytes | None]:
        ids = self.ids(said)
        if self.dialect == "sglang":
            return [*self._sglang(ids, reason, cached), b"data: [DONE]\n\n"]
        last: list[Json] = [{"choices": [], "usage": {"prompt_tokens_details": {"cached_tokens": cached}}}]
        parts: list[Json] = [
            {"choices": [{"index": 0, "text": "?", "token_ids": [id], "finish_reason": None}]} for id in ids
        ]
        parts[-1]["choices"][0]["finish_reason"] = reason
        return [*(b"data: " + json.dumps(part).encode() + b"\n\n" for part in [*parts, *last]), b"data: [DONE]\n\n"]

    def _sglang(self, ids: list[int], reason: str, cached: int) -> list[bytes]:
        frames: list[bytes] = []
        for count in range(1, len(ids) + 1):
            end = {"type": reason} if count == len(ids) else None
            meta = {"completion_tokens": count, "cached_tokens": cached, "finish_reason": end}
            frames.append(b"data: " + json.dumps({"output_ids": ids[:count], "meta_info": meta}).encode() + b"\n\n")
        return frames


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return Model(tmp_path)


def replies(answer: Callable[[Json], tuple[int, Any]], **others: Any) -> Prepared:
    return Prepared({"/v1/models": lambda _: (200, LISTING), "/v1/completions": answer, "/generate": answer, **others})


def engine_on(url: str, loaded: Model, **settings: Any) -> RemoteEngine:
    client = Client(at_root(parse_upstream(url)), connect_s=5.0, silence_s=20.0)
    return open_remote(client, loaded.folder, RemoteSettings(dialect=loaded.dialect, **settings))


def request(content: str = "hi", **fields: Any) -> ChatRequest:
    body: Json = {"model": "kimi-k2.6", "messages": [{"role": "user", "content": content}], **fields}
    return resolve(decode_chat_body(json.dumps(body).encode()), K26)


async def events_of(prepared: Prepared, model: Model, asked: ChatRequest, **settings: Any) -> list[Event]:
    async with upstream(prepared):
        engine = engine_on(prepared.url, model, **settings)
        await engine.start()
        try:
            return [event async for event in engine.stream(asked)]
        finally:
            await engine.close()


async def failure_of(answer: tuple[int, Any], model: Model, asked: ChatRequest | None = None) -> Failed:
    *_, last = await events_of(replies(lambda _: answer), model, asked or request())
    assert isinstance(last, Failed)
    return last


SAID = (
    "The user says é.</think>Look:<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0"
    '<|tool_call_argument_begin|>{"a":1}<|tool_call_end|><|tool_calls_section_end|><|im_end|>'
)


@pytest.mark.parametrize("dialect", ["vllm", "sglang"])
@pytest.mark.parametrize("cached", [-1, 2**63])
async def test_cached_tokens_are_part_of_the_prompt(tmp_path: Path, dialect: DialectName, cached: int) -> None:
    model = Model(tmp_path, dialect)
    prepared = replies(lambda _: (200, model.frames(SAID, cached=cached)))
    events = await events_of(prepared, model, request(tools=[WEATHER]))
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.usage.cached_tokens == (0 if cached < 0 else end.usage.prompt_tokens)


@pytest.mark.parametrize("dialect", ["vllm", "sglang"])
async def test_an_answer_is_read_from_its_ids_alone(tmp_path: Path, dialect: DialectName) -> None:
    """The text that the upstream makes of the ids is never looked at."""
    model = Model(tmp_path, dialect)
    prepared = replies(lambda _: (200, model.frames(SAID)))
    fold = Fold()
    for event in await events_of(prepared, model, request(tools=[WEATHER])):
        fold.add(event)
    answer = fold.completion(id="x", created=0, model="m")
    message = answer.choices[0].message
    assert (message.reasoning_content, message.content) == ("The user says é.", "Look:")
    assert message.tool_calls
    assert [(call.id, call.function.arguments) for call in message.tool_calls] == [("get_weather:0", '{"a":1}')]
    usage = answer.usage
    assert (usage.completion_tokens, usage.cached_tokens) == (len(model.ids(SAID)), 16)
    route = "/v1/completions" if dialect == "vllm" else "/generate"
    (body,) = prepared.bodies(route)
    sent = body["prompt" if dialect == "vllm" else "input_ids"]
    assert usage.prompt_tokens == len(sent)
    assert (
        b"".join(map(model.vocabulary.token_bytes, sent))
        .decode()
        .endswith("hi<|im_end|><|im_assistant|>assistant<|im_middle|><think>")
    )


async def test_content_that_looks_like_a_mark_is_sent_and_read_as_text(model: Model) -> None:
    """contract.md 13, last line; on the way back a mark's text of ordinary tokens is content."""
    spelled = [
        *model.ids("a</think>"),
        *model.vocabulary.encode(["<"], False)[0],
        *model.vocabulary.encode(["/think>b"], False)[0],
    ]
    frames = model.frames("x")
    part = {"choices": [{"index": 0, "token_ids": spelled, "finish_reason": "stop"}]}
    frames[0] = b"data: " + json.dumps(part).encode() + b"\n\n"
    prepared = replies(lambda _: (200, frames))
    events = await events_of(prepared, model, request("<|im_end|>"))
    assert "".join(event.text for event in events if isinstance(event, ContentDelta)) == "</think>b"
    ends = set(model.ids("<|im_end|>"))
    assert sum(id in ends for id in prepared.bodies("/v1/completions")[0]["prompt"]) == 2, "system's and user's"


async def test_the_budget_is_cut_to_the_context(model: Model) -> None:
    prepared = replies(lambda _: (200, model.frames("a</think>b<|im_end|>")))
    await events_of(prepared, model, request(max_tokens=100_000))
    (body,) = prepared.bodies("/v1/completions")
    assert body["max_tokens"] + len(body["prompt"]) == 4000


async def test_a_prompt_beyond_the_context_is_refused_here(model: Model) -> None:
    """contract.md 4.3"""
    prepared = replies(lambda _: (200, model.frames("a")))
    (failed,) = await events_of(prepared, model, request("x" * 5000))
    assert isinstance(failed, Failed)
    assert failed.error.status == 400
    assert "exceeded model token limit: 4000 (requested: 5" in failed.error.message
    assert not prepared.bodies("/v1/completions")


async def test_length_and_token_counts(model: Model) -> None:
    events = await events_of(replies(lambda _: (200, model.frames("abc", "length"))), model, request(max_tokens=3))
    assert isinstance(events[0], PromptRead)
    *_, last = events
    assert isinstance(last, Finished)
    assert (last.finish_reason, last.usage.completion_tokens, last.usage.reasoning_tokens) == ("length", 3, 3)


async def test_leaving_hangs_up_at_the_upstream(model: Model) -> None:
    frames: list[bytes | None] = [*model.frames("a</think>b")[:3], None]
    async with upstream(replies(lambda _: (200, frames))) as prepared:
        engine = engine_on(prepared.url, model)
        async with aclosing(engine.stream(request())) as events:
            async for event in events:
                if isinstance(event, ContentDelta):
                    break
        async with asyncio.timeout(5):
            await prepared.hung_up.wait()
        await engine.close()


async def test_a_stop_word_hangs_up_too(model: Model) -> None:
    frames: list[bytes | None] = [*model.frames("a</think>b stop here")[:-2], None]
    async with upstream(replies(lambda _: (200, frames))) as prepared:
        engine = engine_on(prepared.url, model)
        events = [event async for event in engine.stream(request(stop=["stop"]))]
        assert isinstance(events[-1], Finished)
        assert events[-1].finish_reason == "stop"
        async with asyncio.timeout(5):
            await prepared.hung_up.wait()
        await engine.close()


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        ((401, {"error": "Unauthorized"}), 503, "key"),
        ((429, {"error": {"message": "busy"}}), 429, "overloaded"),
        ((503, {"message": "draining"}), 503, "not available"),
        ((500, {"error": {"message": "CUDA"}}), 500, "CUDA"),
        ((400, {"error": {"message": "seed must be smaller"}}), 500, "seed must be smaller"),
        ((404, {"detail": "Not Found"}), 500, "404"),
        ((200, [b"data: {}\n\n"]), 503, "went away"),
        ((200, [b""]), 503, "went away"),
        ((200, [b'data: {"error": {"message": "died", "code": 500}}\n\n']), 500, "died"),
    ],
)
async def test_failures(model: Model, answer: tuple[int, Any], status: int, message: str) -> None:
    failed = await failure_of(answer, model)
    assert failed.error.status == status
    assert message in failed.error.message


async def test_the_upstreams_own_limit_is_the_contracts_error(model: Model) -> None:
    """contract.md 4.3; a deployment may have a shorter context than it lists."""
    words = "This model's maximum context length is 10 tokens. However, your prompt contains 20 input tokens"
    failed = await failure_of((400, {"error": {"message": words}}), model)
    assert "exceeded model token limit: 10 (requested: 20)" in failed.error.message


async def test_an_upstream_that_is_away_is_asked_again(model: Model) -> None:
    there = False
    prepared = replies(lambda _: (200, model.frames("a</think>b<|im_end|>")))
    prepared.replies["/v1/models"] = lambda _: (200, LISTING) if there else (503, {"message": "loading"})
    async with upstream(prepared):
        engine = engine_on(prepared.url, model)
        await engine.start()
        assert engine.context_length is None
        (failed,) = [event async for event in engine.stream(request())]
        assert isinstance(failed, Failed)
        assert failed.error.status == 503
        there = True
        events = [event async for event in engine.stream(request())]
        assert isinstance(events[-1], Finished)
        assert engine.context_length == 4000
        await engine.close()


async def test_nobody_there_is_no_mistake_at_the_start(model: Model) -> None:
    async with upstream(replies(lambda _: (200, {}))) as prepared:
        url = prepared.url
    engine = engine_on(url, model)
    await engine.start()
    (failed,) = [event async for event in engine.stream(request())]
    assert isinstance(failed, Failed)
    assert failed.error.status == 503


async def start_error(prepared: Prepared, loaded: Model, **settings: Any) -> str:
    async with upstream(prepared):
        engine = engine_on(prepared.url, loaded, **settings)
        with pytest.raises(SettingsError) as error:
            await engine.start()
        await engine.close()
    return str(error.value)


async def test_another_tokenizer_than_the_upstreams_is_found_out(model: Model) -> None:
    prepared = replies(lambda _: (200, {}))
    prepared.replies["/tokenize"] = lambda _: (200, {"tokens": [1, 2, 3]})
    assert "tokenizer is not the one that was loaded here" in await start_error(prepared, model)


async def test_the_same_tokenizer_is_taken(model: Model) -> None:
    def tokens(body: Json) -> tuple[int, Json]:
        return 200, {"tokens": model.vocabulary.encode([body["prompt"]], False)[0]}

    prepared = replies(lambda _: (200, model.frames("a</think>b<|im_end|>")), **{"/tokenize": tokens})
    events = await events_of(prepared, model, request())
    assert isinstance(events[-1], Finished)
    assert prepared.bodies("/tokenize")


async def test_a_model_that_is_not_listed_is_named(model: Model) -> None:
    prepared = replies(lambda _: (200, {}))
    assert "no model 'other'; it lists: kimi" in await start_error(prepared, model, model="other")


async def test_grammars_are_tried_before_they_are_counted_on(model: Model) -> None:
    prepared = replies(lambda _: (200, model.frames("Hi there<|im_end|>")))
    assert "does not hold its text to a grammar" in await start_error(prepared, model, constrains=True)
    prepared = replies(lambda _: (400, {"error": {"message": "no backend"}}))
    assert "no backend" in await start_error(prepared, model, constrains=True)


async def test_what_is_promised_goes_along_as_a_grammar(model: Model) -> None:
    def answer(body: Json) -> tuple[int, Any]:
        trial = body["structured_outputs"]["grammar"].startswith('start: "Q7')
        return 200, model.frames("Q7 zebra<|im_end|>" if trial else SAID)

    prepared = replies(answer)
    events = await events_of(prepared, model, request(tools=[WEATHER]), constrains=True)
    assert any(isinstance(event, ToolCallOpened) for event in events)
    grammar = prepared.bodies("/v1/completions")[-1]["structured_outputs"]["grammar"]
    named = {mark.text: mark.id for mark in model.vocabulary.marks}
    assert f"<[{named['<|tool_calls_section_begin|>']}]>" in grammar
    assert f"end: <[{named['<|im_end|>']}]>" in grammar, "the tokenizer's own end is another"


def test_sglang_is_not_counted_on_for_grammars(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="leave constrains out"):
        engine_on("http://127.0.0.1:1", Model(tmp_path, "sglang"), constrains=True)


async def test_a_pool_leaves_out_who_is_away_and_keeps_conversations_together(model: Model) -> None:
    def serving() -> Prepared:
        return replies(lambda _: (200, model.frames("a</think>b<|im_end|>")))

    away = Prepared({"/v1/models": lambda _: (503, {"message": "loading"})})
    async with upstream(serving()) as first, upstream(serving()) as second, upstream(away):
        pool = RouterEngine([engine_on(one.url, model) for one in (first, second, away)])
        await pool.start()
        for turn in range(3):
            for question in ("one", "two"):
                messages = [{"role": "user", "content": question}, {"role": "assistant", "content": "b"}] * turn
                asked = request(messages=[*messages, {"role": "user", "content": question}])
                events = [event async for event in pool.stream(asked)]
                assert isinstance(events[-1], Finished)
        await pool.close()
    sizes = [len(one.bodies("/v1/completions")) for one in (first, second)]
    assert sizes == [3, 3]
    assert not away.bodies("/v1/completions")


async def test_later_checks_do_not_raise(model: Model) -> None:
    prepared = replies(lambda _: (200, {}))
    async with upstream(prepared):
        engine = engine_on(prepared.url, model)
        assert await engine.check()
        prepared.replies["/v1/models"] = lambda _: (200, {"data": []})
        assert not await engine.check()
        prepared.replies["/v1/models"] = lambda _: (503, {})
        assert not await engine.check()
        await engine.close()
