"""Answers of engines that promise nothing: checked, asked for again, and ended with a clear error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moonbase.contract.cards import CARDS
from moonbase.contract.engine import AtOnce, EngineAround, at_once
from moonbase.contract.errors import Unavailable, UnexpectedOutput
from moonbase.contract.events import (
    ContentDelta,
    Event,
    Failed,
    Finished,
    Reasked,
    ReasoningDelta,
    ReasoningEnded,
    ToolCallOpened,
    Usage,
)
from moonbase.contract.fold import Fold
from moonbase.contract.request import ChatRequest, decode_chat_body, resolve
from moonbase.engines.reasking import ReaskingEngine
from tests.engines.takes import READ, Take, Takes

MODELS = {card.id: card for card in CARDS}
POINT: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
GOOD, BAD = '{"x":1}', '{"x":"one"}'
FORM: dict[str, Any] = {"response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": POINT}}}
TOOLS: dict[str, Any] = {"tools": [{"type": "function", "function": {"name": "put", "parameters": POINT}}]}
OFF: dict[str, Any] = {"thinking": {"type": "disabled"}}


def asking(model: str = "kimi-k2.6", **fields: Any) -> ChatRequest:
    body = {"model": model, "messages": [{"role": "user", "content": "Go."}], **fields}
    return resolve(decode_chat_body(json.dumps(body).encode()), MODELS[model])


async def hear(engine: Takes, request: ChatRequest, *, tries: int = 2) -> list[Event]:
    return [event async for event in ReaskingEngine(engine, tries=tries).stream(request)]


def folded(events: list[Event]) -> Fold:
    fold = Fold()
    for event in events:
        fold.add(event)
    return fold


def failure(events: list[Event]) -> str:
    assert isinstance(events[-1], Failed)
    assert isinstance(events[-1].error, UnexpectedOutput)
    return events[-1].error.message


async def hear_at_once(engine: Takes, request: ChatRequest, *, tries: int = 2) -> list[Event]:
    """As `hear`, of an engine that gives its answers whole."""
    events: list[Event] = []
    asked = at_once(ReaskingEngine(TakesAtOnce(engine), tries=tries), request, events)
    assert asked is not None
    await asked
    return events


class TakesAtOnce(EngineAround, AtOnce):
    async def at_once(self, request: ChatRequest, events: list[Event]) -> None:
        async for event in self.stream(request):
            events.append(event)


@pytest.mark.parametrize(
    ("fields", "take"),
    [
        (FORM, Take(GOOD)),
        (FORM, Take(BAD, reason="length")),
        ({**FORM, "stop": ["!"]}, Take('{"x"')),
        ({"response_format": {"type": "json_object"}}, Take('{"anything": [1]}')),
        ({"response_format": {"type": "text"}}, Take("free")),
        (TOOLS, Take("Let me see.", (("put", GOOD), ("put", GOOD)))),
        (TOOLS, Take("No call is needed.")),
        ({**TOOLS, "tool_choice": "required", **OFF}, Take(calls=(("put", GOOD),))),
        ({}, Take("free")),
    ],
)
async def test_what_keeps_its_promises_passes_as_it_is(fields: dict[str, Any], take: Take) -> None:
    """An answer that its budget or a stop sequence cut is told as such."""
    engine = Takes(take)
    assert await hear(engine, asking(**fields)) == [READ, *take.events()]
    assert len(engine.asked) == 1
    assert await hear_at_once(engine, asking(**fields)) == [READ, *take.events()]
    assert len(engine.asked) == 2


@pytest.mark.parametrize(
    ("fields", "broken", "whole", "fault"),
    [
        (FORM, Take(BAD), Take(GOOD), "'one' is not of type 'integer'"),
        (FORM, Take("```json\n{}\n```"), Take(GOOD), "Expecting value: line 1 column 1 (char 0)"),
        ({"response_format": {"type": "json_object"}}, Take("[]"), Take("{}"), "[] is not of type 'object'"),
        (TOOLS, Take(calls=(("put", BAD),)), Take(calls=(("put", GOOD),)), "the arguments of put: 'one' is not"),
        (TOOLS, Take(calls=(("put", GOOD), ("puts", "{}"))), Take("Well."), "no function 'puts' may be called"),
        ({**TOOLS, "tool_choice": "none"}, Take(calls=(("put", GOOD),)), Take("No."), "no function 'put' may be"),
        ({**TOOLS, "tool_choice": "required", **OFF}, Take("No."), Take(calls=(("put", GOOD),)), "it has no tool call"),
    ],
)
async def test_what_breaks_them_is_asked_for_again(
    fields: dict[str, Any], broken: Take, whole: Take, fault: str
) -> None:
    """Nothing of the broken answer is told but its tokens, which count."""
    engine = Takes(broken, whole)
    events = await hear(engine, asking(**fields))
    assert await hear_at_once(Takes(broken, whole), asking(**fields)) == events
    fold = folded(events)
    right = folded([READ, *whole.events()])
    assert [message.tool_calls for message in fold.messages()] == [message.tool_calls for message in right.messages()]
    spent = len(broken.events()) + len(whole.events())
    assert fold.usage() == Usage(10, spent, 0, 4)
    assert (fold.reasked, len(engine.asked)) == (1, 2)
    assert fault in failure(await hear(Takes(broken), asking(**fields), tries=0))


async def test_the_budget_is_that_of_all_tries() -> None:
    engine = Takes(Take(BAD), Take(GOOD))
    await hear(engine, asking(**FORM, max_completion_tokens=30))
    first, second = engine.asked
    assert (first.max_tokens, second.max_tokens) == (30, 30 - len(Take(BAD).events()))
    spent = failure(await hear(Takes(Take(BAD)), asking(**FORM, max_completion_tokens=len(Take(BAD).events()))))
    assert spent.endswith("the model's answer does not fit what was asked for: 'one' is not of type 'integer'")


async def test_the_seed_changes_or_the_same_answer_would_come_again() -> None:
    engine = Takes(Take(BAD))
    await hear(engine, asking(**FORM, seed=5))
    assert len({request.sampling.seed for request in engine.asked}) == 3


async def test_after_the_last_try_comes_a_clear_error() -> None:
    engine = Takes(Take(BAD))
    message = failure(await hear(engine, asking(**FORM)))
    assert len(engine.asked) == 3
    assert message == (
        "invalid state transition: the model's answer does not fit what was asked for, each of 3 times that it was "
        "asked: 'one' is not of type 'integer'"
    )


async def test_the_reasoning_streams_once_and_all_of_it_counts() -> None:
    events = await hear(Takes(Take(BAD, reasoning="first thoughts"), Take(GOOD, reasoning="then more")), asking(**FORM))
    assert events[:4] == [READ, ReasoningDelta("first", 1), ReasoningDelta("thoughts", 1), Reasked(13, 0, 0)]
    assert events[4] == ReasoningEnded(1)
    (message,) = folded(events).messages()
    assert (message.reasoning_content, message.content) == ("firstthoughts", GOOD)
    assert folded(events).usage() == Usage(10, 26, 4, 4)


async def test_what_stood_beside_broken_calls_is_said_once() -> None:
    takes = Take("I look.", (("put", BAD),)), Take("Let me look.", (("put", GOOD),))
    (message,) = folded(await hear(Takes(*takes), asking(**TOOLS))).messages()
    assert message.content == "I look."
    assert [call.function.arguments for call in message.tool_calls or ()] == [GOOD]
    takes = Take("I look. ", (("put", BAD),)), Take("It is there.")
    (message,) = folded(await hear(Takes(*takes), asking(**TOOLS))).messages()
    assert message.content == "I look. It is there."


async def test_each_of_several_answers_is_judged_by_itself() -> None:
    engine = Takes(Take(GOOD), Take(BAD), Take('{"x":2}'))
    events = await hear(engine, asking("kimi-k2-thinking", **FORM, n=2))
    assert [message.content for message in folded(events).messages()] == [GOOD, '{"x":2}']
    assert sum(event == READ for event in events) == 1
    assert [event.choice for event in events if isinstance(event, Finished)] == [0, 1]
    assert [request.n for request in engine.asked] == [1, 1, 1]


async def test_a_failure_of_the_engine_is_not_asked_again() -> None:
    gone = Failed(Unavailable("gone"), "server_interrupted")
    engine = Takes(gone)
    assert await hear(engine, asking(**FORM)) == [READ, gone]
    assert len(engine.asked) == 1


async def test_free_text_does_not_wait() -> None:
    """Content beside possible calls is told before the answer is whole."""
    engine = ReaskingEngine(Takes(Take("Let", (("put", GOOD),))), tries=2)
    stream = engine.stream(asking(**TOOLS))
    heard: list[Event] = []
    async for event in stream:
        heard.append(event)
        if isinstance(event, ContentDelta):
            break
    await stream.aclose()
    assert not any(isinstance(event, ToolCallOpened) for event in heard)


async def test_a_reference_out_of_the_schema_is_not_followed() -> None:
    """A loose schema may name an address; nothing may be fetched from there."""
    schema = {"type": "object", "properties": {"x": {"$ref": "http://127.0.0.1:9/x.json"}}}
    form = {"type": "json_schema", "json_schema": {"name": "p", "schema": schema}}
    body = {"model": "kimi-k2.6", "messages": [{"role": "user", "content": "Go."}], "response_format": form}
    request = resolve(decode_chat_body(json.dumps(body).encode()), MODELS["kimi-k2.6"], "loose")
    events = await hear(Takes(Take('{"x":1}')), request)
    assert isinstance(events[-1], Finished)
