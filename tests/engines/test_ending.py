"""Answers that must fit a form end whole, within any budget that the shortest fits (contract.md 1.5, 1.6, 7.2, 7.3).

The model here is a senseless one that keeps to its grammar; `test_ending_llama.py` does the same with llama.cpp.
"""

from __future__ import annotations

import json
import re
from contextlib import aclosing
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest

from moonbase.contract.engine import Engine, TextDelta, TextDone, TextEvent
from moonbase.contract.errors import ApiError, InvalidRequest, Unavailable
from moonbase.contract.events import (
    ArgumentsDelta,
    ContentDelta,
    Event,
    Failed,
    Finished,
    PromptRead,
    ReasoningDelta,
    ReasoningEnded,
)
from moonbase.contract.fold import Fold
from moonbase.contract.formats import KIMI, CallMarks, OutputFormat, ThinkMarks
from moonbase.contract.grammar import Grammar
from moonbase.contract.prompts import Prompt
from moonbase.contract.request import ChatRequest
from moonbase.contract.response import Completion
from moonbase.engines.grammar_walk import open_walk
from moonbase.engines.rendered import RenderedEngine
from moonbase.parse.closing import Walk
from moonbase.prompt import kimi_k2
from tests.engines.senseless import Senseless
from tests.engines.test_rendered import READ, Saying, request
from tests.schemas import Collected, collected

HERMES = OutputFormat(ThinkMarks("<think>", "</think>"), CallMarks("json", "<tool_call>", "</tool_call>"))
TEN: dict[str, Any] = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


class Way(NamedTuple):
    """A way to ask for an answer of a form."""

    name: str
    model: str
    thinking: bool
    forced: bool
    json: bool

    def fields(self, schema: dict[str, Any], most: int) -> dict[str, Any]:
        """The members of a request's body beside the conversation."""
        fields: dict[str, Any] = {"model": self.model, "max_completion_tokens": most}
        if self.json:
            fields["response_format"] = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
        else:
            parameters = {"type": "function", "function": {"name": "save_it", "parameters": schema}}
            other = {"type": "function", "function": {"name": "other", "parameters": TEN}}
            fields |= {"tools": [parameters, other], "tool_choice": "required" if self.forced else "auto"}
        if not self.thinking:
            fields["thinking"] = {"type": "disabled"}
        return fields

    def request(self, schema: dict[str, Any], most: int, **more: Any) -> ChatRequest:
        return request(**self.fields(schema, most), **more)


WAYS = [
    Way("json", "kimi-k2.6", thinking=False, forced=False, json=True),
    Way("json, thinking", "kimi-k2.6", thinking=True, forced=False, json=True),
    Way("json, model opens thinking", "kimi-k2-thinking", thinking=True, forced=False, json=True),
    Way("forced", "kimi-k2.6", thinking=False, forced=True, json=False),
    Way("forced, thinking", "kimi-k3", thinking=True, forced=True, json=False),
    Way("automatic", "kimi-k2.6", thinking=False, forced=False, json=False),
    Way("automatic, thinking", "kimi-k2.6", thinking=True, forced=False, json=False),
]


class Answered(NamedTuple):
    completion: Completion
    events: list[Event]


async def ask(engine: Engine, asked: ChatRequest) -> Answered:
    fold = Fold()
    events: list[Event] = []
    async with aclosing(engine.stream(asked)) as stream:
        async for event in stream:
            events.append(event)
            fold.add(event)
    return Answered(fold.completion(id="a", created=0, model=asked.model), events)


async def least(engine: Engine, way: Way, schema: dict[str, Any]) -> int:
    """Tokens of the shortest answer, as the refusal of a smaller budget says."""
    try:
        await ask(engine, way.request(schema, 1))
    except InvalidRequest as refusal:
        found = re.search(r"max_completion_tokens is 1, .* takes (\d+) tokens", refusal.message)
        if found is None:
            raise
        return int(found.group(1))
    return 1


