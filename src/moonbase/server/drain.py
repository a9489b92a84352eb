"""Leaving gracefully: answers in flight get a while to finish, then end with a reason that says why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Cut = Callable[[], None]


class Drain:
    """`announce` says that the server leaves; `linger` seconds later it takes no more requests. `begin` starts the
    clock then; when `seconds` have passed, every answer still watched is cut."""

    def __init__(self, seconds: float, *, linger: float = 0.0) -> None:
        self.seconds, self.linger = seconds, linger
        self._cuts: set[Cut] = set()
        self._begun = False
        self.draining = False
        self.expired = False

    def announce(self) -> None:
        self.draining = True

    def begin(self) -> None:
        """Call from the event loop's thread; a second call changes nothing."""
        self.draining = True
        if not self._begun:
            self._begun = True
            asyncio.get_running_loop().call_later(self.seconds, self._expire)

    def watch(self, cut: Cut) -> Cut:
        """From now on `cut` is called when the time is up, until `unwatch` is told of it. It must not be up yet."""
        self._cuts.add(cut)
        return cut

    def unwatch(self, cut: Cut) -> None:
        self._cuts.discard(cut)

    def _expire(self) -> None:
        self.expired = True
        for cut in list(self._cuts):
            cut()
