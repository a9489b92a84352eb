"""Who may begin a request now: the quotas of every key, kept by one process alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from moonbase.accounts.limits import Admitted, RateLimits, Refused
from moonbase.accounts.quota import Quota

ALONE = "alone"
"""The name of a process that shares with none."""

_MANY = 10_000
"""Keys from which on those are forgotten that have nothing to remember."""


class Left(NamedTuple):
    """Requests that may still be made in this minute, of how many, and in how many seconds there is one more."""

    most: int
    requests: int
    wait: float


class Quotas(Protocol):
    """Who may begin a request. `owner` is the caller's id that `KeyRing.authenticate` gives."""

    @property
    def limits(self) -> RateLimits: ...

    async def admit(self, owner: str, tokens: int) -> Admitted | Refused:
        """A request of `tokens` begins; `release` follows unless it is refused."""
        ...

    def release(self, owner: str, admitted: Admitted, tokens: int) -> None:
        """A request has ended. It counts `tokens` more than it was admitted with, or, below zero, less."""
        ...

    async def released(self, owner: str) -> None:
        """Wait until all who decide know what `owner` has released; not for long."""
        ...

    def left(self, owner: str) -> Left | None:
        """None where the requests of a minute are not limited."""
        ...


class LocalQuotas:
    """In memory: a server that starts again has forgotten. `clock` gives Unix time in seconds."""

    def __init__(self, limits: RateLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        self._quotas: dict[str, Quota] = {}

    async def admit(self, owner: str, tokens: int) -> Admitted | Refused:
        quota = self._quotas.get(owner)
        if quota is None:
            self._make_room()
            quota = self._quotas[owner] = Quota()
        return quota.admit(self.limits, tokens, self._clock(), ALONE, (ALONE,))

    def release(self, owner: str, admitted: Admitted, tokens: int) -> None:
        quota = self._quotas.get(owner)
        if quota is None:
            return  # forgotten, so what it asked for is too long ago to count
        quota.runs(ALONE, quota.running_at(ALONE) - 1, self._clock())
        if tokens:
            quota.count(self.limits, admitted.at, 0, tokens)

    async def released(self, owner: str) -> None:
        pass

    def left(self, owner: str) -> Left | None:
        return left_of(self._quotas.get(owner), self.limits, self._clock())

    def _make_room(self) -> None:
        """A server without keys takes any: what strangers leave behind must not grow for ever."""
        if len(self._quotas) < _MANY:
            return
        for quota in self._quotas.values():
            quota.forget(self._clock(), ALONE)
        self._quotas = {
            owner: quota for owner, quota in self._quotas.items() if quota.minute or quota.day or quota.running
        }


def left_of(quota: Quota | None, limits: RateLimits, now: float) -> Left | None:
    if limits.rpm is None:
        return None
    requests, wait = (quota or Quota()).requests_left(limits.rpm, now)
    return Left(limits.rpm, requests, wait)
