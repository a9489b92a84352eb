"""Reasoning without its beginning: chat templates of models that always think write `<think>` into the prompt, and a
server without a parser for them answers "... </think> ..." (vLLM, MLX servers, OpenVINO's, LM Studio with some models).

contract.md 2.4: reasoning is never content.
"""

from __future__ import annotations

from typing import Any

import pytest

from moonbase.contract.request import ChatRequest
from moonbase.engines.http.dialect import DialectName
from tests.engines.http.asking import answer_of, asking
from tests.engines.http.serving import http_engine
from tests.engines.http.stub import Json, delta, stream, totals, upstream, whole
from tests.server.client import user

ENDS = "Let me see.\n</think>\n\nIt is."
OFF: Json = {"thinking": {"type": "disabled"}}
TOOL: Json = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
WHOLE, STREAM = asking(), asking(stream=True)
ENGINES: tuple[DialectName, ...] = ("vllm", "sglang", "llamacpp", "openai")

Said = tuple[str | None, str]
"""Reasoning and content."""


def at_once(content: str, finish: str = "stop") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish}
    return whole({**totals(9, 20), "choices": [choice]})


def in_pieces(content: str, finish: str = "stop", *more: Json) -> bytes:
    pieces = [delta(content=content[at : at + 4]) for at in range(0, len(content), 4)]
    return stream(*pieces, *more, delta(finish), totals(9, 20))


async def said(
    *exchanges: tuple[ChatRequest, bytes], dialect: DialectName = "openai", **options: Any
) -> list[tuple[str | None, str]]:
    """What a client gets of one engine after the other answer of its upstream."""
    found: list[Said] = []
    async with upstream(*(reply for _, reply in exchanges)) as stub:
        engine = http_engine(stub.url, dialect, **options)
        for request, _ in exchanges:
            answer = await answer_of(engine, request)
            found.append((answer.get("reasoning_content"), answer["content"]))
        await engine.close()
    return found


@pytest.mark.parametrize("dialect", ENGINES)
async def test_an_answer_that_comes_whole(dialect: DialectName) -> None:
    assert await said((WHOLE, at_once(ENDS)), dialect=dialect) == [("Let me see.", "It is.")]


@pytest.mark.parametrize("dialect", ENGINES)
@pytest.mark.parametrize("tools", [[], [TOOL]], ids=["plain", "tools"])
async def test_streams_are_read_so_once_an_answer_has_shown_it(dialect: DialectName, tools: list[Json]) -> None:
    """What was sent before the mark came cannot be taken back."""
    asked = asking(stream=True, tools=tools)
    first, second = await said((asked, in_pieces(ENDS)), (asked, in_pieces(ENDS)), dialect=dialect)
    assert first[0] is None
    assert second == ("Let me see.", "It is.")


async def test_an_answer_that_comes_whole_shows_it_to_streams() -> None:
    assert (await said((WHOLE, at_once(ENDS)), (STREAM, in_pieces(ENDS))))[1] == ("Let me see.", "It is.")


async def test_the_operator_says_so() -> None:
    assert await said((STREAM, in_pieces(ENDS)), opens_thinking=True) == [("Let me see.", "It is.")]


async def test_it_is_known_of_one_model_alone() -> None:
    other = asking(model="kimi-k2.5", stream=True)
    found = await said((WHOLE, at_once(ENDS)), (other, in_pieces("It is.")), (STREAM, in_pieces(ENDS)))
    assert found[1:] == [(None, "It is."), ("Let me see.", "It is.")]


async def test_an_answer_that_is_cut_off_is_all_reasoning() -> None:
    found = await said((WHOLE, at_once(ENDS)), (STREAM, in_pieces("Let me", "length")), (STREAM, in_pieces(ENDS)))
    assert found[1:] == [("Let me", ""), ("Let me see.", "It is.")]


async def test_it_is_unlearnt() -> None:
    """The upstream has been started anew, with another model."""
    found = await said((WHOLE, at_once(ENDS)), *[(STREAM, in_pieces("It is."))] * 3)
    assert found[3] == (None, "It is.")


