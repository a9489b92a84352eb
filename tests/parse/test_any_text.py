"""Any text of a model, well formed or not, in any pieces comes to the same answer (contract.md 2.4, 13)."""

from __future__ import annotations

from typing import Any, Literal

from hypothesis import strategies as st

from moonbase.contract.events import Event, Finished, PromptRead
from moonbase.contract.fold import Fold
from moonbase.contract.formats import KIMI, CallMarks, OutputFormat, ThinkMarks
from moonbase.contract.prompts import Opening
from moonbase.parse.pipeline import AnswerParser
from moonbase.parse.tool_calls import CallIds
from tests.effort import attempts, try_out
from tests.parse.test_pipeline import HERMES, split

FORMATS = [
    KIMI,
    HERMES,
    OutputFormat(think=ThinkMarks("[THINK]", "[/THINK]"), calls=CallMarks(syntax="json", open="[TOOL_CALLS]")),
    OutputFormat(think=ThinkMarks("<think>", "</think>")),
    OutputFormat(),
]
MARKS = sorted({mark for output in FORMATS for mark in output.marks()})
PIECES = [
    *[mark[:cut] for mark in MARKS for cut in (1, 3, -1)],
    *["functions.f:0", "functions.f:0 ", "f", ":", "{}", '{"name": "f", "arguments": {"a": [1]}}', '{"name": "g"}'],
    *[
        '[{"name": "f", "arguments": {}}, {"name": "g", "parameters": {}}]',
        '{"a":"',
        "\\u00e9",
        '"}',
        "\n",
        " ",
        "END",
        "EN",
    ],
]
TEXT = st.lists(
    st.sampled_from(MARKS) | st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    max_size=14,
).map("".join)
STOPS = st.sampled_from([(), ("END",), ("E", "END"), ("\n", "<", "f:"), ("<think>",)])
REASONS: list[Literal["stop", "length"]] = ["stop", "length"]
SETTINGS = st.fixed_dictionaries(
    {
        "output": st.sampled_from(FORMATS),
        "opening": st.sampled_from(list(Opening.__args__)),
        "thinking": st.booleans(),
        "stop": STOPS,
        "calls": st.booleans(),
    }
)


def events_of(pieces: list[str], reason: Literal["stop", "length"], settings: dict[str, Any]) -> list[Event]:
    """As an engine would drive the parser: it ends the generation at a stop."""
    parser = AnswerParser(
        settings["output"],
        settings["opening"],
        thinking=settings["thinking"],
        ids=CallIds("name:index", 0),
        stop=settings["stop"],
        calls=settings["calls"],
    )
    events: list[Event] = []
    for piece in pieces:
        events += parser.feed(piece, tokens=1)
        if parser.stopped:
            return events + parser.close("stop", PromptRead(7, 0))
    return events + parser.close(reason, PromptRead(7, 0))


def folded(events: list[Event]) -> object:
    fold = Fold()
    for event in events:
        fold.add(event)
    (end,) = (event for event in events if isinstance(event, Finished))
    return fold.messages(), end.finish_reason


def check_any_pieces(text: str, cuts: list[int], reason: Literal["stop", "length"], settings: dict[str, Any]) -> None:
    whole = folded(events_of([text], reason, settings))
    for pieces in (split(text, cuts), list(text)):
        assert folded(events_of(pieces, reason, settings)) == whole


@attempts(150, 8000)
def test_any_pieces_of_any_text_fold_to_the_same_answer(count: int) -> None:
    try_out(
        check_any_pieces,
        count,
        text=TEXT,
        cuts=st.lists(st.integers(0, 200), max_size=8),
        reason=st.sampled_from(REASONS),
        settings=SETTINGS,
    )
