"""Blocking functions off the event loop, in threads of their own that nothing waits for when the server leaves."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """At most `limit` calls at once, those of all event loops together. One that never returns keeps its place, and so
    can starve no one but its like: a pool that is shared would be used up by it, and would keep the process from
    leaving."""

    def __init__(self, limit: int = 32) -> None:
        self._places = _Places(limit)

    async def run(self, call: Callable[[], T]) -> T:
        """What `call` returns or raises. When the caller is cancelled, the thread goes on and its result is dropped."""
        await self._places.taken()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[tuple[T | None, BaseException | None]] = loop.create_future()
        context = contextvars.copy_context()

        def finish(value: T | None, error: BaseException | None) -> None:
            if not done.done():
                done.set_result((value, error))

        def work() -> None:
            value, error = None, None
            try:
                value = context.run(call)
            except BaseException as raised:  # handed to the caller, whatever it is
                error = raised
            self._places.left()
            with suppress(RuntimeError):  # the loop is closed: whoever called has left
                loop.call_soon_threadsafe(finish, value, error)

        try:
            threading.Thread(target=work, name="moonbase-tool", daemon=True).start()
        except RuntimeError:  # the host gives no more threads
            self._places.left()
            raise
        value, error = await done
        if error is None:
            return value  # pyright: ignore[reportReturnType]  (no error: there is a value)
        if isinstance(error, Exception | SystemExit):
            raise error
        raise RuntimeError(f"the function raised {type(error).__name__}") from error


class _Places:
    """A semaphore whose places may be taken in one event loop and left from any thread, also when that loop is gone."""

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._free = limit
        self._line: deque[asyncio.Future[None]] = deque()

    async def taken(self) -> None:
        """Wait for a place, first come, first served."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._free:
                self._free -= 1
                return
            self._line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            with self._lock:
                waits = turn in self._line
                if waits:
                    self._line.remove(turn)
            if not waits:  # it was given a place in the same moment
                self.left()
            raise

    def left(self) -> None:
        """Give a place to whoever waits, or free it; from any thread."""
        with self._lock:
            while self._line:
                turn = self._line.popleft()
                # A loop that is closed has nobody who waits.
                with suppress(RuntimeError):
                    turn.get_loop().call_soon_threadsafe(_wake, turn)
                    return
            self._free += 1


def _wake(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