def check(where: str, way: Way, answered: Answered, most: int) -> None:
    """`RenderedEngine` itself fails an answer that ends by itself and breaks its form; so what is left is to see that
    each ends by itself, and that the counts add up."""
    completion = answered.completion
    message, reason = completion.choices[0].message, completion.choices[0].finish_reason
    assert completion.usage.completion_tokens <= most, where
    told = sum(getattr(event, "tokens", 0) for event in answered.events)
    assert told <= completion.usage.completion_tokens, where
    if way.json:
        assert reason == "stop", where
        json.loads(message.content or "")
    elif way.forced:
        assert reason == "tool_calls", where
    for call in message.tool_calls or ():
        assert isinstance(json.loads(call.function.arguments), dict)
    assert (reason == "tool_calls") == bool(message.tool_calls), where


async def exercise(row: Collected, way: Way, *, seed: int, budgets: list[int]) -> int:
    """How many answers there were; an engine that cannot enforce a schema says so, and none is asked for."""
    random = Random(f"{row.name} {way.name} {seed}")
    output = random.choice([KIMI, HERMES])

    # An engine that cannot say what is a mark cannot write the text of one either.
    marks_are_text = any(mark in json.dumps(row.schema) for mark in output.marks())

    def engine() -> RenderedEngine:
        says_marks = marks_are_text or random.random() < 0.7
        model = Senseless(random.randrange(1 << 30), longest=random.choice([1, 3, 8]), says_marks=says_marks)
        return RenderedEngine(model, kimi_k2.render, output, open_walk=open_walk)

    schema = row.schema if way.json or row.is_object else TEN
    try:
        smallest = await least(engine(), way, schema)
    except ApiError as refusal:
        assert "cannot be enforced" in refusal.message, refusal.message
        return 0
    for more in budgets:
        most = smallest + more
        check(f"{row.name}, {most} tokens", way, await ask(engine(), way.request(schema, most)), most)
    return len(budgets)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_every_form_is_kept_within_small_budgets(way: Way) -> None:
    schemas = collected()[:: len(WAYS)]
    answers = 0
    for seed, row in enumerate(schemas):
        answers += await exercise(row, way, seed=seed, budgets=[0, seed % 20])
    assert answers > len(schemas)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_every_collected_form_is_kept_within_small_budgets(way: Way) -> None:
    answers = sum([await exercise(row, way, seed=1, budgets=[0, 1, 2, 5, 11, 40, 200]) for row in collected()])
    assert answers > 5 * len(collected())


BYTES = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a", "b"]}
"""Its shortest value is `{"a":"","b":0}`."""
JSON = WAYS[0]
PLAIN = {"type": "disabled"}
CONTEXT = 100_000


class Held(Saying):
    """Says what it is told to, as an engine that is held to the grammar would; a byte or a mark is a token."""

    @property
    def constrains(self) -> bool:
        return True

    @property
    def context_length(self) -> int | None:
        return CONTEXT

    async def count(self, prompt: Prompt) -> int:
        return sum(1 if special else len(text.encode()) for text, special in prompt)


def say(text: str) -> list[TextEvent]:
    """A token for each character."""
    return [TextDelta(char, mark=False) for char in text]


async def hear(text: Held, asked: ChatRequest) -> list[Event]:
    engine = RenderedEngine(text, kimi_k2.render, KIMI, open_walk=open_walk)
    async with aclosing(engine.stream(asked)) as events:
        return [event async for event in events]


def content(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, ContentDelta))


def end(events: list[Event]) -> tuple[str, int]:
    last = events[-1]
    assert isinstance(last, Finished), last
    return last.finish_reason, last.usage.completion_tokens


@pytest.mark.parametrize(
    ("most", "whole"),
    [
        (14, '{"a":"","b":0}'),
        (15, '{"a":"o","b":0}'),
        (18, '{"a":"one ","b":0}'),
        (20, '{"a":"one tw","b":0}'),
        (21, '{"a":"one two","b":7}'),
        (22, '{"a":"one two","b":71}'),
        (23, '{"a":"one two","b":712}'),
        (24, '{"a":"one two","b":712}'),
    ],
)
async def test_as_much_is_said_as_leaves_room_for_the_end(most: int, whole: str) -> None:
    text = Held(READ, *say('{"a":"one two","b":712}')[:most], TextDone("stop" if most > 23 else "length"))
    events = await hear(text, JSON.request(BYTES, most))
    assert (content(events), end(events)) == (whole, ("stop", len(whole)))
    assert text.running == 0


