"""One HTTP/1.1 connection to an upstream: bytes to pieces of a body, with nothing between the socket and its reader.

httptools parses; docs/decisions/0007-http-client.md has the measurements that led here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

from moonbase.engines.http.keepalive import has_vanished, keep_alive

HIGH_WATER = 256 * 1024
"""Bytes that may wait for a slow reader before the socket is left unread, and the upstream has to wait."""
MAX_HEAD = 64 * 1024
_LARGE = 32 * 1024
"""Bytes of a body beyond which copying them would cost more than a second piece in the write."""
_GRACE = 1.0
"""Seconds in which a body whose end is known by its content may end by HTTP's rules, to keep the connection."""


_REST = 4096
"""Bytes that may still come in that while."""


class Broken(Exception):
    """The connection failed, or what came is not HTTP. `begun`: something of the reply had come."""

    def __init__(self, reason: str, *, begun: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.begun = begun


class NoConnection(Broken):
    """There was none to begin with: nothing has been sent."""


class Connection(asyncio.Protocol):
    """Speaks with one upstream, one exchange at a time: `send`, `head`, `read` until it is empty, `finish`.

    `on_idle` is told when it can take another request, `on_lost` when it never will. `silence` is how many seconds
    may pass without a byte while one is due.
    """

    def __init__(
        self, on_idle: Callable[[Connection], None], on_lost: Callable[[Connection], None], *, silence: float
    ) -> None:
        self._on_idle, self._on_lost, self._silence = on_idle, on_lost, silence
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._lost: str | None = None
        self._broken: str | None = None
        self.used = 0
        """Exchanges so far; a reused connection may turn out to have been closed by the upstream meanwhile."""
        self.silent = False
        """It was given up because nothing came."""
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._size = self._head_size = 0
        self._paused = self._begun = self._headed = self._complete = self._leaving = False
        self._sized = self._kept = False
        self.status = 0
        self.headers: dict[str, str] = {}

    def send(self, head: bytes, body: bytes = b"") -> None:
        """Begin an exchange."""
        self._reset()
        self.used += 1
        if self._transport is None or self._lost is not None:
            return  # whoever reads is told
        if len(body) < _LARGE:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        self._touch()
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._check)

    async def head(self) -> None:
        """Wait for `status` and `headers` (names in lower case); raises `Broken`."""
        while not self._headed:
            self._raise_broken()
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    async def read(self) -> bytes:
        """What has come of the body since, empty at its end; raises `Broken` when it ends before its end."""
        while not self._pieces:
            if self._complete:
                return b""
            if self._broken or self._lost:
                self._raise_broken()
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        pieces, self._pieces, self._size = self._pieces, [], 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._touch()
            self._transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def finish(self, *, whole: bool) -> None:
        """The reader is done. `whole`: with all that it wanted, so the connection may serve again; otherwise it is cut,
        which the upstream sees at once."""
        if self._complete:
            self._rest()
        elif not whole or self._lost is not None:
            self.abort()
        elif not self._leaving:
            self._leaving, self._size = True, 0
            self._loop.call_later(_GRACE, self._still_leaving, self.used)

    def abort(self) -> None:
        self._lost = self._lost or "it was closed"
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    # What the transport and the parser call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods without the base class.
        self._transport = cast("asyncio.Transport", transport)
        if (sock := transport.get_extra_info("socket")) is not None:
            keep_alive(sock)

    def connection_lost(self, exc: Exception | None) -> None:
        self.silent = self.silent or has_vanished(exc)
        self._lost = self._lost or ("its host does not answer any more" if self.silent else "it was closed")
        if self._headed and not (self._sized or self._complete or self._broken) and exc is None:
            self._complete = True  # RFC 9112, 6.3: a body without a length ends with its connection
        self._stop_timer()
        self._on_lost(self)
        self._wake()

    def data_received(self, data: bytes) -> None:
        self._begun = True
        self._deadline = self._loop.time() + self._silence
        if not self._headed:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._break("what it sent is not HTTP/1.1")
        except httptools.HttpParserUpgrade:
            self._break("it changed the protocol")
        if not self._headed and self._head_size > MAX_HEAD:
            self._break("the head of its reply is too large")
        if self._waiter is not None:
            self._wake()

    def on_message_begin(self) -> None:
        if self._complete:
            raise ValueError("a reply that nobody asked for")  # the parser gives up, and so does `data_received`
        self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._headed = self.status >= 200
        self._kept = bool(self._parser.should_keep_alive())
        self._sized = "content-length" in self.headers or "transfer-encoding" in self.headers

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._leaving:
            if self._size > _REST:
                self.abort()
            return
        self._pieces.append(body)
        if self._size > HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if not self._headed:
            return  # an interim reply
        self._complete = True  # the timer stays: the next exchange moves its deadline, and needs none of its own
        if self._leaving:
            self._rest()

    def _rest(self) -> None:
        """Ready for another exchange, where the upstream keeps the connection."""
        if self._lost is None and self._broken is None and self._kept:
            self._on_idle(self)
        else:
            self.abort()

    def _still_leaving(self, exchange: int) -> None:
        if self._leaving and not self._complete and self.used == exchange:
            self.abort()

    def _raise_broken(self) -> None:
        reason = self._broken or (self._lost and f"the connection ended: {self._lost}")
        if reason:
            raise Broken(reason, begun=self._begun)

    def _break(self, reason: str) -> None:
        self._broken = self._broken or reason
        if self._transport is not None:
            self._transport.abort()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _touch(self) -> None:
        self._deadline = self._loop.time() + self._silence

    def _check(self) -> None:
        """One timer for exchanges one after the other: requests and bytes only move its deadline."""
        self._timer = None
        if self._complete or self._lost is not None:
            return
        if self._paused:
            self._touch()  # it is this side that does not read
        if self._deadline <= self._loop.time():
            self.silent = True
            self._break(f"it was silent for {self._silence:g} seconds")
            self._wake()
        else:
            self._timer = self._loop.call_at(self._deadline, self._check)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
