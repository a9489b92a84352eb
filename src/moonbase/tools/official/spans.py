"""Days by the calendar, and the rest of a span by the clock that never changes: what a night of summer time makes of
both. Pure.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


def elapsed(first: datetime, second: datetime) -> timedelta:
    """The time that passes from one to the other. `second - first` is the difference of two clocks on a wall, where
    both are of one zone."""
    offsets = [moment.utcoffset() or timedelta(0) for moment in (first, second)]
    return second.replace(tzinfo=None) - first.replace(tzinfo=None) - (offsets[1] - offsets[0])


def span(first: datetime, second: datetime) -> tuple[int, timedelta]:
    """The days after which it is as late as at `first`, and the time that passes from then to `second`, which comes
    later. Between moments of two zones a day is 24 hours."""
    if first.tzinfo is not second.tzinfo:
        total = elapsed(first, second)
        return total.days, total - timedelta(days=total.days)
    days = (second.date() - first.date()).days
    if elapsed(first + timedelta(days=days), second) < timedelta(0):
        days -= 1
    return days, elapsed(first + timedelta(days=days), second)


def shifted(moment: datetime, by: timedelta) -> datetime:
    """As late, so many whole days away, and from there the rest of `by`; a time of day that the clocks pass over is
    the one an hour later."""
    days = timedelta(days=abs(by).days)
    day = moment + (days if by > timedelta(0) else -days)
    rest = by - (day.replace(tzinfo=None) - moment.replace(tzinfo=None))
    if not isinstance(moment.tzinfo, ZoneInfo):
        return day + rest
    return (day.astimezone(UTC) + rest).astimezone(moment.tzinfo)
