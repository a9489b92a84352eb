"""A chat engine made of a text engine (design.md, decision 4), over a text engine that says what it is told to."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from moonbase.contract.cards import CARDS
from moonbase.contract.engine import Engine, TextDelta, TextDone, TextEvent, TextRequest
from moonbase.contract.errors import InvalidRequest, Unavailable, UnexpectedOutput
from moonbase.contract.events import (
    ContentDelta,
    Event,
    Failed,
    Finished,
    PromptRead,
    ReasoningDelta,
    ReasoningEnded,
    ToolCallOpened,
    Usage,
)
from moonbase.contract.formats import KIMI
from moonbase.contract.logprobs import TokenLogprob
from moonbase.contract.prompts import Prompt, Rendered
from moonbase.contract.request import ChatRequest, decode_chat_body, resolve
from moonbase.engines.rendered import RenderedEngine
from moonbase.prompt import kimi_k2

MODELS = {card.id: card for card in CARDS}
READ = PromptRead(7, 2)


class Saying:
    """A text engine that yields `events` to every request; it knows how often it was closed early."""

    def __init__(self, *events: TextEvent) -> None:
        self.events = events
        self.requests: list[TextRequest] = []
        self.said = 0
        self.running = 0

    gives_logprobs = True

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def generate(self, request: TextRequest) -> AsyncGenerator[TextEvent, None]:
        self.requests.append(request)
        self.running += 1
        try:
            for event in self.events:
                self.said += 1
                yield event
        finally:
            self.running -= 1

    async def count(self, prompt: Prompt) -> int:
        return len(prompt)

    @property
    def context_length(self) -> int | None:
        return 4096

    @property
    def constrains(self) -> bool:
        return False


def request(model: str = "kimi-k2.6", **fields: Any) -> ChatRequest:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **fields}
    return resolve(decode_chat_body(json.dumps(body).encode()), MODELS[model])


async def answer(text: Saying, asked: ChatRequest) -> list[Event]:
    engine: Engine = RenderedEngine(text, kimi_k2.render, KIMI)
    async with aclosing(engine.stream(asked)) as events:
        return [event async for event in events]


async def test_text_becomes_an_answer() -> None:
    text = Saying(
        READ,
        TextDelta("hm", 2, mark=False),
        TextDelta("</think>", 1, mark=True),
        TextDelta("Hi", 1, mark=False),
        TextDone("stop", 1),
    )
    assert await answer(text, request()) == [
        READ,
        ReasoningDelta("hm", 2),
        ReasoningEnded(1),
        ContentDelta("Hi", 1),
        Finished("stop", Usage(7, 5, 2, 2)),
    ]


async def test_the_text_engine_gets_the_rendered_prompt_and_the_marks() -> None:
    text = Saying(READ, TextDone("stop"))
    asked = request(max_tokens=9)
    await answer(text, asked)
    assert text.requests == [
        TextRequest(kimi_k2.render(asked).prompt, asked.sampling, max_tokens=9, marks=KIMI.marks())
    ]


async def test_a_call_of_a_model_that_has_no_tools_is_not_heard() -> None:
    text = Saying(
        READ,
        TextDelta("</think>a"),
        TextDelta("<|tool_calls_section_begin|><|tool_call_begin|>functions.g:0<|tool_call_argument_begin|>{}"),
        TextDone("stop"),
    )
    events = await answer(text, request())
    assert not [event for event in events if isinstance(event, ToolCallOpened)]
    assert isinstance(events[-1], Finished) and events[-1].finish_reason == "stop"


async def test_ids_count_on_from_the_conversation() -> None:
    """contract.md 2.3."""
    calls = [{"id": "x", "function": {"name": "f", "arguments": "{}"}}]
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "", "reasoning_content": "", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "x", "content": "1"},
    ]
    text = Saying(READ, TextDelta("<|tool_calls_section_begin|><|tool_call_begin|>functions.g:0"), TextDone("stop"))
    text.events = (*text.events[:-1], TextDelta("<|tool_call_argument_begin|>{}<|tool_call_end|>"), text.events[-1])
    tools = [{"type": "function", "function": {"name": "g"}}]
    events = await answer(text, request(messages=messages, tools=tools))
    assert [event.id for event in events if isinstance(event, ToolCallOpened)] == ["g:1"]


async def test_a_stop_closes_the_generator() -> None:
    """contract.md 1.1, and the engine's own contract: closing stops the generation."""
    text = Saying(READ, TextDelta("one EN"), TextDelta("D two"), TextDelta("never read"), TextDone("stop"))
    events = await answer(text, request(stop="END", thinking={"type": "disabled"}))
    assert [event.text for event in events if isinstance(event, ContentDelta)] == ["one "]
    assert events[-1] == Finished("stop", Usage(7, 2, 0, 2))
    assert (text.said, text.running) == (3, 0)


