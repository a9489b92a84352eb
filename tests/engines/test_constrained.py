"""The last look at answers, and whole answers of a model of random weights over the collected schemas."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from moonbase.contract.cards import CARDS
from moonbase.contract.engine import Engine, TextDelta, TextDone
from moonbase.contract.errors import InvalidRequest, UnexpectedOutput
from moonbase.contract.events import Failed, Finished
from moonbase.contract.fold import Fold
from moonbase.contract.formats import KIMI
from moonbase.contract.request import ChatRequest, decode_chat_body, resolve
from moonbase.contract.response import Choice
from moonbase.contract.schema import minimal_value
from moonbase.engines.llama.engine import LlamaEngine
from moonbase.engines.llama.settings import LlamaSettings
from moonbase.engines.opening import bundled_model, open_gguf
from moonbase.engines.promises import checkable
from moonbase.engines.rendered import RenderedEngine
from moonbase.prompt import kimi_k2
from tests.contract.test_schema_normal import REFUSED
from tests.engines import gguf_fixture
from tests.engines.test_rendered import READ, Saying
from tests.schemas import Collected, collected

CARD = next(card for card in CARDS if card.id == "kimi-k2.6")
OFF = {"type": "disabled"}
FORCED = {"type": "function", "function": {"name": "fill_in"}}
SMALL = [row for row in collected() if row.name not in REFUSED and len(json.dumps(row.schema)) < 700]


def request(**fields: Any) -> ChatRequest:
    body = {"model": CARD.id, "messages": [{"role": "user", "content": "hi"}], "thinking": OFF, **fields}
    return resolve(decode_chat_body(json.dumps(body).encode()), CARD)


def tools(schema: Any) -> list[dict[str, Any]]:
    other = {"type": "function", "function": {"name": "other"}}
    return [{"type": "function", "function": {"name": "fill_in", "parameters": schema}}, other]


def content(schema: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}}


def takes_objects(row: Collected) -> bool:
    """Whether it can be the parameters of a function that can be called."""
    return row.is_object and isinstance(minimal_value(row.schema), dict)


async def answer(engine: Engine, asked: ChatRequest) -> Choice:
    fold = Fold()
    async for event in engine.stream(asked):
        fold.add(event)
    return fold.completion(id="x", created=0, model=asked.model).choices[0]


class Promising(Saying):
    """Says that it keeps to grammars, and does not."""

    @property
    def constrains(self) -> bool:
        return True


CALL = "<|tool_calls_section_begin|><|tool_call_begin|>functions.{}:0<|tool_call_argument_begin|>{}<|tool_call_end|>"


@pytest.mark.parametrize(
    ("fields", "text", "kept"),
    [
        (content({"type": "integer"}), "5", True),
        (content({"type": "integer"}), "5.5", False),
        (content({"type": "integer"}), "1" * 5000, True),
        (content({"type": "array"}), "[" * 4000 + "]" * 4000, True),
        (content({"type": "integer"}), "", False),
        ({"response_format": {"type": "json_object"}}, "[]", False),
        ({"tools": tools({"type": "object"})}, "just text", True),
        ({"tools": tools({"type": "object"}), "tool_choice": "required"}, "just text", False),
        ({"tools": tools({"type": "object"})}, CALL.format("fill_in", '{"a":1}'), True),
        ({"tools": tools({"type": "object"})}, CALL.format("fill_in", "[1]"), False),
        ({"tools": tools({"type": "object"})}, CALL.format("invented", "{}"), False),
        ({"tools": tools({"type": "object"})}, CALL.format("other", '{"a":1}'), False),
    ],
)
async def test_an_answer_that_breaks_its_grammar_fails_at_its_end(
    fields: dict[str, Any], text: str, kept: bool
) -> None:
    """It should be impossible; contract.md 2.1 has the finish reason for it."""
    engine = RenderedEngine(Promising(READ, TextDelta(text), TextDone("stop")), kimi_k2.render, KIMI)
    events = [event async for event in engine.stream(request(**fields))]
    if kept:
        assert isinstance(events[-1], Finished)
    else:
        assert isinstance(events[-1], Failed) and isinstance(events[-1].error, UnexpectedOutput)
        assert events[-1].finish_reason == "unexpected_state"


async def test_an_answer_that_was_cut_short_is_let_go() -> None:
    cut = Promising(READ, TextDelta('{"a'), TextDone("length"))
    assert (await answer(RenderedEngine(cut, kimi_k2.render, KIMI), request(**content({})))).finish_reason == "length"
    stopped = Promising(READ, TextDelta('{"a":"STOP"}'), TextDone("stop"))
    choice = await answer(RenderedEngine(stopped, kimi_k2.render, KIMI), request(**content({}), stop="STOP"))
    assert choice.message.content == '{"a":"'


async def test_an_engine_that_does_not_constrain_gets_no_grammar() -> None:
    text = Saying(READ, TextDone("stop"))
    await answer(RenderedEngine(text, kimi_k2.render, KIMI), request(**content({"type": "null"})))
    assert text.requests[0].grammar is None


def test_the_last_look_leaves_patterns_to_the_grammar() -> None:
    schema: dict[str, Any] = {
        "properties": {"pattern": {"pattern": "x"}},
        "patternProperties": {"y": {}},
        "additionalProperties": False,
    }
    assert checkable(schema) == {"properties": {"pattern": {}}}
    assert checkable({"enum": [{"pattern": 1}]}) == {"enum": [{"pattern": 1}]}


@pytest.fixture(scope="module", params=["control", "user_defined"])
def random_weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its marks are hidden tokens, or tokens with text as in Kimi's vocabulary."""
    texts = KIMI.marks() if request.param == "user_defined" else ()
    shape = msgspec.structs.replace(gguf_fixture.SMALLEST, context=8192, texts=texts)
    return gguf_fixture.write_random(tmp_path_factory.mktemp("model") / "random.gguf", shape)


