"""`thinking.budget_tokens`, an extension: the reasoning is closed after so many tokens, at any text engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from moonbase.contract.engine import TextDelta, TextDone, TextEvent, TextRequest
from moonbase.contract.errors import Unavailable
from moonbase.contract.events import (
    ContentDelta,
    Event,
    Failed,
    Finished,
    PromptRead,
    ReasoningDelta,
    ReasoningEnded,
    Usage,
)
from moonbase.contract.prompts import Piece
from moonbase.prompt import kimi_k2
from tests.engines.test_rendered import READ, Saying, answer, request

THINKING = (TextDelta("one", 2), TextDelta(" two", 2), TextDelta(" three", 2))
ANSWER = (TextDelta("</think>"), TextDelta("Hi"), TextDone("stop", 1))


class InTurn(Saying):
    """Yields one list of events a request."""

    def __init__(self, *turns: tuple[TextEvent, ...]) -> None:
        super().__init__()
        self._turns = iter(turns)

    async def generate(self, request: TextRequest) -> AsyncGenerator[TextEvent, None]:
        self.events = next(self._turns)
        async with aclosing(super().generate(request)) as events:
            async for event in events:
                yield event


def budget(tokens: int, model: str = "kimi-k2.6", **fields: Any) -> Any:
    return request(model, thinking={"type": "enabled", "budget_tokens": tokens}, **fields)


def whole(events: list[Event]) -> tuple[str, str]:
    reasoning = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    return reasoning, "".join(event.text for event in events if isinstance(event, ContentDelta))


async def test_reasoning_is_closed_and_the_answer_begins() -> None:
    text = InTurn((READ, *THINKING, *ANSWER), (PromptRead(99, 98), TextDelta("So", 3), TextDone("stop", 1)))
    asked = budget(5, max_tokens=50)
    assert await answer(text, asked) == [
        READ,
        ReasoningDelta("one", 2),
        ReasoningDelta(" two", 2),
        ReasoningEnded(1),
        ContentDelta("So", 3),
        Finished("stop", Usage(7, 9, 4, 2)),
    ]
    first, second = text.requests
    written = (Piece("one", False), Piece(" two", False), Piece("</think>", True))
    assert second.prompt == (*first.prompt, *written)
    assert (first.max_tokens, second.max_tokens) == (50, 45)
    assert text.running == 0


@pytest.mark.parametrize("model", ["kimi-k2.6", "kimi-k2.7-code", "kimi-k2.5", "kimi-k2-thinking", "kimi-k3"])
async def test_every_thinking_model_has_it(model: str) -> None:
    opened = (TextDelta("<think>"),) if model == "kimi-k2-thinking" else ()
    text = InTurn((READ, *opened, *THINKING, *ANSWER), (READ, TextDelta("So"), TextDone("stop")))
    events = await answer(text, budget(2, model))
    assert whole(events) == ("one", "So")
    assert isinstance(events[-1], Finished)
    assert events[-1].usage.reasoning_tokens == 2
    assert [piece.text for piece in text.requests[1].prompt][-2:] == ["one", "</think>"]


async def test_none_at_all() -> None:
    text = InTurn((READ, *THINKING, *ANSWER), (READ, TextDelta("So"), TextDone("stop")))
    events = await answer(text, budget(0))
    assert events == [READ, ReasoningEnded(1), ContentDelta("So", 1), Finished("stop", Usage(7, 2, 0, 2))]


@pytest.mark.parametrize("tokens", [6, 1000])
async def test_reasoning_that_ends_in_time_is_left_alone(tokens: int) -> None:
    text = Saying(READ, *THINKING, *ANSWER)
    assert whole(await answer(text, budget(tokens))) == ("one two three", "Hi")
    assert len(text.requests) == 1


async def test_a_model_that_answers_at_once_is_left_alone() -> None:
    """kimi-k2-thinking opens its reasoning itself, or does not."""
    text = Saying(READ, TextDelta("Hello", 5), TextDelta(" there", 5), TextDone("stop"))
    assert whole(await answer(text, budget(3, "kimi-k2-thinking"))) == ("", "Hello there")


async def test_marks_are_found_in_text_where_the_engine_cannot_say() -> None:
    text = Saying(READ, TextDelta("hm", 2), TextDelta("</think>long answer", 9), TextDelta(" x", 9), TextDone("stop"))
    assert whole(await answer(text, budget(2))) == ("hm", "long answer x")


async def test_each_choice_has_its_own() -> None:
    turns = [(READ, TextDelta("<think>"), *THINKING, *ANSWER), (READ, TextDelta("So"), TextDone("stop"))]
    events = await answer(InTurn(*turns, *turns), budget(4, "kimi-k2-thinking", n=2))
    ends = [event.usage for event in events if isinstance(event, Finished)]
    assert ends == [Usage(7, 7, 4, 2)] * 2
    assert sum(isinstance(event, PromptRead) for event in events) == 1


@pytest.mark.parametrize("most", [4, 5])
async def test_a_budget_of_the_whole_that_ends_there_is_a_length(most: int) -> None:
    text = InTurn((READ, *THINKING, *ANSWER))
    (*_, last) = await answer(text, budget(4, max_tokens=most))
    assert isinstance(last, Finished)
    assert (last.finish_reason, last.usage.completion_tokens) == ("length", most)


async def test_a_failure_of_the_second_part_is_the_answers() -> None:
    failed = Failed(Unavailable("the worker died"), "server_interrupted")
    text = InTurn((READ, *THINKING, *ANSWER), (failed,))
    assert (await answer(text, budget(2)))[-1] == failed


async def test_thinking_that_is_off_has_nothing_to_close() -> None:
    text = Saying(READ, TextDelta("a long answer", 9), TextDone("stop"))
    asked = request(thinking={"type": "disabled"})
    assert kimi_k2.render(asked).opening == "answer"
    assert whole(await answer(text, asked)) == ("", "a long answer")
