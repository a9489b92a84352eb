"""Random answers as event streams that obey the order of `contract.events`, for the tests of chunks and of the fold."""

from __future__ import annotations

from hypothesis import strategies as st

from moonbase.contract.events import (
    ArgumentsDelta,
    ContentDelta,
    Event,
    Finished,
    FinishReason,
    PromptRead,
    ReasoningDelta,
    ReasoningEnded,
    ToolCallOpened,
    Usage,
)
from moonbase.contract.logprobs import TokenLogprob

IDS = st.lists(st.integers(0, 2**31), max_size=3).map(tuple)
TEXTS = st.lists(st.text(min_size=1, max_size=6), max_size=4)
COUNTS = st.integers(0, 9)
REASONS: list[FinishReason] = ["stop", "length", "tool_calls"]


@st.composite
def one_choice(draw: st.DrawFn, choice: int, prompt: PromptRead) -> list[Event]:
    events: list[Event] = []
    if reasoning := draw(TEXTS):
        events += [ReasoningDelta(text, draw(COUNTS), choice, draw(IDS)) for text in reasoning]
        events.append(ReasoningEnded(draw(COUNTS), choice, 0, draw(IDS)))
    listed = draw(st.booleans())
    for text in draw(TEXTS):
        logprobs = tuple(TokenLogprob(letter, -0.5, tuple(letter.encode())) for letter in text) if listed else ()
        events.append(ContentDelta(text, draw(COUNTS), choice, draw(IDS), logprobs))
    for index, arguments in enumerate(draw(st.lists(TEXTS, max_size=3))):
        name = draw(st.sampled_from(["f", "naïve", 'quo"te']))
        events.append(ToolCallOpened(index, f"f:{index}", name, 1, choice, draw(IDS)))
        events += [ArgumentsDelta(index, text, draw(COUNTS), choice, draw(IDS)) for text in arguments]
    completion = draw(COUNTS)
    usage = Usage(prompt.prompt_tokens, completion, draw(st.integers(0, completion)), prompt.cached_tokens)
    return [*events, Finished(draw(st.sampled_from(REASONS)), usage, choice, draw(IDS))]


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """One `PromptRead`, then one to three choices, interleaved at random."""
    tokens = draw(COUNTS)
    prompt = PromptRead(tokens, draw(st.integers(0, tokens)))
    waiting = [draw(one_choice(choice, prompt)) for choice in range(draw(st.integers(1, 3)))]
    events: list[Event] = [prompt]
    while waiting:
        chosen = draw(st.sampled_from(waiting))
        events.append(chosen.pop(0))
        if not chosen:
            waiting.remove(chosen)
    return events
