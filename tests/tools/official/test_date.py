"""The date tool: what it answers, and what it says when it cannot."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from moonbase.tools.formula import FiberRequest, tool_list
from moonbase.tools.official.date import URI, answer, date_formula, describe_span
from moonbase.tools.run import FiberRunner
from moonbase.tools.tool import CallContext, ToolError
from moonbase.tools.toolset import Toolset

NOW = datetime(2026, 11, 21, 22, 45, 3, 999, tzinfo=UTC)


def ask(operation: str, **arguments: Any) -> str:
    return answer({"operation": operation, **arguments}, NOW)


def refusal(operation: str, **arguments: Any) -> str:
    with pytest.raises(ToolError) as caught:
        ask(operation, **arguments)
    return str(caught.value)


def test_the_definition_is_small_enough_for_a_small_model() -> None:
    assert len(msgspec.json.encode(tool_list(date_formula()).tools[0])) < 900


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "2026-11-21 22:45:03"),
        ({"zone": "Asia/Shanghai"}, "2026-11-22 06:45:03"),
        ({"zone": "America/New_York"}, "2026-11-21 17:45:03"),
        ({"zone": "tokyo"}, "2026-11-22 07:45:03"),
        ({"zone": "new york"}, "2026-11-21 17:45:03"),
        ({"zone": "utc"}, "2026-11-21 22:45:03"),
        ({"zone": "UTC+8"}, "2026-11-22 06:45:03"),
        ({"zone": "-03:30"}, "2026-11-21 19:15:03"),
        ({"zone": "", "format": ""}, "2026-11-21 22:45:03"),
        ({"zone": None, "date": None}, "2026-11-21 22:45:03"),
        ({"format": "%Y-%m-%d"}, "2026-11-21"),
        ({"format": "%A, %-d %B %Y at %I:%M %p"}, "Saturday, 21 November 2026 at 10:45 PM"),
        ({"format": "%H:%M %Z%z", "zone": "Europe/Paris"}, "23:45 CET+0100"),
    ],
)
def test_time(arguments: dict[str, Any], text: str) -> None:
    assert ask("time", **arguments) == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"date": "2026-01-02 03:04:05", "from_zone": "Asia/Shanghai", "to_zone": "UTC"}, "2026-01-01 19:04:05"),
        (
            {"date": "2026-07-01 12:00", "from_zone": "Europe/Paris", "to_zone": "America/New_York"},
            "2026-07-01 06:00:00",
        ),
        ({"date": "2026-01-02T03:04:05Z", "to_zone": "Asia/Tokyo"}, "2026-01-02 12:04:05"),
        ({"date": "2026-01-02T03:04:05+02:00", "to_zone": "UTC"}, "2026-01-02 01:04:05"),
        ({"date": "2026-01-02", "zone": "Asia/Tokyo", "to_zone": "UTC"}, "2026-01-01 15:00:00"),
        ({"to_zone": "Asia/Kolkata"}, "2026-11-22 04:15:03"),
        ({"date": "2026-07-01T12:00+02:00", "from_zone": "Europe/Paris", "to_zone": "UTC"}, "2026-07-01 10:00:00"),
    ],
)
def test_convert(arguments: dict[str, Any], text: str) -> None:
    assert ask("convert", **arguments) == text


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ("2026-01-01", "2026-08-13", "224 days"),
        ("2026-08-13", "2026-01-01", "-224 days"),
        ("2026-01-01", "2026-01-02", "1 day"),
        ("2026-01-01", "2026-01-01", "0 days"),
        ("2024-02-28", "2024-03-01", "2 days"),
        ("0001-01-01", "9999-12-31", "3652058 days"),
        ("2026-01-01 08:00", "2026-01-03 09:30:05", "2 days 1 hour 30 minutes 5 seconds"),
        ("2026-01-01T00:00Z", "2026-01-01T00:00-02:00", "0 days 2 hours"),
        ("today", "2026-12-25", "34 days"),
        ("yesterday", "tomorrow", "2 days"),
    ],
)
def test_between(first: str, second: str, text: str) -> None:
    assert ask("between", date1=first, date2=second) == text


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ("2026-03-28", "2026-03-30", "2 days"),
        ("2026-03-29 00:00", "2026-03-29 06:00", "0 days 5 hours"),
        ("2026-03-28 00:00", "2026-03-29 06:00", "1 day 5 hours"),
        ("2026-03-28 12:00", "2026-03-29 18:00", "1 day 6 hours"),
        ("2026-03-29 06:00", "2026-03-28 00:00", "-1 day 5 hours"),
        ("2026-10-25 00:00", "2026-10-25 06:00", "0 days 7 hours"),
        ("2026-10-25 00:00", "2026-10-25 23:59", "0 days 24 hours 59 minutes"),
        ("2026-10-24 12:00", "2026-10-25 11:00", "0 days 24 hours"),
        ("2026-10-24 12:00", "2026-10-25 12:00", "1 day"),
        ("2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00", "0 days 1 hour"),
        ("0001-01-01", "9999-12-31", "3652058 days"),
    ],
)
def test_between_counts_days_by_the_calendar_and_the_rest_as_it_passes(first: str, second: str, text: str) -> None:
    """Paris loses an hour on 29 March 2026 and has one twice on 25 October."""
    assert ask("between", date1=first, date2=second, zone="Europe/Paris") == text


@pytest.mark.parametrize(
    ("operation", "arguments", "text"),
    [
        ("add", {"date": "2026-11-21", "days": 10}, "2026-12-01 00:00:00"),
        ("add", {"date": "2024-02-28", "days": 1, "format": "%Y-%m-%d"}, "2024-02-29"),
        ("add", {"days": 1.5}, "2026-11-23 10:45:03"),
        ("subtract", {"date": "2026-03-01 10:20", "days": 1}, "2026-02-28 10:20:00"),
        ("subtract", {"days": -1}, "2026-11-22 22:45:03"),
        ("add", {"days": 0, "zone": "Asia/Shanghai"}, "2026-11-22 06:45:03"),
        # Clocks change on that night; the time of day stays, unless there is none.
        ("add", {"date": "2026-03-28 12:00", "days": 1, "zone": "Europe/Paris"}, "2026-03-29 12:00:00"),
        ("add", {"date": "2026-03-28 02:30", "days": 1, "zone": "Europe/Paris"}, "2026-03-29 03:30:00"),
        ("add", {"date": "2026-03-28 00:00", "days": 1.25, "zone": "Europe/Paris"}, "2026-03-29 07:00:00"),
        ("subtract", {"date": "2026-03-30 06:00", "days": 1.25, "zone": "Europe/Paris"}, "2026-03-28 23:00:00"),
    ],
)
def test_add_and_subtract(operation: str, arguments: dict[str, Any], text: str) -> None:
    assert ask(operation, **arguments) == text


@pytest.mark.parametrize(
    ("operation", "arguments", "words"),
    [
        ("convert", {}, "convert needs to_zone"),
        ("convert", {"to_zone": "Mars/Base"}, "unknown time zone 'Mars/Base'; expected an IANA name"),
        ("time", {"zone": "../../etc/passwd"}, "unknown time zone"),
        ("time", {"zone": "/etc/localtime"}, "unknown time zone"),
        ("time", {"zone": "Europe"}, "unknown time zone"),
        ("time", {"zone": "a\0b"}, "unknown time zone"),
        ("time", {"zone": "\ud800"}, "unknown time zone"),
        ("time", {"zone": "+99:99"}, "unknown time zone"),
        ("time", {"zone": "x" * 100_000}, "unknown time zone"),
        ("between", {"date2": "2026-01-01"}, "date1 is missing"),
        ("between", {"date1": "2026-01-01"}, "date2 is missing"),
        ("between", {"date1": "soon", "date2": "2026-01-01"}, "date1 is 'soon'; expected a date such as 2026-11-21"),
        ("between", {"date1": "2026-01-01", "date2": "2026-02-30"}, "date2 is '2026-02-30'"),
        ("add", {}, "add needs days"),
        ("subtract", {"date": "2026-01-01"}, "subtract needs days"),
        ("add", {"date": "2026-13-01", "days": 1}, "date is '2026-13-01'"),
        ("add", {"date": "1" * 100_000, "days": 1}, "expected a date such as"),
        ("add", {"days": 1e300}, "outside the years 1 to 9999"),
        ("add", {"days": 10**400}, "outside the years 1 to 9999"),
        ("add", {"date": "9999-12-31", "days": 1}, "outside the years 1 to 9999"),
        ("subtract", {"date": "0001-01-01", "days": 1}, "outside the years 1 to 9999"),
        ("convert", {"date": "9999-12-31 23:00", "to_zone": "+14:00"}, "outside the years 1 to 9999"),
        ("convert", {"date": "0001-01-01", "to_zone": "-12:00"}, "outside the years 1 to 9999"),
        (
            "convert",
            {"date": "2026-01-01T00:00+05:00", "from_zone": "UTC", "to_zone": "UTC"},
            "carries its own offset",
        ),
        ("time", {"format": "%s"}, "unknown directive '%s'"),
        ("time", {"format": "100%"}, "unknown directive '%'"),
        ("time", {"format": "%999999999d"}, "unknown directive"),
        ("time", {"format": "%Y" * 51}, "at most 100"),
        ("dance", {}, "expected time, convert, between, add or subtract"),
    ],
)
def test_a_failure_says_what_was_expected(operation: str, arguments: dict[str, Any], words: str) -> None:
    message = refusal(operation, **arguments)
    assert words in message
    assert len(message) < 250


def test_spans_in_words() -> None:
    assert describe_span(0, timedelta(hours=1)) == "0 days 1 hour"
    assert describe_span(2, timedelta(seconds=1)) == "2 days 1 second"


async def test_through_a_fiber_with_the_clock_that_was_given() -> None:
    fibers = FiberRunner(Toolset([date_formula(lambda: NOW)]))

    async def run(arguments: dict[str, Any]) -> dict[str, Any]:
        request = FiberRequest("date", json.dumps(arguments))
        return json.loads((await fibers.run(URI, request, CallContext("key"))).encode())["context"]

    assert (await run({"operation": "time"}))["output"] == "2026-11-21 22:45:03"
    assert "'operation' is a required property" in (await run({}))["error"]
    assert "arguments.operation: 'now' is not one of" in (await run({"operation": "now"}))["error"]
    assert "arguments.days: '7' is not of type 'number'" in (await run({"operation": "add", "days": "7"}))["error"]
    assert "arguments.days: True is not of type" in (await run({"operation": "add", "days": True}))["error"]