@pytest.fixture
async def random_model(random_weights: Path) -> AsyncGenerator[Engine]:
    engine = RenderedEngine(
        LlamaEngine(LlamaSettings(model=str(random_weights), threads=1, slots=2)), kimi_k2.render, KIMI
    )
    await engine.start()
    yield engine
    await engine.close()


async def survey(engine: Engine, rows: list[Collected], how: str, **more: Any) -> Counter[str]:
    """Ask for each schema; every answer that ends by itself must fit. How the answers ended."""
    seen: Counter[str] = Counter()
    line = asyncio.Semaphore(2)

    async def ask(seed: int, row: Collected) -> None:
        fields = content(row.schema) if how == "content" else {"tools": tools(row.schema)}
        if how == "forced":
            fields |= {"tool_choice": FORCED}
        async with line:
            choice = await answer(engine, request(**fields, seed=seed, max_tokens=400, **more))
        seen[choice.finish_reason] += 1
        calls = choice.message.tool_calls or []
        if choice.finish_reason == "length":
            calls = calls[:-1]
        validator = Draft202012Validator(row.schema)
        for index, call in enumerate(calls):
            assert call.function.name in ("fill_in", "other"), row.name
            assert call.id == f"{call.function.name}:{index}"
            value = json.loads(call.function.arguments)
            if call.function.name == "fill_in":
                assert validator.is_valid(value), (row.name, value)  # pyright: ignore[reportUnknownMemberType]
            assert "\n" not in call.function.arguments
        if how == "content" and choice.finish_reason == "stop":
            value = json.loads(str(choice.message.content))
            assert validator.is_valid(value), (row.name, value)  # pyright: ignore[reportUnknownMemberType]

    await asyncio.gather(*(ask(seed, row) for seed, row in enumerate(rows)))
    return seen


@pytest.mark.parametrize("every", [6, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("how", ["content", "forced", "automatic"])
async def test_a_model_of_random_weights_keeps_every_schema(random_model: Engine, how: str, every: int) -> None:
    rows = [row for row in SMALL if how == "content" or takes_objects(row)][::every]
    assert len(rows) >= 180 // every
    seen = await survey(random_model, rows, how)
    assert seen["stop"] + seen["tool_calls"] >= 75 // every, seen
    assert seen["tool_calls"] >= (0 if how == "content" else 9 // every)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("how", ["content", "forced", "automatic"])
async def test_the_bundled_model_keeps_every_schema(how: str) -> None:
    engine = open_gguf(bundled_model(), threads=1, slots=2)
    await engine.start()
    try:
        seen = await survey(engine, [row for row in SMALL if how == "content" or takes_objects(row)], how)
    finally:
        await engine.close()
    assert seen["stop"] + seen["tool_calls"] >= len(SMALL) // 3, seen


async def test_a_schema_that_nobody_can_enforce_is_refused_by_name(random_model: Engine) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(?!x)"}}}
    with pytest.raises(InvalidRequest, match=r"tools\[0\].*properties\.a\.pattern"):
        await answer(random_model, request(tools=tools(schema)))
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^[z-a]$"}}, "required": ["a"]}
    with pytest.raises(InvalidRequest, match="the parameters of fill_in cannot be enforced"):
        await answer(random_model, request(tools=tools(schema)))
