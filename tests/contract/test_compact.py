"""JSON text without blank space."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from moonbase.contract.compact import compact_json, encodable

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec=None)), inner, max_size=3),
    max_leaves=8,
)


def test_it_is_compact_and_keeps_letters() -> None:
    assert compact_json({"a": ["é", 1]}) == '{"a":["é",1]}'


def test_a_lone_surrogate_stays_the_escape_that_it_was() -> None:
    lone = json.loads('"\\ud800"')
    assert compact_json([lone]).encode() == b'["\\ud800"]'
    assert encodable(lone) == "?"


@given(value=VALUES)
def test_any_value_can_be_sent_and_comes_back(value: object) -> None:
    assert json.loads(compact_json(value).encode()) == value
