"""Increments with which there is nothing to do take a shorter way, to the same events and the same counts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from moonbase.contract.events import (
    ContentDelta,
    Event,
    Finished,
    PromptRead,
    ReasoningDelta,
    ReasoningEnded,
    ToolCallOpened,
    Usage,
)
from moonbase.contract.thinking import Thinking
from moonbase.engines.http.choice import MendedChoice
from moonbase.engines.http.dialect import Dialect
from moonbase.engines.http.dialects import LLAMACPP, OPENAI, SGLANG
from tests.engines.http.test_plain_content import request

_PROMPT = PromptRead(3, 0)
_END = Finished("stop", Usage(3))
"""Without counts: they are those of the increments."""
_TEXTS = st.sampled_from([" ", "a", "word ", "<", "<think>", "</think>", "<|tool_calls_section_begin|>", "end", "\n"])
_INCREMENTS = (
    st.builds(ContentDelta, _TEXTS, st.integers(0, 2))
    | st.builds(ReasoningDelta, _TEXTS, st.integers(0, 2))
    | st.just(ReasoningEnded())
    | st.just(ToolCallOpened(0, "x", "f", 1))
)


def take(choice: MendedChoice, event: Event) -> list[Event]:
    """As a reader of an answer does: what follows the end is not heard."""
    return [] if choice.ended else choice.take(event, _PROMPT)


def passed(choice: MendedChoice, event: Event) -> list[Event]:
    short = choice.passed(event) if isinstance(event, ContentDelta | ReasoningDelta) else None
    return take(choice, event) if short is None else [short]


@settings(deadline=None)
@given(
    events=st.lists(_INCREMENTS, max_size=8),
    dialect=st.sampled_from([SGLANG, OPENAI, LLAMACPP]),
    tools=st.booleans(),
    thinks=st.booleans(),
    stop=st.sampled_from([(), ("end",)]),
)
def test_the_same_events(
    events: list[Event], dialect: Dialect, *, tools: bool, thinks: bool, stop: tuple[str, ...]
) -> None:
    asked = replace(request(tools=tools), thinking=Thinking(thinks, False), stop=stop)
    long, short = (MendedChoice(asked, dialect, 0) for _ in range(2))
    for event in [*events, _END]:
        assert passed(short, event) == take(long, event)
    assert (short.inline, short.stopped) == (long.inline, long.stopped)
