"""What one key has asked for lately, as a value: it decides whether the key may ask for more.

Pure: the time comes from the caller, and whoever keeps the value (`quotas`, `shared_quotas`) says where. Requests and
tokens are counted in slots: of a second for the minute, of a quarter of an hour for the day. No span of 60 seconds ever
has more than its limit; there is room again a slot after it could be at the earliest.

Requests that run are counted by server process, and each process says how many it runs, not one more or one less. So
nothing leaks where a message is lost, and what a process ran that has died is passed over.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple

import msgspec

from moonbase.accounts.limits import Admitted, RateLimits, Refused

LEASE = 10.0
"""Seconds after which a process that has said nothing counts as dead."""

_ONE_LESS = 1.0
"""Seconds after which to ask again when too many run: nobody knows when one of them ends."""


class Span(NamedTuple):
    """A time that is looked back over, in slots of `width` seconds."""

    width: float
    slots: int


MINUTE = Span(1.0, 60)
DAY = Span(900.0, 96)


class Counted(msgspec.Struct, array_like=True):
    """Requests and tokens of one slot."""

    requests: int = 0
    tokens: int = 0


class Running(msgspec.Struct, array_like=True):
    """Requests that one process runs, and when it said so."""

    requests: int
    at: float


Slots = dict[int, Counted]


class Quota(msgspec.Struct, array_like=True):
    """Of one key. Times are Unix times in seconds; `alive` are the processes that are known to live."""

    minute: Slots = {}
    day: Slots = {}
    running: dict[str, Running] = {}

    def admit(
        self, limits: RateLimits, tokens: int, now: float, process: str, alive: Collection[str] = ()
    ) -> Admitted | Refused:
        """Note a request of `tokens` that `process` begins; or say why it may not begin, and note nothing."""
        self.forget(now, process, alive)
        refused = self._refusal(limits, tokens, now)
        if refused is not None:
            return refused
        self.count(limits, now, 1, tokens)
        if limits.concurrency is not None:
            self.runs(process, self.running_at(process) + 1, now)
        return Admitted(now)

    def count(self, limits: RateLimits, at: float, requests: int, tokens: int) -> None:
        """Add to what was asked for at that time; less than nothing takes back. What no limit asks about is not
        kept."""
        if limits.rpm is not None or limits.tpm is not None:
            _add(self.minute, int(at // MINUTE.width), requests, tokens)
        if limits.tpd is not None:
            _add(self.day, int(at // DAY.width), requests, tokens)

    def add(self, other: Quota) -> None:
        """Add what `other` has counted; who runs what stays as it is."""
        for slots, others in ((self.minute, other.minute), (self.day, other.day)):
            for number, counted in others.items():
                _add(slots, number, counted.requests, counted.tokens)

    def runs(self, process: str, requests: int, now: float) -> None:
        """`process` says how many it runs."""
        if requests > 0:
            self.running[process] = Running(requests, now)
        else:
            self.running.pop(process, None)

    def running_at(self, process: str) -> int:
        found = self.running.get(process)
        return found.requests if found else 0

    def requests_left(self, most: int, now: float) -> tuple[int, float]:
        """How many of `most` requests are left in this minute, and in how many seconds there is one more."""
        used = _sum(self.minute, "requests")
        wait = _wait(self.minute, MINUTE, now, "requests", max(1, used - most + 1)) if used else 0.0
        return max(0, most - used), wait

    def forget(self, now: float, process: str, alive: Collection[str] = ()) -> None:
        """Drop what is too long ago, and what dead processes ran. What is yet to come, by more than clocks differ, was
        counted before a clock was set back."""
        for slots, span in ((self.minute, MINUTE), (self.day, DAY)):
            oldest = int(now // span.width) - span.slots
            newest = int((now + LEASE) // span.width)
            for number in [number for number in slots if not oldest <= number <= newest]:
                del slots[number]
        stale = [id for id, one in self.running.items() if not now - LEASE < one.at <= now + LEASE]
        for id in stale:
            if id != process and id not in alive:
                del self.running[id]

    def _refusal(self, limits: RateLimits, tokens: int, now: float) -> Refused | None:
        if limits.concurrency is not None:
            running = sum([one.requests for one in self.running.values()]) + 1
            if running > limits.concurrency:
                return Refused("concurrency", limits.concurrency, running, _ONE_LESS)
        if limits.rpm is not None:
            asked = _sum(self.minute, "requests") + 1
            if asked > limits.rpm:
                wait = _wait(self.minute, MINUTE, now, "requests", asked - limits.rpm)
                return Refused("rpm", limits.rpm, asked, wait)
        of_tokens: tuple[tuple[Literal["tpm", "tpd"], int | None, Slots, Span], ...] = (
            ("tpm", limits.tpm, self.minute, MINUTE),
            ("tpd", limits.tpd, self.day, DAY),
        )
        for name, most, slots, span in of_tokens:
            if most is not None:
                asked = _sum(slots, "tokens") + tokens
                if asked > most:
                    return Refused(name, most, asked, _wait(slots, span, now, "tokens", asked - most))
        return None


def _add(slots: Slots, number: int, requests: int, tokens: int) -> None:
    slot = slots.get(number)
    if slot is None:
        slot = slots[number] = Counted()
    slot.requests += requests
    slot.tokens += tokens


def _sum(slots: Slots, name: Literal["requests", "tokens"]) -> int:
    return sum([slot.requests if name == "requests" else slot.tokens for slot in slots.values()])


def _wait(slots: Slots, span: Span, now: float, name: Literal["requests", "tokens"], excess: int) -> float:
    """Seconds until `excess` of `name` are out of sight; the whole span where they never will be."""
    for number in sorted(slots):
        excess -= _sum({number: slots[number]}, name)
        if excess <= 0:
            return (number + span.slots + 1) * span.width - now
    return span.width * (span.slots + 1)
