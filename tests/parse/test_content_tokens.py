"""Content with the tokens that it is made of (contract.md 2.5), also where it is held back, cut or stopped."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonbase.contract.events import ContentDelta, Event, Finished, PromptRead, ToolCallOpened
from moonbase.contract.formats import KIMI, CallMarks, OutputFormat, ThinkMarks
from moonbase.contract.logprobs import TokenLogprob
from moonbase.contract.prompts import Opening
from moonbase.parse.pipeline import AnswerParser
from moonbase.parse.tool_calls import CallIds

assert KIMI.calls is not None
SECTION, SECTION_END, CALL, ARGUMENTS, CALL_END = KIMI.calls.all()
HERMES = OutputFormat(
    think=ThinkMarks("<think>", "</think>"),
    calls=CallMarks(syntax="json", open="<tool_call>", close="</tool_call>"),
)
PROMPT = PromptRead(1, 0)


def parser(
    output: OutputFormat = KIMI,
    opening: Opening = "answer",
    *,
    stop: tuple[str, ...] = (),
    logprobs: bool = True,
    thinking: bool = True,
) -> AnswerParser:
    ids = CallIds("name:index", 0)
    return AnswerParser(output, opening, thinking=thinking, ids=ids, stop=stop, logprobs=logprobs)


def run(subject: AnswerParser, tokens: list[str], *, marks: frozenset[str] | None = None) -> list[Event]:
    """Feed tokens; each one's id is its place, its log probability minus that. `marks`: those that are marks."""
    events: list[Event] = []
    for place, token in enumerate(tokens):
        logprob = TokenLogprob(token, -float(place), tuple(token.encode()))
        mark = token in marks if marks is not None else None
        events += subject.feed(token, tokens=1, mark=mark, token_ids=(place,), logprobs=(logprob,))
        if subject.stopped:
            break
    return events + subject.close("stop", PROMPT, tokens=1, token_ids=(len(tokens),))


def listed(events: list[Event]) -> list[list[tuple[str, int]]]:
    """The tokens that each delta of content lists, by text and place; they must join to the delta's text."""
    lists: list[list[tuple[str, int]]] = []
    for event in events:
        if isinstance(event, ContentDelta):
            assert "".join(entry.token for entry in event.logprobs) == event.text
            assert all(bytes(entry.bytes) == entry.token.encode() for entry in event.logprobs)
            lists.append([(entry.token, -int(entry.logprob)) for entry in event.logprobs])
    return lists


def content(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, ContentDelta))


def test_tokens_leave_as_they_come() -> None:
    assert listed(run(parser(), ["So", " it", " is"])) == [[("So", 0)], [(" it", 1)], [(" is", 2)]]


def test_only_content_is_listed() -> None:
    tokens = ["hm", "</think>", "So", SECTION, CALL, "functions.f:0", ARGUMENTS, "{}", CALL_END, SECTION_END]
    events = run(parser(opening="thinking"), tokens, marks=frozenset(KIMI.marks()))
    assert listed(events) == [[("So", 2)]]


def test_what_a_stop_withholds_is_not_listed() -> None:
    """contract.md 1.1: the matched word is not output."""
    assert listed(run(parser(stop=("END",)), ["one ", "E", "ND", " two"])) == [[("one ", 0)]]


def test_what_only_began_like_a_stop_is_listed_when_it_leaves() -> None:
    assert listed(run(parser(stop=("END",)), ["one ", "E", "N", "d"])) == [
        [("one ", 0)],
        [("E", 1), ("N", 2), ("d", 3)],
    ]


def test_a_token_with_a_stop_inside_is_listed_with_what_stands_before_it() -> None:
    assert listed(run(parser(stop=("END",)), ["one", " xE", "ND"])) == [[("one", 0)], [(" x", 1)]]


def test_a_token_leaves_whole_or_not_at_all() -> None:
    """A part of it could leave before; its log probability would then stand at half a token."""
    subject = parser(stop=("END",))
    logprob = TokenLogprob("xE", -1.0, tuple(b"xE"))
    assert subject.feed("xE", tokens=1, logprobs=(logprob,)) == []
    (event,) = subject.feed("l", tokens=1, logprobs=(TokenLogprob("l", -2.0, tuple(b"l")),))
    assert isinstance(event, ContentDelta)
    assert (event.text, event.tokens, [entry.token for entry in event.logprobs]) == ("xEl", 2, ["xE", "l"])


