"""Where in a JSON text one stands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonbase.parse.json_place import Frame, Mode, Place

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "mode", "at"),
    [
        ("", Mode.VALUE, 0),
        ("-1", Mode.SCALAR, 0),
        ("tru", Mode.SCALAR, 0),
        ('"a', Mode.STRING, 0),
        ('"a\\', Mode.ESCAPE, 0),
        ('"a\\"', Mode.STRING, 0),
        ('"a"', Mode.AFTER, 0),
        ("{", Mode.KEY, 0),
        ('{"a', Mode.KEY_STRING, 0),
        ('{"a\\', Mode.KEY_ESCAPE, 0),
        ('{"a"', Mode.COLON, b"a"),
        ('{"a":', Mode.VALUE, b"a"),
        ('{"a": 1', Mode.SCALAR, b"a"),
        ('{"a": 1,', Mode.KEY, b"a"),
        ('{"a": 1, "b": []', Mode.AFTER, b"b"),
        ("[", Mode.VALUE, 0),
        ("[1,[2", Mode.SCALAR, 0),
        ("[1,[2],", Mode.VALUE, 2),
        ("[1]", Mode.AFTER, 0),
    ],
)
def test_places(text: str, mode: Mode, at: bytes | int) -> None:
    place = Place().after(text.encode())
    assert (place.mode, place.at) == (mode, at)


def test_what_is_open_knows_how_it_closes() -> None:
    place = Place().after(b'{"a": [[1, {')
    closers = ""
    frame = place.frame
    while frame is not None:
        closers += chr(frame.closer)
        frame = frame.parent
    assert closers == "}]]}"


@given(JSON, st.booleans(), st.data())
def test_any_split_leads_to_the_same_place(value: Any, compact: bool, data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=compact, separators=(",", ":") if compact else None).encode()
    cut = data.draw(st.integers(0, len(text)))
    assert Place().after(text[:cut]).after(text[cut:]) == Place().after(text)


@given(JSON)
def test_a_whole_container_leaves_nothing_open(value: Any) -> None:
    assert Place().after(json.dumps([value]).encode()) == Place(Mode.AFTER)


@given(st.binary())
def test_text_that_is_no_json_is_passed_over(text: bytes) -> None:
    assert Place().after(text).length >= 0


def test_thousands_of_open_brackets_are_compared_at_once() -> None:
    one, other = (Place().after(b'[{"a":' * 50_000) for _ in range(2))
    assert one == other
    assert isinstance(one.frame, Frame)
    assert one.after(b"1").frame == one.frame
    assert one != other.after(b"[")
