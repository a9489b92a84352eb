"""The shortest end of a text, against every text of small languages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonbase.parse.closing import FIRST_MARK, THOROUGH, Steps, Walk, shortest_closing
from moonbase.parse.json_place import Place

CALL, END = FIRST_MARK, FIRST_MARK + 1


class Texts:
    """A language that is a list of texts, from `before` on: the `Walk` that needs no grammar."""

    def __init__(self, texts: Sequence[Steps], before: Steps = ()) -> None:
        self._texts = [text[len(before) :] for text in texts if text[: len(before)] == before]
        self._ahead: Steps = ()

    def _ways(self) -> list[Steps]:
        size = len(self._ahead)
        return [text[size:] for text in self._texts if text[:size] == self._ahead]

    def look(self, ahead: Steps) -> bool:
        self._ahead = ahead
        return bool(self._ways())

    def go(self) -> None:
        self._texts, self._ahead = self._ways(), ()

    def ended(self) -> bool:
        return () in self._ways()

    def allowed(self) -> int:
        return sum(1 << step for step in {way[0] for way in self._ways() if way})

    def forced(self) -> Sequence[int]:
        return ()

    def words(self) -> Sequence[bytes]:
        return ()


def compact(value: object) -> Steps:
    return tuple(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def closing(texts: Sequence[Steps], before: Steps) -> Steps | None:
    walk: Walk = Texts(texts, before)
    last = max((index + 1 for index, step in enumerate(before) if step >= FIRST_MARK), default=0)
    return shortest_closing(walk, Place().after(bytes(before[last:])), care=THOROUGH)


Values = list[Any]
"""Every value that a small schema allows."""


def objects(fields: dict[str, tuple[Values, bool]]) -> Values:
    """Every object whose fields hold one of their values; a field with False may be absent."""
    ways = [[(name, value) for value in values] + [None] * (not needed) for name, (values, needed) in fields.items()]
    return [dict(filter(None, pairs)) for pairs in product(*ways)]


LEAVES: st.SearchStrategy[Values] = st.sampled_from(
    [[None], [True, False], ["", "a", "ab"], ["yes", "no"], [0, 1, 10, 12], [1.5, -2], ['"', "\\n"], [[]], [{}]]
)


def composed(inner: st.SearchStrategy[Values]) -> st.SearchStrategy[Values]:
    few = inner.filter(lambda values: len(values) <= 40)
    fields = st.dictionaries(st.sampled_from(["a", "ab", "kind"]), st.tuples(few, st.booleans()), max_size=2)
    return st.one_of(
        fields.map(objects),
        st.tuples(few, st.integers(0, 2)).map(lambda pair: [list(items) for items in product(pair[0], repeat=pair[1])]),
        st.lists(few, min_size=2, max_size=2).map(lambda options: list(chain(*options))),
    )


@given(values=st.recursive(LEAVES, composed, max_leaves=4), data=st.data())
@settings(max_examples=300, deadline=None)
def test_the_end_is_the_shortest_there_is(values: Values, data: st.DataObject) -> None:
    texts = [compact(value) for value in values]
    text = data.draw(st.sampled_from(texts))
    before = text[: data.draw(st.integers(0, len(text)))]
    found = closing(texts, before)
    assert found is not None
    assert before + found in texts
    assert len(found) == min(len(other) - len(before) for other in texts if other[: len(before)] == before)


def test_a_longer_value_may_lead_to_a_shorter_end() -> None:
    """A tag of a union: the shorter tag needs the longer rest."""
    short = {"kind": "a", "title": "", "points": [1, 2, 3]}
    long = {"kind": "drawing"}
    assert closing([compact(short), compact(long)], tuple(b'{"kind":"')) == tuple(b'drawing"}')


def test_a_mark_begins_a_text_of_its_own() -> None:
    """What was said before a call is no JSON, whatever quotes are open in it."""
    call = (CALL, *b'f:0{"a":"', *b'x"}', END)
    said = tuple(b'an "open [quote')
    assert closing([said + call], said) == call
    assert closing([said + call], said + call[:9]) == call[9:]


@pytest.mark.parametrize("depth", [10, 3000])
def test_deep_texts_are_closed(depth: int) -> None:
    text = tuple(b"[" * depth + b"]" * depth)
    assert closing([text], text[:depth]) == text[depth:]


def test_a_text_that_has_ended_needs_nothing() -> None:
    assert closing([compact([1])], compact([1])) == ()


def test_a_text_that_the_walk_does_not_know_has_no_end() -> None:
    assert closing([compact([1])], tuple(b"[2")) is None
