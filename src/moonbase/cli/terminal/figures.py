"""The figures of a turn: tokens, speed, time to the first token, price."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from moonbase.contract.events import Usage
from moonbase.contract.fold import plus

Clock = Callable[[], float]


class Figures(msgspec.Struct, frozen=True):
    """Of one turn: counts over all its steps; `first_s` seconds until its first token, None where none came;
    `writing_s` seconds in which tokens came; `price` in US dollars, None where it is not known."""

    usage: Usage = Usage()
    first_s: float | None = None
    writing_s: float = 0.0
    price: float | None = None

    @property
    def speed(self) -> float | None:
        """Tokens per second while tokens came; None where that cannot be said."""
        told = self.usage.completion_tokens
        return told / self.writing_s if told > 1 and self.writing_s > 0 else None


class Stopwatch:
    """Measures a turn by `clock` (seconds): `asked` when a step begins, `came` with each event that carries text,
    `ended` with the counts of a step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked = clock()
        self._first: float | None = None
        self._step_first: float | None = None
        self._writing = 0.0
        self.usage = Usage()

    def asked(self) -> None:
        self._step_first = None
        if self._first is None:
            self._asked = self._clock()

    def came(self) -> None:
        now = self._clock()
        if self._first is None:
            self._first = now
        if self._step_first is None:
            self._step_first = now

    def ended(self, usage: Usage, *, whole: bool = False) -> None:
        """`whole`: the counts are those of all steps."""
        if self._step_first is not None:
            self._writing += self._clock() - self._step_first
        self._step_first = None
        self.usage = usage if whole else plus(self.usage, [usage])

    def figures(self, *, price: float | None = None) -> Figures:
        first = None if self._first is None else self._first - self._asked
        return Figures(self.usage, first, self._writing, price)


def told(figures: Figures) -> str:
    """The figures on one line, without what is not known."""
    usage = figures.usage
    cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
    parts = [f"{usage.prompt_tokens:,}{cached} + {usage.completion_tokens:,} tokens"]
    if figures.speed is not None:
        parts.append(f"{figures.speed:,.0f} tok/s")
    if figures.first_s is not None:
        parts.append(f"first in {seconds(figures.first_s)}")
    if figures.price is not None:
        parts.append(f"list {dollars(figures.price)}")
    return " · ".join(parts)


def seconds(value: float) -> str:
    """A time as people say it: 0.04 s, 3.2 s, 2 min 5 s."""
    if value < 60:
        return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def dollars(value: float) -> str:
    """An amount with two significant digits at least."""
    if value == 0 or value >= 1:
        return f"${value:.2f}"
    places = 2
    while round(value, places) < 10 ** (1 - places) and places < 9:
        places += 1
    return f"${value:.{places}f}"


def moment(at: float) -> str:
    """A Unix time, in the time of this machine."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")
