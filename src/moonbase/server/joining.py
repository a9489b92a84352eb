"""One write for the head of a response and the beginning of its body: one system call less, and one segment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_LARGE = 64 * 1024
"""Bytes of a body beyond which copying them would cost more than a second write."""


class Joining:
    """A connection's transport, as responses write to it, and `close`, for when they are done with it. A head waits for
    what follows it, but never longer than the event loop's turn."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, close: Callable[[], None]
    ) -> None:
        self._transport, self._close = transport, close
        self._loop = loop
        self._head = b""

    def write(self, data: bytes) -> None:
        if not self._head and data.startswith(b"HTTP/1.1 "):
            self._head = data
            self._loop.call_soon(self._flush)
        elif self._head and len(data) <= _LARGE:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        else:
            self._flush()
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)