def test_a_token_with_a_mark_inside() -> None:
    """An engine that does not know its marks may cut its tokens anywhere."""
    assert listed(run(parser(opening="thinking"), ["hm</think>So", " it"])) == [[("So", 0)], [(" it", 1)]]
    events = run(parser(), ["So" + SECTION + CALL, "f" + ARGUMENTS + "{}", CALL_END])
    assert listed(events) == [[("So", 0)]]
    kinds = [type(event) for event in events]
    assert kinds.index(ContentDelta) < kinds.index(ToolCallOpened)


def test_blank_space_of_the_format_is_no_content() -> None:
    assert listed(run(parser(HERMES, "thinking"), ["a", "\n</think>", "\n", "\nSo", " it"])) == [
        [("So", 3)],
        [(" it", 4)],
    ]


def test_space_before_an_answer_that_may_yet_think() -> None:
    assert listed(run(parser(KIMI, "start"), [" ", " ", "So"])) == [[(" ", 0), (" ", 1), ("So", 2)]]
    assert listed(run(parser(KIMI, "start"), [" ", "<think>", "x", "</think>", "So"])) == [[("So", 4)]]


def test_several_tokens_may_come_at_once() -> None:
    subject = parser(stop=("END",))
    entries = tuple(TokenLogprob(text, 0.0, tuple(text.encode())) for text in ("a", "b", "E"))
    events = [*subject.feed("abE", tokens=3, logprobs=entries), *subject.close("stop", PROMPT)]
    assert listed(events) == [[("a", 0), ("b", 0)], [("E", 0)]]


def test_text_without_logprobs_is_content_all_the_same() -> None:
    subject = parser(stop=("END",))
    events = [*subject.feed("ab", tokens=1), *subject.feed("E", tokens=1), *subject.close("stop", PROMPT)]
    assert content(events) == "abE"


PLAIN = ("a", "be", " ", "\n", "E", "EN", "END", "é🌙", "<", "</think>", "<think>", "</thi", "nk>")
CALLS = (SECTION, CALL, "functions.f:0", ARGUMENTS, "{}", CALL_END, SECTION_END)
HERMES_CALLS = ("<tool_call>", '{"name":"f","arguments":{}}', "</tool_call>")
WORDS = st.sampled_from([*PLAIN, *PLAIN, *CALLS, *HERMES_CALLS])
TOKENS = st.lists(st.lists(WORDS, min_size=1, max_size=3).map("".join), max_size=12)
OPENINGS: list[Opening] = ["start", "thinking", "answer"]


@pytest.mark.parametrize("output", [KIMI, HERMES], ids=["kimi", "hermes"])
@given(
    tokens=TOKENS,
    opening=st.sampled_from(OPENINGS),
    thinking=st.booleans(),
    stop=st.sampled_from([(), ("END",), ("E", "é")]),
)
@settings(max_examples=200, deadline=None)
def test_any_tokens_are_listed_once_and_change_nothing(
    output: OutputFormat, tokens: list[str], opening: Opening, thinking: bool, stop: tuple[str, ...]
) -> None:
    """The answer is that of a request that asks for none; each delta's tokens join to it; places only rise."""
    plain = run(parser(output, opening, stop=stop, thinking=thinking, logprobs=False), tokens)
    events = run(parser(output, opening, stop=stop, thinking=thinking), tokens)
    assert content(events) == content(plain)
    assert [type(event) for event in events if not isinstance(event, ContentDelta)] == [
        type(event) for event in plain if not isinstance(event, ContentDelta)
    ]
    places = [place for tokens in listed(events) for _, place in tokens]
    assert places == sorted(places)
    assert len(places) == len(set(places))


@given(tokens=TOKENS, logprobs=st.booleans(), reason=st.sampled_from(["stop", "length"]))
@settings(max_examples=200, deadline=None)
def test_every_id_is_on_one_event_in_order(
    tokens: list[str], logprobs: bool, reason: Literal["stop", "length"]
) -> None:
    """contract.md 2.5: also ids of marks, of text that is dropped, and of the end."""
    for output in (KIMI, HERMES):
        subject = parser(output, "start", logprobs=logprobs)
        events: list[Event] = []
        for place, token in enumerate(tokens):
            events += subject.feed(token, tokens=1, token_ids=(place,))
        events += subject.close(reason, PROMPT, tokens=1, token_ids=(len(tokens),))
        carried = [
            id for event in events if not isinstance(event, PromptRead) for id in getattr(event, "token_ids", ())
        ]
        assert carried == list(range(len(tokens) + 1))
        end = events[-1]
        assert isinstance(end, Finished)
        assert sum(getattr(event, "tokens", 0) for event in events) <= end.usage.completion_tokens == len(tokens) + 1
