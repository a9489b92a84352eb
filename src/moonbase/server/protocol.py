"""HTTP/1.1 as uvicorn reads it, and what that leaves open: bounds on a request's head, errors in the envelope."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from moonbase.contract.errors import ApiError, HeadTooLarge, InvalidRequest, RequestTimeout
from moonbase.server.app import CHAT, App
from moonbase.server.direct import DirectExchange
from moonbase.server.joining import Joining
from moonbase.server.journal import Entry
from moonbase.server.metrics import OTHER
from moonbase.server.unread import Unread
from moonbase.server.wire import LAST_LOOK, Scope, break_off, error_headers

MAX_HEAD = 64 * 1024
"""Bytes of a request line and its headers that may come after the first read; and of what stands between two pieces of
a body, and behind the last: sizes of chunks, their extensions, and trailers."""
_LINGER = 5.0
"""Seconds in which a client may still send what is not read any more."""

_UPGRADING = frozenset({b"upgrade", b"http2-settings"})
_DIRECT = CHAT.encode()
_ASKED = _DIRECT + b"?"


class Protocol(HttpToolsProtocol):
    """One connection. The platform's `patience` is how many seconds it may take to send a request's head, or to send
    none; `unread` those in which a client may take nothing of what is written to it. Chat completions are handed to
    `asked` without ASGI between, unless something of HTTP's rarer parts is wanted."""

    def __init__(self, *arguments: Any, asked: App, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._asked = asked
        self._patience, self._unread_s = asked.platform.patience, asked.platform.unread
        self._answering: DirectExchange | RequestResponseCycle | None = None
        """The one whose turn it is, or was last; `cycle` is the newest, which may wait behind it."""
        self._reading: DirectExchange | None = None
        """The one whose body is read; None where uvicorn reads it."""
        self._in_head = self._in_body = False
        self._head = self._counted = 0
        self._deaf = False
        """Whether what comes is dropped: it cannot be read, or the connection is to close."""
        self._leaving = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._joining = cast("asyncio.Transport", Joining(transport, self.loop, self._leave))
        self._unread = Unread(transport, self.loop, patience=self._unread_s, give_up=transport.abort)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._unread.end()
        if self._answering is not None:
            self._abandon(self._answering)
        if isinstance(self.cycle, DirectExchange):
            self.cycle = cast("Any", None)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread.begin()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread.end()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        self._counted = len(data) if self._in_head or self._in_body else 0
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._stay(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid request: what was sent is not an HTTP/1.1 request")
        else:
            self._bound()

    def on_message_begin(self) -> None:
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self._in_head, self._in_body = True, False
        self._head = -self._counted

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        self._reading = None
        if self._is_direct():
            self._reading = self._answering = self._begin_direct()
        elif not self.parser.should_upgrade():
            self._begin_asgi()
            self.headers = []  # where trailers come to, which are no headers of the request (RFC 9110, 6.5.1)
            if not self.pipeline:
                self._answering = self.cycle
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        self._head = -self._counted
        if self._reading is not None:
            self._reading.feed(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        if self._reading is not None:
            self._reading.end()
        elif not self.parser.should_upgrade():
            super().on_message_complete()

    def _is_direct(self) -> bool:
        return (
            (self.url == _DIRECT or self.url.startswith(_ASKED))
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() in ("1.1", "1.0")
            and not (self.expect_100_continue or self.parser.should_upgrade())
            and self._idle()
        )

    def _begin_direct(self) -> DirectExchange:
        modern = self.parser.get_http_version() == "1.1"
        exchange = DirectExchange(
            self.transport,
            self.flow,
            method="POST",
            path=CHAT,
            headers=self.headers,
            common=self.server_state.default_headers,
            keep_alive=modern and self.parser.should_keep_alive(),
            chunked=modern,
            close=self._leave,
            done=self.on_response_complete,
        )
        self.cycle = cast("Any", exchange)
        exchange.task = self.loop.create_task(self._answer(exchange))
        self.tasks.add(exchange.task)
        return exchange

    async def _answer(self, exchange: DirectExchange) -> None:
        try:
            await self._asked.answer(exchange)
        finally:
            self.tasks.discard(exchange.task)
            if not exchange.response_complete:
                self._leave()

    def _begin_asgi(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers  # in place: the scope has them too
        super().on_headers_complete()
        self.cycle.transport = self._joining

    def on_response_complete(self) -> None:
        if self._leaving:
            self.server_state.total_requests += 1
        else:
            if self.pipeline:
                self._answering = self.pipeline[-1][0]
            super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(InvalidRequest(msg))

    def _stay(self, rest: bytes) -> None:
        """Read a request that offers another protocol as if it did not; `rest` is what came after its head.

        RFC 9110, 7.8 lets a server ignore the offer, but the parser ends there and would lose the body. Java's HTTP
        client offers `h2c` with every first request.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("Invalid request: this server is no proxy")
            return
        head = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())]
        head += [b"%s: %s" % header for header in self.headers if header[0] not in _UPGRADING]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join([*head, b"", rest]))

    def _bound(self) -> None:
        """Refuse a head, or what is no body beside one, that grows without end; begin to wait where a head is due."""
        self._head += self._counted
        if (self._in_head or self._in_body) and self._head > MAX_HEAD:
            self._refuse(HeadTooLarge("Request header fields are too large"))
        elif self._timer is None and (self._in_head or self._idle()):
            self._wait()

    def _idle(self) -> bool:
        """Whether no answer is under way."""
        return self.cycle is None or self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self._patience, self._look_again)

    def _look_again(self) -> None:
        self._timer = self.loop.call_later(LAST_LOOK, self._waited)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _waited(self) -> None:
        if not self._idle():
            self._wait()  # the head of the next request is slow, but an answer is still on its way
        elif self._in_head:
            self._refuse(RequestTimeout("the request's headers did not come in time"))
        else:
            self.transport.close()

    def _refuse(self, error: ApiError) -> None:
        if self._in_body and self.pipeline:
            # It waits behind others, which are answered; nobody has begun with it.
            self.pipeline.popleft()
            self.cycle = self.pipeline[0][0] if self.pipeline else cast("Any", self._answering)
            self._in_body = False
        if not self._idle() and not (self._in_body and self._is_silent()):
            # It comes after a request whose answer is on its way, which is not torn.
            self._deaf, self.cycle.keep_alive = True, False
            return
        if not (self._in_body and self._idle()):
            self._write_refusal(error)
        self._linger(error)

    def _is_silent(self) -> bool:
        """Whether nothing has been written of the newest answer."""
        return isinstance(self.cycle, DirectExchange) or not self.cycle.response_started

    def _write_refusal(self, error: ApiError) -> None:
        body = error.encode()
        headers = [*self.server_state.default_headers, *error_headers(error)]
        if self._idle():  # else a request is under way, which has a line of its own
            entry = Entry("-", "-", status=error.status, error=error.type)
            headers += entry.headers()
            entry.write()
            self._asked.metrics.note(entry, OTHER)
        lines = [b"%s: %s\r\n" % header for header in headers]
        lines += [b"content-length: %d\r\n" % len(body), b"connection: close\r\n\r\n", body]
        self.transport.write(b"".join([STATUS_LINE[error.status], *lines]))

    def _leave(self) -> None:
        """Close, with all that was written sent."""
        if self._in_body or self._deaf:
            self._linger()
        else:
            self.transport.close()

    def _abandon(self, answering: DirectExchange | RequestResponseCycle, broken: ApiError | None = None) -> None:
        """Tell whoever answers that nobody is there for it any more; `broken` is what the client was told instead."""
        if isinstance(answering, DirectExchange):
            answering.lost(broken)
        else:
            if broken is not None:
                break_off(cast("Scope", answering.scope), broken)
            answering.disconnected = True
            answering.message_event.set()

    def _linger(self, broken: ApiError | None = None) -> None:
        """End the answers, and close when the client has seen that. To close while it sends would reset the connection,
        and it would lose what was answered last (RFC 9112, 9.6)."""
        if self._leaving or self.transport.is_closing():
            return
        self._deaf = self._leaving = True
        self._stop_waiting()
        if not self._idle() and self._answering is not None:
            self._abandon(self._answering, broken)
        self.flow.resume_reading()
        try:
            self.transport.write_eof()
        except (OSError, NotImplementedError):  # it is gone already, or speaks TLS
            self.transport.close()
        else:
            self._timer = self.loop.call_later(_LINGER, self.transport.close)
