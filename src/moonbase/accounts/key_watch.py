"""A key file that changes while the server runs: keys come and go without a restart."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from moonbase.accounts.keys import KeyRing, read_key_file
from moonbase.contract.errors import SettingsError

logger = logging.getLogger("moonbase.accounts")

EVERY_S = 2.0
Mark = tuple[int, int, int] | None


class KeyWatch:
    """Looks at the key file `path` every few seconds, and has `ring` hold its keys beside `others`. One that is gone or
    wrong changes nothing, and one that has changed is taken when it has rested: it may be half written."""

    def __init__(
        self,
        ring: KeyRing,
        path: Path,
        others: Sequence[str] = (),
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ring, self._path, self._others, self._pause = ring, path, others, pause
        self._taken = self._seen = _mark(path)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        while True:
            await self._pause(EVERY_S)
            self.look()

    def look(self) -> None:
        """Take the keys of the file, if it is another than it was, and the same as at the last look."""
        before, self._seen = self._seen, _mark(self._path)
        if self._seen == self._taken or self._seen != before:
            return
        self._taken = self._seen
        try:
            keys = read_key_file(self._path)
        except SettingsError as error:
            logger.error("the keys stay as they were: %s", error)
            return
        added, removed = self._ring.hold([*self._others, *keys])
        logger.warning("the key file has changed: %d keys are new, %d no longer valid", added, removed)


def _mark(path: Path) -> Mark:
    """What tells a file from what it was; None where there is none. Links are followed: secrets that are mounted into a
    container change so."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
