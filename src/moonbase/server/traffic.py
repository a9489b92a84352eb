"""How many callers wait for an answer, for work that is to stand behind them."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Traffic:
    """Entered with each request that somebody waits for. Of one event loop."""

    def __init__(self) -> None:
        self.under_way = 0
        self._quiet: asyncio.Event | None = None
        """Set when nobody waits any more; None where no one wants to know."""

    def __enter__(self) -> None:
        self.under_way += 1

    def __exit__(self, *raised: object) -> None:
        self.under_way -= 1
        if self._quiet is not None and not self.under_way:
            self._quiet.set()
            self._quiet = None

    async def quiet(self, patience: float) -> None:
        """Wait until nobody does; for `patience` seconds, so that who never comes to rest holds up nothing for ever."""
        if not self.under_way:
            return
        self._quiet = quiet = self._quiet or asyncio.Event()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await quiet.wait()
