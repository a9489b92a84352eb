"""The HTTP client of one upstream: connections that are kept, requests that can be cut at once."""

from __future__ import annotations

import asyncio
import os
import ssl

import certifi

from moonbase.contract.tracing import Trace
from moonbase.engines.http.connection import Broken, Connection, NoConnection
from moonbase.engines.http.upstream import Upstream

_KEPT = 256
"""Idle connections that are kept."""
CONNECT_S = 10.0
SILENCE_S = 900.0
"""Seconds without a byte after which the hosted API gives up too (contract.md 4.2, 504)."""


class Reply:
    """A reply whose head has come; `read` gives its body. It is read within an `async with` block, and leaving that by
    an exception cuts the exchange."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.status = connection.status
        self.headers = connection.headers
        self.read = connection.read
        self.unwanted = False

    async def __aenter__(self) -> Reply:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._connection.finish(whole=kind is None and not self.unwanted)

    def cut(self) -> None:
        """Nothing more of it is wanted, and the upstream shall stop."""
        self.unwanted = True

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def whole(self, limit: int) -> bytes:
        """The body, or as much of it as is needed to see that it has more than `limit` bytes; raises `Broken`."""
        received = bytearray()
        while len(received) <= limit and (piece := await self.read()):
            received += piece
        return bytes(received)


class Client:
    """Requests to one upstream. Made outside of an event loop if need be; used within one."""

    def __init__(self, upstream: Upstream, *, connect_s: float = CONNECT_S, silence_s: float = SILENCE_S) -> None:
        self.upstream = upstream
        self._connect_s, self._silence_s = connect_s, silence_s
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._tls: ssl.SSLContext | None = None
        self._heads: dict[tuple[str, str, bool], bytes] = {}
        """Of each route: few are asked for."""

    async def close(self) -> None:
        for connection in list(self._open):
            connection.abort()
        self._open.clear()
        self._idle.clear()

    async def ask(
        self, method: str, route: str, body: bytes = b"", *, root: bool = False, trace: Trace | None = None
    ) -> Reply:
        """A reply, to be read or at least entered. Raises `Broken`."""
        head = self._head(method, route, root, len(body), b"" if trace is None else _lines(trace))
        return Reply(await self._exchange(head, body))

    def _head(self, method: str, route: str, root: bool, size: int, more: bytes) -> bytes:
        head = self._heads.get((method, route, root))
        if head is None:
            head = self._heads[method, route, root] = self.upstream.head(method, route, root=root)
        if method == "GET":
            return head + b"\r\n"
        return b"%bContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n" % (head, more, size)

    async def _exchange(self, head: bytes, body: bytes) -> Connection:
        """Send, and wait for the reply's head."""
        while True:
            connection = self._idle.pop() if self._idle else await self._connect()
            connection.send(head, body)
            try:
                await connection.head()
            except Broken as broken:
                connection.abort()
                if connection.used > 1 and not (broken.begun or connection.silent):
                    continue  # an idle connection that the upstream had closed before it saw this request
                raise
            except BaseException:
                connection.abort()
                raise
            return connection

    async def _connect(self) -> Connection:
        upstream = self.upstream
        try:
            async with asyncio.timeout(self._connect_s):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._keep, self._forget, silence=self._silence_s),
                    upstream.host,
                    upstream.port,
                    ssl=self._context() if upstream.tls else None,
                )
        except TimeoutError:
            raise NoConnection(f"no connection within {self._connect_s:g} seconds", begun=False) from None
        except (OSError, UnicodeError) as error:
            raise NoConnection(f"no connection: {_why(error)}", begun=False) from None
        self._open.add(connection)
        return connection

    def _context(self) -> ssl.SSLContext:
        """Trusts what this machine trusts, and the bundle of certifi where the machine has none."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.load_verify_locations(certifi.where())
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def _keep(self, connection: Connection) -> None:
        if connection in self._open and len(self._idle) < _KEPT:
            self._idle.append(connection)
        else:
            connection.abort()

    def _forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)


def _lines(trace: Trace) -> bytes:
    state = f"tracestate: {trace.state}\r\n" if trace.state else ""
    return f"traceparent: {trace.parent}\r\n{state}".encode()


def _why(error: OSError | UnicodeError) -> str:
    """asyncio puts the address in the place of the system's words, and TLS its own number in the place of theirs."""
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "verify_message", None) or (error.reason or str(error)).replace("_", " ").lower()
        return f"the TLS handshake failed: {reason}"
    number = error.errno if isinstance(error, OSError) else None
    if number is not None and number > 0:
        return os.strerror(number)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