async def test_leaving_closes_the_generator() -> None:
    text = Saying(READ, TextDelta("a"), TextDelta("b"), TextDone("stop"))
    engine = RenderedEngine(text, kimi_k2.render, KIMI)
    events = engine.stream(request())
    assert await anext(events) == READ
    assert isinstance(await anext(events), ReasoningDelta)
    assert text.running == 1
    await events.aclose()
    assert (text.said, text.running) == (2, 0)


async def test_a_failure_passes_through_and_is_last() -> None:
    failed = Failed(Unavailable("the worker died"), "server_interrupted")
    text = Saying(READ, TextDelta("half"), failed, TextDelta("never read"))
    events = await answer(text, request())
    assert events == [READ, ReasoningDelta("half", 1), failed]
    assert text.running == 0


async def test_text_that_just_ends_is_a_failure() -> None:
    (*_, last) = await answer(Saying(READ, TextDelta("half")), request())
    assert isinstance(last, Failed)
    assert isinstance(last.error, UnexpectedOutput)


async def test_a_prompt_that_cannot_be_rendered_is_a_failure() -> None:
    error = InvalidRequest("the template refuses")

    def refuse(_: ChatRequest) -> Rendered:
        raise error

    text = Saying(READ, TextDone("stop"))
    assert [event async for event in RenderedEngine(text, refuse, KIMI).stream(request())] == [Failed(error)]
    assert text.requests == []


async def test_several_choices_share_one_prompt() -> None:
    """contract.md 1.2: n up to 5 on k2-thinking."""
    text = Saying(READ, TextDelta("<think>"), TextDelta("r"), TextDelta("</think>"), TextDelta("c"), TextDone("length"))
    events = await answer(text, request("kimi-k2-thinking", n=3, seed=5))
    assert [event for event in events if isinstance(event, PromptRead)] == [READ]
    assert [event.choice for event in events if isinstance(event, Finished)] == [0, 1, 2]
    assert [event.choice for event in events if isinstance(event, ContentDelta)] == [0, 1, 2]
    # The same seed would give the same answer three times.
    assert [asked.sampling.seed for asked in text.requests] == [5, 6, 7]


async def test_a_failure_in_one_choice_ends_them_all() -> None:
    text = Saying(READ, Failed(Unavailable("gone")))
    events = await answer(text, request("kimi-k2-thinking", n=3))
    assert len(text.requests) == 1
    assert [type(event) for event in events] == [PromptRead, Failed]


async def test_count_and_context_are_the_text_engines() -> None:
    text = Saying()
    engine = RenderedEngine(text, kimi_k2.render, KIMI)
    assert engine.context_length == 4096
    assert await engine.count(request()) == len(kimi_k2.render(request()).prompt)


@pytest.mark.parametrize("reason", ["stop", "length"])
async def test_the_reason_is_the_engines(reason: str) -> None:
    done = msgspec.convert({"reason": reason}, TextDone)
    (*_, last) = await answer(Saying(READ, TextDelta("x"), done), request(thinking={"type": "disabled"}))
    assert isinstance(last, Finished)
    assert last.finish_reason == reason


def test_it_cannot_see() -> None:
    """A text engine gets text alone."""
    engine: Engine = RenderedEngine(Saying(), kimi_k2.render, KIMI)
    assert engine.sees == frozenset()


async def test_details_are_asked_for_and_passed_on() -> None:
    """contract.md 2.5: ids of every token, log probabilities of the content."""
    logprob = TokenLogprob("Hi", -0.5, (72, 105))
    text = Saying(
        READ,
        TextDelta("hm", 2, mark=False, token_ids=(1, 2)),
        TextDelta("</think>", 1, mark=True, token_ids=(3,)),
        TextDelta("Hi", 1, mark=False, token_ids=(4,), logprobs=(logprob,)),
        TextDone("stop", 1, (5,)),
    )
    options: dict[str, Any] = {"stream": True, "stream_options": {"include_internal_content": True}}
    assert await answer(text, request(logprobs=True, top_logprobs=2, **options)) == [
        READ,
        ReasoningDelta("hm", 2, token_ids=(1, 2)),
        ReasoningEnded(1, token_ids=(3,)),
        ContentDelta("Hi", 1, token_ids=(4,), logprobs=(logprob,)),
        Finished("stop", Usage(7, 5, 2, 2), token_ids=(5,)),
    ]
    assert (text.requests[0].token_ids, text.requests[0].logprobs) == (True, 2)
    assert RenderedEngine(text, kimi_k2.render, KIMI).gives_logprobs
