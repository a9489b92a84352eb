"""How many callers wait for an answer, for work that is to stand behind them."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Traffic:
    """Entered with each request that somebody waits for. Of one event loop."""

    def __init__(self) -> None:
        self._under_way = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    def __enter__(self) -> None:
        self._under_way += 1
        self._quiet.clear()

    def __exit__(self, *raised: object) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._quiet.set()

    async def quiet(self, patience: float) -> None:
        """Wait until nobody does; for `patience` seconds, so that who never comes to rest holds up nothing for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._quiet.wait()
