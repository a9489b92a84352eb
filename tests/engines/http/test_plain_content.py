"""Content that no mark can begin in passes without being parsed: what comes out is what a parser would have given."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from moonbase.contract.cards import CARDS
from moonbase.contract.events import ArgumentsDelta, ContentDelta, Event, Finished, PromptRead, ReasoningDelta, Usage
from moonbase.contract.messages import Message
from moonbase.contract.request import ChatRequest, Sampling
from moonbase.contract.thinking import Thinking
from moonbase.contract.tools import Function, Tool
from moonbase.engines.http.choice import MendedChoice
from moonbase.engines.http.dialect import Dialect
from moonbase.engines.http.dialects import LLAMACPP, OPENAI, SGLANG
from moonbase.parse.pipeline import AnswerParser
from moonbase.parse.tool_calls import CallIds

_SECTION = "<|tool_calls_section_begin|>"
_CALL = (
    '<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{"a": 1}<|tool_call_end|><|tool_calls_section_end|>'
)
_PIECES = [" ", "\n", "a", "word ", "<", "1 < 2", "<think>", "</think>", "<|tool", _SECTION, _CALL, _SECTION + _CALL]
PROMPT = PromptRead(3, 0)
END = Finished("stop", Usage(3, 9, 0, 0))


def request(*, tools: bool) -> ChatRequest:
    return ChatRequest(
        model=CARDS[0].id,
        card=CARDS[0],
        messages=(Message("user", "hi"),),
        tools=(Tool(Function("f")),) if tools else (),
        tool_choice="auto",
        thinking=Thinking(True, False),
        sampling=Sampling(),
        max_tokens=100,
    )


def mended(asked: ChatRequest, dialect: Dialect, pieces: list[str]) -> list[Event]:
    choice = MendedChoice(asked, dialect, 0)
    events = [event for piece in pieces for event in choice.take(ContentDelta(piece, 1), PROMPT)]
    return [*events, *choice.take(END, PROMPT)]


def parsed(asked: ChatRequest, dialect: Dialect, pieces: list[str]) -> list[Event]:
    """The same, with every piece given to a parser; one that begins with the end of reasoning begins inside it."""
    marks = replace(dialect.text, calls=dialect.text.calls if asked.declared else None)
    before, end_mark, _ = "".join(pieces[:1]).partition("</think>")
    opening = "thinking" if end_mark and "<think>" not in before else "start"
    parser = AnswerParser(marks, opening, thinking=True, ids=CallIds(asked.card.call_id_form, 0))
    events = [event for piece in pieces for event in parser.feed(piece, tokens=1)]
    *rest, end = parser.close("stop", PROMPT)
    assert isinstance(end, Finished)
    return [*events, *rest, replace(END, finish_reason=end.finish_reason)]


def said(events: list[Event]) -> list[tuple[str, str]]:
    """Kinds of event in their order, with their text; tokens apart."""
    told: list[tuple[str, str]] = []
    for event in events:
        text = event.text if isinstance(event, ContentDelta | ReasoningDelta | ArgumentsDelta) else ""
        if isinstance(event, Finished):
            text = event.finish_reason
        if told and text and told[-1][0] == type(event).__name__:
            told[-1] = (told[-1][0], told[-1][1] + text)
        else:
            told.append((type(event).__name__, text))
    return told


@settings(deadline=None)
@given(pieces=st.lists(st.sampled_from(_PIECES), max_size=8), dialect=st.sampled_from([SGLANG, OPENAI]))
@example(pieces=["a", " <", "|tool_calls_section_begin|>" + _CALL], dialect=SGLANG)
@example(pieces=["a", " <think>"], dialect=SGLANG)
def test_with_calls(pieces: list[str], dialect: Dialect) -> None:
    asked = request(tools=True)
    assert said(mended(asked, dialect, pieces)) == said(parsed(asked, dialect, pieces))


@settings(deadline=None)
@given(pieces=st.lists(st.sampled_from(_PIECES), max_size=8))
def test_reasoning_at_the_beginning(pieces: list[str]) -> None:
    """Without calls a mark means something at the beginning alone; from there on the content is as it came."""
    asked = request(tools=False)
    opened = ["<think>", "thought", "</think>", *pieces]
    assert said(mended(asked, LLAMACPP, opened)) == said(parsed(asked, LLAMACPP, opened))
    plain = ["Hello", *pieces]
    told = mended(asked, LLAMACPP, plain)
    assert [event.text for event in told if isinstance(event, ContentDelta)] == plain
