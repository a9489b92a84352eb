"""A batch watched until it has ended, also over a server that is away for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from moonbase.cli.batching.told import Batches, Known, Told
from moonbase.cli.exits import Unusable
from moonbase.cli.terminal.safe import safe_line
from moonbase.cli.terminal.screen import Screen
from moonbase.contract.errors import ApiError, QuotaExceeded, RateLimited

_SOONEST, _LATEST, _SHARE = 0.2, 5.0, 0.1
"""Seconds between two looks: a tenth of the time that it has taken, within bounds."""
_PATIENCE = 600.0
"""Seconds that a server may be away: a batch goes on when it is back."""
_STEP = 10
"""Percent between two lines, where there is no terminal."""


class Watch:
    """Tells of a batch on `screen`. `pause` waits so many seconds, `clock` is in seconds."""

    def __init__(
        self,
        batches: Batches,
        screen: Screen,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._batches, self._screen, self._pause, self._clock = batches, screen, pause, clock
        self._said: tuple[str, int] | None = None
        self._complained = False

    async def until_ended(self, batch: Known) -> Known:
        """Raises `Unusable` where the server stays away, and what it refuses."""
        began = seen = self._clock()
        try:
            while not batch.told.ended:
                self._tell(batch.told)
                await self._pause(min(max((self._clock() - began) * _SHARE, _SOONEST), _LATEST))
                try:
                    batch = await self._batches.get(batch.told.id)
                    seen = self._clock()
                    self._complained = False
                except (Unusable, ApiError) as error:
                    if not _passes(error) or self._clock() - seen > _PATIENCE:
                        raise
                    self._complain(error)
        finally:
            self._screen.clear()
        return batch

    def _tell(self, batch: Told) -> None:
        counts = batch.counts
        done = counts.completed + counts.failed
        line = f"{batch.id}: {standing(batch)}"
        self._screen.status(line)
        reached = (batch.status, done * 100 // counts.total // _STEP if counts.total else 0)
        if not self._screen.terminal and reached != self._said:
            self._said = reached
            self._screen.write(f"{safe_line(line)}\n")

    def _complain(self, error: Exception) -> None:
        """Once, each time that the server goes away."""
        if not self._complained:
            self._complained = True
            self._screen.write(f"{safe_line(str(error))}; the batch stays there, and is asked for again\n")


def standing(batch: Told) -> str:
    """Its status, and how far it is."""
    return ", ".join(filter(None, (batch.status, answered(batch))))


def answered(batch: Told) -> str:
    """How far it is, as soon as its requests have been counted."""
    counts = batch.counts
    failed = f", {counts.failed:,} failed" if counts.failed else ""
    return f"{counts.completed:,} of {counts.total:,} answered{failed}" if counts.total else ""


def _passes(error: Unusable | ApiError) -> bool:
    """Whether asking again may help."""
    if isinstance(error, ApiError):
        return error.status >= 500 or (error.status == RateLimited.status and not isinstance(error, QuotaExceeded))
    return True