async def test_a_model_that_forgets_the_end_once() -> None:
    """One such answer says nothing of those that follow it."""
    forgot, thought = (STREAM, in_pieces("It is.")), (STREAM, in_pieces(ENDS))
    found = await said((WHOLE, at_once(ENDS)), forgot, thought, forgot, thought)
    assert found[2] == found[4] == ("Let me see.", "It is.")


async def test_it_is_learnt_anew() -> None:
    """However often it was unlearnt, and however many answers needed no thought before the first that did."""
    plain, thought = (STREAM, in_pieces("It is.")), (STREAM, in_pieces(ENDS))
    assert (await said(plain, plain, thought, thought))[3] == ("Let me see.", "It is.")
    assert (await said((WHOLE, at_once(ENDS)), plain, plain, thought, thought))[4] == ("Let me see.", "It is.")


async def test_where_it_never_comes_it_is_not_looked_for() -> None:
    """Every increment of a stream would be looked at, for ever."""
    plain, thought = (STREAM, in_pieces("It is.")), (STREAM, in_pieces(ENDS))
    found = await said(*[plain] * 8, thought, thought, (WHOLE, at_once(ENDS)), thought)
    assert found[9][0] is None
    assert found[10:] == [("Let me see.", "It is.")] * 2


async def test_thinking_that_is_off() -> None:
    """Template arguments switch it off; a plain server has none, and its reasoning is dropped."""
    off, shown = asking(stream=True, **OFF), (WHOLE, at_once(ENDS))
    assert (await said(shown, (off, in_pieces(ENDS)), dialect="openai"))[1] == (None, "It is.")
    assert (await said(shown, (off, in_pieces("It is.")), dialect="openai"))[1] == (None, "It is.")
    assert (await said(shown, (off, in_pieces("a </think> b")), dialect="vllm"))[1] == (None, "a </think> b")


@pytest.mark.parametrize(
    ("request_", "content"),
    [
        (WHOLE, "Write <think>x</think>."),
        (asking(user("What is </think>?")), "A mark: </think>."),
        (asking(**OFF), "A mark: </think>."),
        (WHOLE, "It is."),
    ],
    ids=["with its beginning", "asked for", "thinking is off", "none"],
)
async def test_what_shows_nothing(request_: ChatRequest, content: str) -> None:
    found = await said((request_, at_once(content)), (STREAM, in_pieces("It is.")))
    assert found == [(None, content), (None, "It is.")]


async def test_a_partial_answer_goes_on_where_it_was() -> None:
    """contract.md 7.1: no prompt for a new answer is added, so nothing begins the reasoning."""
    partial = asking(user("Go on."), {"role": "assistant", "content": "It", "partial": True}, stream=True)
    found = await said((WHOLE, at_once(ENDS)), (partial, in_pieces(" is.")), dialect="vllm")
    assert found[1] == (None, " is.")


async def test_a_call_ends_the_reasoning_too() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    asked = asking(stream=True, tools=[TOOL])
    found = await said(
        (WHOLE, at_once(ENDS)), *[(asked, in_pieces("Let me see.", "stop", delta(tool_calls=[call])))] * 2
    )
    assert found[1:] == [("Let me see.", "")] * 2


@pytest.mark.parametrize("dialect", ENGINES)
@pytest.mark.parametrize(
    "message",
    [
        {"content": "It is.", "reasoning_content": "x" * 54},
        {"content": f"<think>{'x' * 54}</think>It is."},
        {"content": f"{'x' * 54}</think>It is."},
    ],
    ids=["apart", "inside", "without its beginning"],
)
async def test_tokens_of_reasoning_in_an_answer_that_comes_whole(dialect: DialectName, message: Json) -> None:
    """contract.md 2.2. vLLM and llama.cpp do not count them: they are divided as the characters are."""
    answer = whole({**totals(9, 20), "choices": [{"message": message, "finish_reason": "stop"}]})
    async with upstream(answer) as stub:
        engine = http_engine(stub.url, dialect)
        usage = (await answer_of(engine))["usage"]
        await engine.close()
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 18}
