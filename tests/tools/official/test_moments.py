"""Reading dates as people write them, and formats that never reach the C library whole."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonbase.tools.official.moments import format_moment, parse_moment, zone_of
from moonbase.tools.tool import ToolError

NOW = datetime(2026, 11, 21, 22, 45, tzinfo=ZoneInfo("Asia/Shanghai"))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2026-11-21", "2026-11-21T00:00:00"),
        (" 2026-11-21 ", "2026-11-21T00:00:00"),
        ("20261121", "2026-11-21T00:00:00"),
        ("2026-11-21T08:09", "2026-11-21T08:09:00"),
        ("2026-11-21 08:09:10", "2026-11-21T08:09:10"),
        ("2026-11-21 8:09", "2026-11-21T08:09:00"),
        ("2026/11/21", "2026-11-21T00:00:00"),
        ("2026.1.5", "2026-01-05T00:00:00"),
        ("2026-1-5 23:59", "2026-01-05T23:59:00"),
        ("November 21, 2026", "2026-11-21T00:00:00"),
        ("Nov 21 2026", "2026-11-21T00:00:00"),
        ("21 november 2026", "2026-11-21T00:00:00"),
        ("now", "2026-11-21T22:45:00"),
        ("Today", "2026-11-21T00:00:00"),
        ("tomorrow", "2026-11-22T00:00:00"),
    ],
)
def test_a_date_without_an_offset_is_in_the_zone_of_now(text: str, written: str) -> None:
    assert parse_moment(text, now=NOW, field="date").isoformat() == f"{written}+08:00"


@pytest.mark.parametrize("text", ["2026-11-21T00:00:00Z", "2026-11-21 00:00:00+00:00", "2026-11-21 0:00 Z"])
def test_a_date_with_an_offset_keeps_it(text: str) -> None:
    assert parse_moment(text, now=NOW, field="date") == datetime(2026, 11, 21, tzinfo=UTC)


def test_the_callers_own_format_is_read_too() -> None:
    assert parse_moment("21/11/2026", now=NOW, field="date", pattern="%d/%m/%Y").day == 21


def test_a_format_without_a_year() -> None:
    assert parse_moment("21/11", now=NOW, field="date", pattern="%d/%m").date() == date(1900, 11, 21)


@pytest.mark.parametrize("pattern", ["%Y %Y", "%", "%Q", "(", "%d" * 40, "x" * 1_000])
def test_a_bad_format_never_breaks_the_reading(pattern: str) -> None:
    with pytest.raises(ToolError, match="expected a date such as"):
        parse_moment("never", now=NOW, field="date", pattern=pattern)


@given(st.text(max_size=80), st.text(max_size=120))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_or_refused(text: str, pattern: str) -> None:
    with contextlib.suppress(ToolError):
        assert parse_moment(text, now=NOW, field="date", pattern=pattern).tzinfo
    with contextlib.suppress(ToolError):
        assert isinstance(format_moment(NOW, pattern), str)
    with contextlib.suppress(ToolError):
        zone_of(text)


def test_every_known_directive_works_and_years_are_padded() -> None:
    for letter in "aAbBcdDeFfGgHhIjklmMpRSTuUVwWxXyYzZ":
        assert format_moment(NOW, f"%{letter}")
    assert format_moment(datetime(7, 1, 2), "%Y %-m %-d %%") == "0007 1 2 %"
    assert format_moment(datetime(7, 1, 2), "%-H:%M") == "0:00"


def test_the_text_between_directives_is_left_alone() -> None:
    assert format_moment(NOW, "今天 %d \0 🙂") == "今天 21 \0 🙂"


@pytest.mark.parametrize(
    ("name", "offset"),
    [("Z", 0), ("gmt", 0), ("UTC-5", -5), ("+8", 8), ("+0800", 8), ("asia/shanghai", 8), ("Shanghai", 8)],
)
def test_zones(name: str, offset: int) -> None:
    moment = datetime(2026, 11, 21, tzinfo=UTC).astimezone(zone_of(name))
    assert moment.utcoffset() == timedelta(hours=offset)
    assert zone_of("-01:30") == timezone(-timedelta(hours=1, minutes=30))
