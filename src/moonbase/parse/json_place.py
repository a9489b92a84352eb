"""Where in a JSON text one stands: what is open, and what is being written. Text that is no JSON is passed over."""

from __future__ import annotations

import re
from enum import IntEnum, auto
from typing import NamedTuple


class Mode(IntEnum):
    VALUE = auto()  # a value begins here, or the end of an array that is still empty
    SCALAR = auto()  # in a number or a literal
    STRING = auto()
    ESCAPE = auto()  # after a backslash in a string
    AFTER = auto()  # after a value
    KEY = auto()  # a key begins here, or the end of an object that is still empty
    KEY_STRING = auto()
    KEY_ESCAPE = auto()
    COLON = auto()  # after a key


class Frame:
    """An open object or array: what closes it, the container around it, and its key or index there.

    Two frames are equal when the ways to them are. They are told apart by a number made once, since a chain of them may
    be thousands deep.
    """

    __slots__ = ("at", "closer", "parent", "way")

    def __init__(self, closer: int, parent: Frame | None, at: bytes | int) -> None:
        self.closer, self.parent, self.at = closer, parent, at
        self.way = hash((closer, at, parent.way if parent else 0))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frame) and self.way == other.way

    def __hash__(self) -> int:
        return self.way


class Place(NamedTuple):
    """`at` is the key or index of the current value in `frame`; `length` counts the bytes of an unfinished scalar or
    string; `key` is the part of an unfinished key that has been read."""

    mode: Mode = Mode.VALUE
    frame: Frame | None = None
    at: bytes | int = 0
    length: int = 0
    key: bytes = b""

    def after(self, text: bytes) -> Place:
        """The place after `text` has been read here."""
        place, position = self, 0
        while position < len(text):
            if place.mode is Mode.STRING:
                run = _PLAIN.match(text, position)
                if run and run.end() > position:
                    place = place._replace(length=place.length + run.end() - position)
                    position = run.end()
                    continue
            place = _STEPS[place.mode](place, text[position])
            position += 1
        return place


_PLAIN = re.compile(rb'[^"\\]*')
_QUOTE, _BACKSLASH, _COMMA, _COLON = b'"\\,:'
_SPACE = frozenset(b" \t\r\n")
_OPENERS = {ord("{"): ord("}"), ord("["): ord("]")}
_CLOSERS = frozenset(_OPENERS.values())


def _value(place: Place, byte: int) -> Place:
    if byte in _SPACE:
        return place
    if byte == _QUOTE:
        return place._replace(mode=Mode.STRING, length=1)
    if byte in _OPENERS:
        frame = Frame(_OPENERS[byte], place.frame, place.at)
        return Place(Mode.KEY if byte == ord("{") else Mode.VALUE, frame)
    if byte in _CLOSERS:
        return _close(place)
    return place._replace(mode=Mode.SCALAR, length=1)


def _scalar(place: Place, byte: int) -> Place:
    if byte in _SPACE or byte == _COMMA or byte in _CLOSERS:
        return _after(place._replace(mode=Mode.AFTER, length=0), byte)
    return place._replace(length=place.length + 1)


def _string(place: Place, byte: int) -> Place:
    if byte == _QUOTE:
        return place._replace(mode=Mode.AFTER, length=0)
    return place._replace(mode=Mode.ESCAPE if byte == _BACKSLASH else Mode.STRING, length=place.length + 1)


def _escape(place: Place, _: int) -> Place:
    return place._replace(mode=Mode.STRING, length=place.length + 1)


def _after(place: Place, byte: int) -> Place:
    if byte in _CLOSERS:
        return _close(place)
    if byte != _COMMA or place.frame is None:
        return place
    if isinstance(place.at, int) and place.frame.closer == ord("]"):
        return Place(Mode.VALUE, place.frame, place.at + 1)
    return Place(Mode.KEY, place.frame, place.at)


def _close(place: Place) -> Place:
    if place.frame is None:
        return Place(Mode.AFTER)
    return Place(Mode.AFTER, place.frame.parent, place.frame.at)


def _key(place: Place, byte: int) -> Place:
    if byte == _QUOTE:
        return place._replace(mode=Mode.KEY_STRING)
    return _close(place) if byte in _CLOSERS else place


def _key_string(place: Place, byte: int) -> Place:
    if byte == _QUOTE:
        return Place(Mode.COLON, place.frame, place.key)
    mode = Mode.KEY_ESCAPE if byte == _BACKSLASH else Mode.KEY_STRING
    return place._replace(mode=mode, key=place.key + bytes((byte,)))


def _key_escape(place: Place, byte: int) -> Place:
    return place._replace(mode=Mode.KEY_STRING, key=place.key + bytes((byte,)))


def _colon(place: Place, byte: int) -> Place:
    return place._replace(mode=Mode.VALUE) if byte == _COLON else place


_STEPS = {
    Mode.VALUE: _value,
    Mode.SCALAR: _scalar,
    Mode.STRING: _string,
    Mode.ESCAPE: _escape,
    Mode.AFTER: _after,
    Mode.KEY: _key,
    Mode.KEY_STRING: _key_string,
    Mode.KEY_ESCAPE: _key_escape,
    Mode.COLON: _colon,
}
