"""`moonshot/date:latest`: the time now, time zones and date arithmetic (contract.md 6.2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from moonbase.contract.tools import Function
from moonbase.tools.official.moments import format_moment, parse_moment, zone_of
from moonbase.tools.official.spans import elapsed, shifted, span
from moonbase.tools.tool import Arguments, CallContext, Formula, ToolError, shown

URI = "moonshot/date:latest"
DEFAULT_FORMAT = "%Y-%m-%d %H:%M:%S"

Clock = Callable[[], datetime]
"""The time now, with a zone."""

# Short on purpose: every definition is part of the prompt, and the bundled model is small.
FUNCTION = Function(
    name="date",
    description="Current time, time zone conversion and date arithmetic.",
    parameters={
        "type": "object",
        "properties": {
            "operation": {
                "type": "string",
                "enum": ["time", "convert", "between", "add", "subtract"],
                "description": "time: now; convert: zones; between: days from date1 to date2; add, subtract: days",
            },
            "date": {"type": "string", "description": "Date for convert, add, subtract; default now"},
            "date1": {"type": "string"},
            "date2": {"type": "string"},
            "days": {"type": "number"},
            "format": {"type": "string", "description": "Default %Y-%m-%d %H:%M:%S"},
            "from_zone": {"type": "string"},
            "to_zone": {"type": "string"},
            "zone": {"type": "string", "description": "IANA name, default UTC"},
        },
        "required": ["operation"],
    },
)


def utc_now() -> datetime:
    return datetime.now(UTC)


def date_formula(clock: Clock = utc_now) -> Formula:
    """The date tool; `clock` gives the time now, with a zone."""

    async def run(context: CallContext, name: str, arguments: Arguments) -> str:
        return answer(arguments, clock())

    return Formula(uri=URI, functions=(FUNCTION,), run=run)


def answer(arguments: Arguments, now: datetime) -> str:
    """The text for one call; raises `ToolError`."""
    # Small models fill optional arguments with "" or null; both mean "not given".
    given = {name: value for name, value in arguments.items() if value not in ("", None)}
    operation = given.get("operation")
    try:
        match operation:
            case "time":
                return _formatted(now.astimezone(zone_of(given.get("zone", "UTC"))), given)
            case "convert":
                return _convert(given, now)
            case "between":
                return _between(given, now)
            case "add" | "subtract":
                return _shift(given, now, sign=1 if operation == "add" else -1)
            case _:
                raise ToolError(f"operation is {shown(operation)}; expected time, convert, between, add or subtract")
    except OverflowError:
        raise ToolError("the result lies outside the years 1 to 9999; use a smaller number of days") from None


def _convert(given: dict[str, Any], now: datetime) -> str:
    if "to_zone" not in given:
        raise ToolError("convert needs to_zone, for example Asia/Tokyo")
    source = zone_of(given.get("from_zone") or given.get("zone") or "UTC")
    moment = _moment(given, "date", now.astimezone(source))
    if "from_zone" in given and moment.utcoffset() != moment.astimezone(source).utcoffset():
        raise ToolError(
            f"date {shown(given['date'])} carries its own offset, which is not that of from_zone "
            f"{shown(given['from_zone'])}; give only one of them"
        )
    return _formatted(moment.astimezone(zone_of(given["to_zone"])), given)


def _between(given: dict[str, Any], now: datetime) -> str:
    for name in ("date1", "date2"):
        if name not in given:
            raise ToolError(f"between needs date1 and date2; {name} is missing (write today for the present day)")
    local = now.astimezone(zone_of(given.get("zone", "UTC")))
    first, second = _moment(given, "date1", local), _moment(given, "date2", local)
    if elapsed(first, second) < timedelta(0):
        return "-" + describe_span(*span(second, first))
    return describe_span(*span(first, second))


def _shift(given: dict[str, Any], now: datetime, *, sign: int) -> str:
    if "days" not in given:
        raise ToolError(f"{given['operation']} needs days, a number")
    moment = _moment(given, "date", now.astimezone(zone_of(given.get("zone", "UTC"))))
    return _formatted(shifted(moment, sign * timedelta(days=given["days"])), given)


def _moment(given: dict[str, Any], field: str, now: datetime) -> datetime:
    return parse_moment(given.get(field, "now"), now=now, field=field, pattern=given.get("format"))


def _formatted(moment: datetime, given: dict[str, Any]) -> str:
    return format_moment(moment, given.get("format", DEFAULT_FORMAT))


def describe_span(days: int, rest: timedelta) -> str:
    """`224 days`; hours, minutes and seconds follow where they are not zero."""
    minutes, seconds = divmod(rest // timedelta(seconds=1), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "hour"), (minutes, "minute"), (seconds, "second"))
    return " ".join([_counted(days, "day"), *(_counted(count, unit) for count, unit in parts if count)])


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