async def test_half_a_character_at_the_end_of_the_budget_is_dropped() -> None:
    """Engines hold it back, and say at the end that it was generated."""
    text = Held(READ, *say('{"a":"one'), TextDone("length", 1))
    events = await hear(text, JSON.request(BYTES, 17))
    assert (content(events), end(events)) == ('{"a":"one","b":0}', ("stop", 17))


async def test_an_increment_without_room_is_never_out_and_the_engine_is_stopped() -> None:
    text = Held(READ, *say('{"a":"' + "x" * 1000))
    events = await hear(text, JSON.request(BYTES, 30))
    assert content(events) == '{"a":"' + "x" * 16 + '","b":0}'
    assert (text.running, text.said) == (0, 1 + 6 + 16 + 1)


async def test_a_token_of_many_characters_is_dropped_whole() -> None:
    text = Held(READ, TextDelta('{"a":"', 6, False), TextDelta("long ", 5, False), TextDelta("longer", 6, False))
    events = await hear(text, JSON.request(BYTES, 24))
    assert (content(events), end(events)) == ('{"a":"long ","b":0}', ("stop", 19))


async def test_a_budget_too_small_for_any_answer_is_refused_with_the_number_that_is_not() -> None:
    text = Held(READ, *say('{"a"'))
    (refusal,) = await hear(text, JSON.request(BYTES, 13))
    assert isinstance(refusal, Failed)
    assert isinstance(refusal.error, InvalidRequest)
    assert "max_completion_tokens is 13" in refusal.error.message
    assert "set it to 14 or more" in refusal.error.message
    assert text.running == 0


async def test_a_context_too_small_for_any_answer_ends_it_as_it_is() -> None:
    """The prompt leaves less than the request's budget, which the client cannot have known."""
    read = PromptRead(CONTEXT - 10, 0)
    events = await hear(Held(read, *say('{"a":"xyz'), TextDone("length", 1)), JSON.request(BYTES, 100))
    assert (content(events), end(events)) == ('{"a":"xyz', ("length", 10))


async def test_a_context_that_ends_before_the_budget_is_the_budget() -> None:
    read = PromptRead(CONTEXT - 20, 0)
    events = await hear(Held(read, *say('{"a":"' + "x" * 100)), JSON.request(BYTES, 100))
    assert (content(events), end(events)) == ('{"a":"xxxxxx","b":0}', ("stop", 20))


async def test_a_long_answer_is_only_followed_near_its_end() -> None:
    opened: list[Grammar] = []

    def opening(grammar: Grammar) -> Walk:
        opened.append(grammar)
        return open_walk(grammar)

    async def run(*events: TextEvent) -> list[Event]:
        text = Held(READ, *events)
        text_engine = RenderedEngine(text, kimi_k2.render, KIMI, open_walk=opening)
        async with aclosing(text_engine.stream(JSON.request(BYTES, 6000))) as stream:
            return [event async for event in stream]

    short = await run(*say('{"a":"one","b":1}'), TextDone("stop"))
    assert (content(short), opened) == ('{"a":"one","b":1}', [])
    long = await run(*say('{"a":"' + "x" * 7000))
    assert content(long) == '{"a":"' + "x" * (6000 - 14) + '","b":0}'
    assert len(opened) == 1


LIST = {"type": "object", "properties": {"xs": {"type": "array", "items": {"type": "integer"}}}, "required": ["xs"]}


