"""Where an answer is in its grammar."""

from __future__ import annotations

from moonbase.contract.grammar import Grammar
from moonbase.engines.llama.place import Place

AUTOMATIC = Grammar("", ("<think>", "</think>", "<call>"), {"": "thinking", "</think>": "answer"})
FORCED = Grammar("", ("<call>",))


def test_free_text_goes_on_as_it_was() -> None:
    place = Place(AUTOMATIC)
    assert place.rule == "begin"
    place.text("hm")
    assert place.rule == "thinking"
    place.mark("</think>")
    assert place.rule == "answer"
    place.text('so "')
    assert place.rule == "answer" and not place.quoted


def test_nothing_says_the_rest_of_a_call() -> None:
    place = Place(AUTOMATIC)
    place.text("hm")
    place.mark("<call>")
    assert place.rule is None
    place.text('{"a')
    assert place.rule is None


def test_strings_are_followed_through_their_escapes() -> None:
    place = Place(FORCED)
    seen: list[bool] = []
    for piece in ('{"', "a", '\\"', "\\", "\\", '"', ":", '"b":"', "x"):
        place.text(piece)
        seen.append(place.quoted)
    assert seen == [True, True, True, True, True, False, False, True, True]
    place.mark("<call>")
    assert not place.quoted


def test_marks_that_are_no_tokens_are_not_followed() -> None:
    place = Place(AUTOMATIC, spelled=True)
    assert place.rule == "begin"
    place.text('hm "')
    assert place.rule is None and not place.quoted
