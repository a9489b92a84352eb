"""A client that takes nothing of what is written to it is not waited for without end."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable

try:
    import fcntl
    import termios
except ImportError:  # Windows
    fcntl = termios = None

logger = logging.getLogger("moonbase.server")


class Unread:
    """Watches a connection from `begin`, when more waits to be written than should, to `end`, when there is room again.
    `give_up` is called when nothing was taken for `patience` seconds."""

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        *,
        patience: float,
        give_up: Callable[[], None],
    ) -> None:
        self._transport, self._loop, self._patience, self._give_up = transport, loop, patience, give_up
        self._timer: asyncio.Handle | None = None
        self._waiting = 0

    def begin(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_soon(self._wait)  # the rest of what is being written counts too

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._waiting = self._untaken()
        self._timer = self._loop.call_later(self._patience, self._look)

    def _look(self) -> None:
        if self._untaken() < self._waiting:
            self._wait()
        else:
            logger.info("a client has taken nothing of its answer for %g seconds and is left", self._patience)
            self._give_up()

    def _untaken(self) -> int:
        """Bytes that are written and not taken, those included that the system keeps: it may keep megabytes, and then
        asks for more only once a third of them is gone."""
        return self._transport.get_write_buffer_size() + _kept(self._transport)


def _kept(transport: asyncio.Transport) -> int:
    sock = transport.get_extra_info("socket")
    if fcntl is None or termios is None or sock is None:
        return 0
    try:
        return struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
    except OSError:  # a system that does not say it of sockets
        return 0