async def around(asked: ChatRequest, *events: TextEvent) -> list[Event]:
    """What is heard where ten increments may repeat what stood before them."""
    engine = RenderedEngine(Held(READ, *events), kimi_k2.render, KIMI, open_walk=open_walk, circles=10)
    async with aclosing(engine.stream(asked)) as heard:
        return [event async for event in heard]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ('{"xs":[' + "1," * 500, '{"xs":[1,1,1,1,1,1]}'),
        ('{"xs":[4' + "9" * 500, '{"xs":[49999999999]}'),
        ('{"xs":[' + "[7,8]," * 500, None),
        ('{"xs":[1,2,3,4,5,6,7,8,9]}', '{"xs":[1,2,3,4,5,6,7,8,9]}'),
    ],
    ids=["a list", "a number", "outside its grammar", "no circle"],
)
async def test_what_has_a_form_ends_where_it_goes_in_circles(text: str, whole: str | None) -> None:
    events = await around(JSON.request(LIST, 5000), *say(text), TextDone("stop"))
    if whole is None:
        assert isinstance(events[-1], Failed)
    else:
        assert (content(events), end(events)[0]) == (whole, "stop")


async def test_free_text_may_go_in_circles() -> None:
    """Nobody can say that it was not asked to."""
    asked = request(thinking=PLAIN, tools=[{"type": "function", "function": {"name": "f", "parameters": LIST}}])
    events = await around(asked, *say("la " * 100), TextDone("stop"))
    assert (content(events), end(events)[0]) == ("la " * 100, "stop")


CALL = [TextDelta(mark, mark=True) for mark in ("<|tool_calls_section_begin|>", "<|tool_call_begin|>")]


async def test_a_call_that_has_no_room_is_not_begun() -> None:
    """Free text before it is cut off, as at any other budget."""
    tool = {"type": "function", "function": {"name": "save_it", "parameters": BYTES}}
    text = Held(READ, *say("I call. "), *CALL, *say("functions.save_it:0"))
    events = await hear(text, request(tools=[tool], thinking=PLAIN, max_tokens=20))
    assert (content(events), end(events)) == ("I call. ", ("length", 8))


async def test_a_call_that_has_begun_is_ended() -> None:
    tool = {"type": "function", "function": {"name": "save_it", "parameters": BYTES}}
    begun = [*CALL, *say("functions.save_it:0"), TextDelta("<|tool_call_argument_begin|>", mark=True)]
    text = Held(READ, *say("Ok "), *begun, *say('{"a":"' + "x" * 50))
    events = await hear(text, request(tools=[tool], thinking=PLAIN, max_tokens=50))
    arguments = "".join(event.text for event in events if isinstance(event, ArgumentsDelta))
    assert (arguments, end(events)) == ('{"a":"' + "x" * 9 + '","b":0}', ("tool_calls", 50))


async def test_thinking_is_closed_when_only_room_for_the_answer_is_left() -> None:
    text = Held(READ, *say("and so on and on"), TextDelta("</think>", mark=True))
    events = await hear(text, request(response_format={"type": "json_object"}, max_tokens=9))
    reasoning = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    assert (reasoning, content(events), end(events)) == ("and so", "{}", ("stop", 9))
    assert ReasoningEnded(1) in events


async def test_thinking_before_free_text_is_cut_off_as_ever() -> None:
    tool = {"type": "function", "function": {"name": "save_it", "parameters": BYTES}}
    text = Held(READ, *say("and so on"), TextDone("length"))
    events = await hear(text, request(tools=[tool], max_tokens=9))
    assert end(events) == ("length", 9)
    assert not any(isinstance(event, ReasoningEnded) for event in events)


async def test_a_thinking_budget_and_a_form_go_together() -> None:
    thinking = {"type": "enabled", "budget_tokens": 4}
    text = Held(READ, *say("abcdefgh"))
    events = await hear(text, request(response_format={"type": "json_object"}, max_tokens=40, thinking=thinking))
    first, second = text.requests
    assert first.grammar and second.grammar
    assert "begin: thinking" in first.grammar.rules
    assert "begin: answer" in second.grammar.rules
    # This double says the same text again, which is no JSON: what follows no grammar is left to the check of answers.
    assert isinstance(events[-1], Failed)


