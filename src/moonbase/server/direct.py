"""An exchange straight on its connection: what ASGI would pass on as messages is called, and one write is one write.

For the one route whose cost is felt. uvicorn's protocol takes it for a cycle of its own, and reads and sets what is
grouped so below.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from io import BytesIO

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from moonbase.contract.errors import ApiError
from moonbase.server.wire import Headers, check_announced, header_values, in_time, left_early, too_large

_LARGE = 64 * 1024
"""Bytes of a body beyond which copying them would cost more than a second piece in the write."""
_AHEAD = 256 * 1024
"""Bytes of a body that may come before its handler asks for them. A read of uvloop is smaller, so that most bodies are
whole before the socket would have to be left alone, which takes two system calls."""

_CLOSE = (b"connection", b"close")
_CHUNKED = b"transfer-encoding: chunked\r\n"


class DirectExchange:
    """See `Exchange`. `common`: the headers of every answer; `chunked`: whether an answer in pieces comes in chunks, or
    ends with the connection, as HTTP/1.0 has it. When the answer is complete, `done` is called, and before it `close`
    where no request may follow."""

    def __init__(
        self,
        transport: asyncio.Transport,
        flow: FlowControl,
        *,
        method: str,
        path: str,
        headers: Headers,
        common: Headers,
        keep_alive: bool,
        chunked: bool,
        close: Callable[[], None],
        done: Callable[[], None],
    ) -> None:
        self.method, self.path = method, path
        self._transport, self._flow, self._close, self._done = transport, flow, close, done
        self._sent, self._headers, self._common, self._chunked = headers, dict(headers), common, chunked
        self._piece, self._pieces, self._size = b"", BytesIO(), 0
        self._whole = self._reading = False
        self._more: asyncio.Future[None] | None = None
        self._leave: Callable[[], None] | None = None
        self._broken: ApiError | None = None
        self._head = b""
        self.task: asyncio.Task[None]
        # What uvicorn's protocol asks of a cycle.
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False

    # What the connection tells of.

    def feed(self, piece: bytes) -> None:
        """More of the body."""
        if self.response_complete:
            return  # it was refused before it was whole
        if self._size:
            if self._piece:
                self._pieces.write(self._piece)
                self._piece = b""
            # Grows in place: joining 100 MB at the end would hold up the loop for a tenth of a second.
            self._pieces.write(piece)
        else:
            self._piece = piece
        self._size += len(piece)
        if self._size > _AHEAD and not self._reading:
            self._flow.pause_reading()
        self._wake()

    def end(self) -> None:
        """The body is whole."""
        self._whole = True
        self._wake()

    def lost(self, broken: ApiError | None = None) -> None:
        """The connection is no more; `broken`: because of what came there."""
        self.disconnected, self._broken = True, self._broken or broken
        self._wake()
        if self._leave is not None:
            self._leave()

    # What handlers do.

    def header(self, name: bytes) -> str | None:
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1")

    def values(self, name: bytes) -> list[str]:
        return header_values(self._sent, name)

    async def read(self, *, limit: int, patience: float) -> bytes:
        check_announced(self.header(b"content-encoding"), self.header(b"content-length"), limit=limit)
        self._reading = True
        while not self._whole and self._size <= limit:
            if self.disconnected:
                raise self._broken or left_early()
            self._flow.resume_reading()
            await in_time(partial(self._more_than, self._size), patience)
        if self._size > limit:
            raise too_large()
        return self._piece or self._pieces.getvalue()

    async def _more_than(self, size: int) -> None:
        """Until the body has more than `size` bytes, is whole, or will never be."""
        if self._size == size and not self._whole and not self.disconnected:
            self._more = asyncio.get_running_loop().create_future()
            await self._more

    def watch(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        if self.disconnected:
            leave()

    def unwatch(self) -> None:
        self._leave = None

    def respond(self, status: int, body: bytes, headers: Headers) -> None:
        if not self.disconnected:
            head = self._head_of(status, [*headers, (b"content-length", b"%d" % len(body))])
            if len(body) <= _LARGE:
                self._transport.write(head + body)
            else:
                self._transport.writelines((head, body))
            self._complete()

    def start(self, status: int, headers: Headers) -> None:
        self._head = self._head_of(status, headers, _CHUNKED if self._chunked else b"")

    def write(self, data: bytes) -> None:
        if data and not self.disconnected:
            framed = b"%b%x\r\n%b\r\n" % (self._head, len(data), data) if self._chunked else self._head + data
            self._transport.write(framed)
            self._head = b""

    def finish(self, data: bytes) -> None:
        if not self.disconnected:
            if self._chunked:
                data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
            self._transport.write(self._head + data)
            self._complete()

    @property
    def full(self) -> bool:
        return self._flow.write_paused and not self.disconnected

    async def drain(self) -> None:
        await self._flow.drain()

    def _head_of(self, status: int, headers: Headers, last: bytes = b"") -> bytes:
        if _CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            headers = [*headers, _CLOSE]
        lines = [b"%b: %b\r\n" % header for header in (*self._common, *headers)]
        return b"".join([STATUS_LINE[status], *lines, last, b"\r\n"])

    def _complete(self) -> None:
        self.response_complete = True
        if not self.keep_alive:
            self._close()
        self._done()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
