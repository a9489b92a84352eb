"""Something that is opened for the first who needs it, shared by all who do, and closed behind the last."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Generic, TypeVar

from moonbase.contract.errors import SettingsError

T = TypeVar("T")


class _Lent(Generic[T]):
    """What one event loop has of it."""

    def __init__(self) -> None:
        self.borrowers = 0
        self.lock = asyncio.Lock()
        self.stack = AsyncExitStack()
        self.thing: T | None = None


class Lending(Generic[T]):
    """`open` opens it; each event loop has its own, for connections belong to one. `alone`: there is one thing alone
    that can be opened, and this is what a second event loop is told."""

    def __init__(self, open: Callable[[], AbstractAsyncContextManager[T]], *, alone: str | None = None) -> None:
        self._open, self._alone = open, alone
        self._lent: dict[asyncio.AbstractEventLoop, _Lent[T]] = {}
        self._lock = threading.Lock()

    @asynccontextmanager
    async def borrowed(self) -> AsyncGenerator[T]:
        """It, open within this block. Raises what opening it raises, and `SettingsError` where another event loop has
        what there is one of."""
        loop = asyncio.get_running_loop()
        with self._lock:
            others = [each for each in self._lent if each is not loop and not each.is_closed()]
            if others and self._alone is not None:
                raise SettingsError(self._alone)
            lent = self._lent.setdefault(loop, _Lent())
            lent.borrowers += 1
        try:
            async with lent.lock:
                if lent.thing is None:
                    lent.thing = await lent.stack.enter_async_context(self._open())
                thing = lent.thing
            yield thing
        finally:
            lent.borrowers -= 1
            if not lent.borrowers:
                await self._return(loop, lent)

    async def _return(self, loop: asyncio.AbstractEventLoop, lent: _Lent[T]) -> None:
        """Close it. Whoever comes meanwhile waits, and opens it anew: what is opened may be one thing, such as an
        engine, that cannot start before it has stopped."""
        async with lent.lock:
            if lent.borrowers:
                return
            lent.thing = None
            try:
                await lent.stack.aclose()
            finally:
                with self._lock:
                    if not lent.borrowers and self._lent.get(loop) is lent:
                        del self._lent[loop]