async def test_a_stop_sequence_ends_content_of_any_form() -> None:
    """contract.md 1.1: it applies to content, and what is behind it is not output."""
    text = Held(READ, *say('{"a":"one END two","b":1}'), TextDone("stop"))
    events = await hear(text, JSON.request(BYTES, 1000, stop="END"))
    assert (content(events), end(events)[0]) == ('{"a":"one ', "stop")


async def test_each_choice_ends_within_the_budget() -> None:
    asked = request("kimi-k2-thinking", response_format={"type": "json_object"}, max_tokens=9, n=3)
    events = await hear(Held(READ, *say('{"key":"value value')), asked)
    ends = [event for event in events if isinstance(event, Finished)]
    assert [(each.choice, each.finish_reason, each.usage.completion_tokens) for each in ends] == [
        (choice, "stop", 9) for choice in range(3)
    ]
    assert content(events) == '{"key":0}' * 3


async def test_an_engine_that_just_ends_is_a_failure() -> None:
    (*_, last) = await hear(Held(READ, *say('{"a"')), JSON.request(BYTES, 1000))
    assert isinstance(last, Failed)


async def test_a_failure_passes_through() -> None:
    failed = Failed(Unavailable("the worker died"), "server_interrupted")
    assert (await hear(Held(READ, *say('{"a"'), failed), JSON.request(BYTES, 1000)))[-1] == failed


class Dying(Held):
    async def count(self, prompt: Prompt) -> int:
        raise Unavailable("the worker died")


async def test_an_engine_that_cannot_count_is_a_failure() -> None:
    (*_, last) = await hear(Dying(READ, *say('{"a":"' + "x" * 100)), JSON.request(BYTES, 10))
    assert isinstance(last, Failed)
    assert (last.error.message, last.finish_reason) == ("the worker died", "server_interrupted")


async def test_a_mark_that_the_model_spells_is_finished() -> None:
    """A model without a token for the mark writes it letter by letter, and the engine cannot say what is a mark."""
    tool = {"type": "function", "function": {"name": "save_it", "parameters": BYTES}}
    asked = request(tools=[tool], tool_choice="required", thinking=PLAIN, max_tokens=70)
    shortest = '<tool_call>{"name":"save_it","arguments":{"a": "", "b": 0}}</tool_call>'
    for cut in range(len(shortest)):
        text = Spelling(READ, *[TextDelta(char) for char in shortest[:cut]], TextDelta(shortest[cut], 99))
        engine = RenderedEngine(text, kimi_k2.render, HERMES, open_walk=open_walk)
        async with aclosing(engine.stream(msgspec.structs.replace(asked, max_tokens=len(shortest)))) as events:
            heard = [event async for event in events]
        arguments = "".join(event.text for event in heard if isinstance(event, ArgumentsDelta))
        assert (arguments, end(heard)) == ('{"a":"","b":0}', ("tool_calls", len(shortest))), cut


class Spelling(Held):
    async def count(self, prompt: Prompt) -> int:
        return sum(len(text.encode()) for text, _ in prompt)


async def test_text_outside_its_grammar_is_left_to_the_check_of_answers() -> None:
    text = Held(READ, *say("no JSON at all"), TextDone("stop"))
    (*events, last) = await hear(text, JSON.request(BYTES, 40))
    assert content(events) == "no JSON at all"
    assert isinstance(last, Failed)


async def test_where_no_end_is_found_the_answer_goes_on() -> None:
    """A pattern that the search cannot see through: with each letter all others are still allowed."""
    schema = {"type": "string", "pattern": "^.*[k][m][q][w][e][r][t]$"}
    text = Held(READ, *say('"some text kmqwert"'), TextDone("stop"))
    events = await hear(text, JSON.request(schema, 300))
    assert (content(events), end(events)) == ('"some text kmqwert"', ("stop", 19))


async def test_leaving_stops_the_engine() -> None:
    text = Held(READ, *say('{"a":"xxxxxxxx'))
    engine = RenderedEngine(text, kimi_k2.render, KIMI, open_walk=open_walk)
    events = engine.stream(JSON.request(BYTES, 1000))
    while not isinstance(await anext(events), ContentDelta):
        pass
    assert text.running == 1
    await events.aclose()
    assert text.running == 0
