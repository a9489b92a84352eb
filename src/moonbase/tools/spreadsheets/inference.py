"""Columns of text to values: numbers, dates and booleans where every value of a column is one, else text as it is.

Nothing is guessed that could be something else: `007` stays text, and so does `01/02/2026`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from moonbase.tools.spreadsheets.cells import Cell

_MISSING = frozenset(
    ["na", "n/a", "#n/a", "#na", "null", "none", "nan", "-", "--", "#div/0!", "#value!", "#ref!", "#name?", "#num!"]
)
"""Count as missing where all the rest is numbers, dates or booleans. Elsewhere they are text: NA may be Namibia."""
_DIGITS = 30  # longer ones are no quantities; they stay text
_LONG = 10  # characters; words for what is missing are shorter
_NOT_PLAIN = re.compile(r"[^0-9.eE+\-\n]|^[+-]?0\d", re.MULTILINE)
"""In a text that Python reads as a number: `nan`, `1_000`, blanks, other digits, zeros in front."""
_TRUTH = {"true": True, "false": False}


class _Form(NamedTuple):
    fits: re.Pattern[str]
    read: Callable[[str], Cell]


def _float(text: str) -> float:
    """Raises `ValueError` for what is too large, such as `1e999`: infinity is nobody's number."""
    value = float(text)
    if math.isinf(value):
        raise ValueError(text[:_LONG])
    return value


def _plain(text: str) -> int | float:
    return _float(text) if "." in text else int(text)


def _ungrouped(text: str) -> Cell:
    return _plain(text.replace(",", ""))


def _decimal_comma(text: str) -> Cell:
    return _plain(text.replace(".", "").replace(",", "."))


def _truth(text: str) -> Cell:
    return _TRUTH[text.lower()]


def _date(text: str) -> date:
    year, month, day = map(int, re.split(r"[-/.]", text))
    return date(year, month, day)


_INTEGER = _Form(re.compile(r"[+-]?(?:0|[1-9]\d{0,30})\Z", re.ASCII), int)
_NUMBER = _Form(re.compile(r"[+-]?(?:(?:0|[1-9]\d{0,30})(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?\Z", re.ASCII), _float)
_GROUPED = _Form(
    re.compile(r"[+-]?(?:0|[1-9]\d{0,2}(?:,\d{3}){1,10}|[1-9]\d{0,30})(?:\.\d*)?\Z", re.ASCII),
    _ungrouped,
)
_DECIMAL_COMMA = _Form(
    re.compile(r"[+-]?(?:0|[1-9]\d{0,2}(?:\.\d{3}){1,10}|[1-9]\d{0,30})(?:,\d*)?\Z", re.ASCII),
    _decimal_comma,
)
_DATE = _Form(re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}\Z", re.ASCII), _date)
_DATETIME = _Form(
    re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?\Z", re.ASCII), datetime.fromisoformat
)
_BOOLEAN = _Form(re.compile(r"(?:true|false)\Z", re.I), _truth)


def inferred(values: Sequence[Cell], *, decimal_comma: bool) -> Sequence[Cell]:
    """`values`, which are text or None, as what all of them are. With `decimal_comma`, 1.234,5 is a number."""
    numbers = _numbers([value for value in values if isinstance(value, str)])
    if numbers is not None:
        if len(numbers) == len(values):
            return numbers
        following = iter(numbers)
        return [None if value is None else next(following) for value in values]
    distinct = {value for value in values if isinstance(value, str)}
    blank = {value for value in distinct if value.isspace()}
    hard = {value for value in distinct - blank if len(value) > _LONG or value.strip().lower() not in _MISSING}
    meaning = _meaning(hard, decimal_comma=decimal_comma) if hard else None
    if meaning is None:
        meaning = {value: value for value in distinct - blank}  # one object for equal texts
    find = meaning.get
    return [find(value) if isinstance(value, str) else None for value in values]


def _numbers(texts: list[str]) -> list[int] | list[float] | None:
    """The texts as numbers where all of them are plain ones; a short cut for the most common columns."""
    if not texts or max(map(len, texts)) > _DIGITS:
        return None
    try:
        integers = list(map(int, texts))
        if list(map(str, integers)) == texts:
            return integers
    except ValueError:
        pass
    try:
        numbers = list(map(_float, texts))
    except ValueError:
        return None
    return None if _NOT_PLAIN.search("\n".join(texts)) else numbers


def _meaning(texts: set[str], *, decimal_comma: bool) -> dict[str, Cell] | None:
    comma = (_DECIMAL_COMMA,) if decimal_comma else ()
    for form in (_INTEGER, *comma, _NUMBER, _GROUPED, _DATE, _DATETIME, _BOOLEAN):
        if _all_fit(form, texts):
            try:
                return {text: form.read(text.strip()) for text in texts}
            except ValueError:  # a date that no calendar has, a number that is too large
                return None
    return None


def _all_fit(form: _Form, texts: Iterable[str]) -> bool:
    fits = form.fits.match
    return all(fits(text.strip()) for text in texts)


def number_in(text: str) -> int | float | None:
    """The number that a text such as `$1,200.50`, `12.5 %` or `(300)` says; None where there is none."""
    bare = text.strip().replace("\u00a0", "").replace(" ", "")
    negative = bare.startswith("(") and bare.endswith(")")
    bare = bare.strip("()")
    percent = bare.endswith("%")
    bare = bare.removesuffix("%").lstrip("$€£¥")
    for form in (_INTEGER, _NUMBER, _GROUPED):
        if form.fits.match(bare):
            try:
                value = form.read(bare)
            except ValueError:
                return None
            assert isinstance(value, int | float)
            value = value / 100 if percent else value
            return -value if negative else value
    return None


def moment_in(text: str) -> date | datetime | None:
    """The date or time that a text in ISO 8601 says; None where there is none."""
    bare = text.strip()
    for form in (_DATE, _DATETIME):
        if form.fits.match(bare):
            try:
                value = form.read(bare)
            except ValueError:
                return None
            assert isinstance(value, date)
            return value
    return None
