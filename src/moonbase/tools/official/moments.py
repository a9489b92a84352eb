"""Dates as people and models write them: into aware datetimes, and out through a format. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from moonbase.tools.tool import ToolError, shown

_MAX_DATE = 64
_MAX_FORMAT = 100
_DAYS_FROM_TODAY = {"today": 0, "tomorrow": 1, "yesterday": -1}
# What `fromisoformat` does not read: other separators and single digits, an optional time after a space or T.
_LOOSE = re.compile(
    r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)? *(Z|[+-]\d{2}:?\d{2})?\Z",
    re.ASCII,
)
_WORDED = ("%B %d, %Y", "%b %d, %Y", "%B %d %Y", "%b %d %Y", "%d %B %Y", "%d %b %Y")
_YEARS = ("%Y", "%y", "%G", "%c", "%x")
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?\Z", re.IGNORECASE | re.ASCII)
_DIRECTIVE = re.compile(r"%(-?)(.?)", re.DOTALL)
_KNOWN_DIRECTIVES = frozenset("aAbBcdDeFfGgHhIjklmMpRSTuUVwWxXyYzZ%")


def zone_of(name: str) -> tzinfo:
    """The zone called `name`: an IANA name, its city in any case, or an offset such as +08:00. Raises `ToolError`."""
    text = name.strip()
    if found := _OFFSET.match(text):
        sign, hours, minutes = found.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        if offset < timedelta(hours=24):
            return timezone(-offset if sign == "-" else offset)
    elif text.upper() in ("UTC", "GMT", "Z"):
        return UTC
    else:
        key = _zone_names().get(text.casefold().replace(" ", "_"))
        if key:
            return ZoneInfo(key)
    raise ToolError(f"unknown time zone {shown(name)}; expected an IANA name such as Asia/Shanghai, or +08:00")


@lru_cache(maxsize=1)
def _zone_names() -> dict[str, str]:
    """Every zone by its name and by its city, in lower case. A closed list: no name reaches the file system."""
    names: dict[str, str] = {}
    for key in sorted(available_timezones()):
        names.setdefault(key.rpartition("/")[2].casefold(), key)
    return names | {key.casefold(): key for key in available_timezones()}


def parse_moment(text: str, *, now: datetime, field: str, pattern: str | None = None) -> datetime:
    """`text` as an aware datetime; one without an offset is in the zone of `now`. Raises `ToolError`.

    Read are: now, today, tomorrow, yesterday; the forms of ISO 8601; 2026/11/21 and 2026-1-5 with or without a time;
    November 21, 2026 and 21 Nov 2026; and whatever `pattern`, the caller's own format, describes.
    """
    value = text.strip()
    word = value.casefold()
    if word == "now":
        return now
    if word in _DAYS_FROM_TODAY:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(days=_DAYS_FROM_TODAY[word])
    moment = _read(value, pattern) if len(value) <= _MAX_DATE else None
    if moment is None:
        raise ToolError(f"{field} is {shown(text)}; expected a date such as 2026-11-21 or 2026-11-21 08:30:00")
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)


def _read(value: str, pattern: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        pass
    if found := _LOOSE.match(value):
        return _loose(*found.groups())
    patterns = _WORDED if pattern is None or len(pattern) > _MAX_FORMAT else (pattern, *_WORDED)
    for candidate in patterns:
        try:
            return _strptime(value, candidate)
        except (ValueError, re.error, IndexError):  # strptime builds a regex; `%Y %Y` makes it a bad one
            continue
    return None


def _strptime(value: str, pattern: str) -> datetime:
    """A date without a year is one of 1900: said aloud, for what Python makes of it by itself is to change."""
    if any(year in pattern for year in _YEARS):
        return datetime.strptime(value, pattern)
    return datetime.strptime(f"1900 {value}", f"%Y {pattern}")


def _loose(
    year: str, _: str, month: str, day: str, hour: str | None, minute: str | None, second: str | None, zone: str | None
) -> datetime | None:
    written = f"{year}-{month:0>2}-{day:0>2}T{hour or '0':0>2}:{minute or '00'}:{second or '00'}{zone or ''}"
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        return None


def format_moment(moment: datetime, pattern: str) -> str:
    """`moment` through a strftime `pattern`, directive by directive. Raises `ToolError`.

    The platform's strftime never sees the whole pattern: unknown directives, widths and odd characters in one differ
    between platforms, and some are refused or grow without bound.
    """
    if len(pattern) > _MAX_FORMAT:
        raise ToolError(f"format has {len(pattern)} characters; at most {_MAX_FORMAT} are allowed")

    def directive(found: re.Match[str]) -> str:
        flag, letter = found.groups()
        if letter not in _KNOWN_DIRECTIVES or not letter:
            raise ToolError(f"format has the unknown directive {shown(found.group())}; expected ones such as %Y-%m-%d")
        if letter == "%":
            return "%"
        if letter == "Y":  # the C library leaves the zeros out before the year 1000
            return str(moment.year) if flag else f"{moment.year:04d}"
        text = moment.strftime(f"%{letter}")
        return text.lstrip("0 ") or "0" if flag and text.strip().isdigit() else text

    return _DIRECTIVE.sub(directive, pattern)
