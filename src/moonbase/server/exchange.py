"""One request and its answer, as handlers see them: what they need of a connection, and that over ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from moonbase.server.wire import (
    Headers,
    Message,
    Receive,
    Scope,
    Send,
    disconnected,
    header,
    header_values,
    read_body,
    this_task,
)


class Exchange(Protocol):
    """Writing does not wait: `start` and any number of `write`, then `finish`; or `respond` alone. Whoever writes much
    looks at `full` and waits with `drain`. To a client that has left nothing is written, which is no failure."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def task(self) -> asyncio.Task[None]:
        """The one that answers it."""
        ...

    def header(self, name: bytes) -> str | None:
        """The last value of a request header; `name` in lower case."""
        ...

    def values(self, name: bytes) -> list[str]:
        """Every value of a request header; `name` in lower case."""
        ...

    async def read(self, *, limit: int, patience: float) -> bytes:
        """The whole body; raises as `wire.read_body` does."""
        ...

    def watch(self, leave: Callable[[], None]) -> None:
        """Call `leave` once when the client goes away, until `unwatch`. The body must have been read."""
        ...

    def unwatch(self) -> None: ...

    def respond(self, status: int, body: bytes, headers: Headers) -> None:
        """One whole answer, with its length."""
        ...

    def start(self, status: int, headers: Headers) -> None:
        """The head of an answer that comes in pieces. It leaves with the first of them."""
        ...

    def write(self, data: bytes) -> None: ...

    def finish(self, data: bytes) -> None:
        """The last piece."""
        ...

    @property
    def full(self) -> bool:
        """Whether the client reads more slowly than it is written to."""
        ...

    async def drain(self) -> None:
        """Wait until there is room again."""
        ...


class AsgiExchange:
    """An exchange over the callables of ASGI, whose `send` may wait: what is written goes there one by one."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.task = this_task()
        self._waiting: list[Message] = []
        self._sender: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None

    def header(self, name: bytes) -> str | None:
        return header(self.scope, name)

    def values(self, name: bytes) -> list[str]:
        return header_values(self.scope["headers"], name)

    async def read(self, *, limit: int, patience: float) -> bytes:
        return await read_body(self.scope, self.receive, limit=limit, patience=patience)

    def watch(self, leave: Callable[[], None]) -> None:
        self._watcher = asyncio.create_task(disconnected(self.receive, leave))

    def unwatch(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()

    def respond(self, status: int, body: bytes, headers: Headers) -> None:
        self.start(status, [*headers, (b"content-length", b"%d" % len(body))])
        self.finish(body)

    def start(self, status: int, headers: Headers) -> None:
        self._queue({"type": "http.response.start", "status": status, "headers": headers})

    def write(self, data: bytes) -> None:
        self._queue({"type": "http.response.body", "body": data, "more_body": True})

    def finish(self, data: bytes) -> None:
        self._queue({"type": "http.response.body", "body": data, "more_body": False})

    @property
    def full(self) -> bool:
        return bool(self._waiting)

    async def drain(self) -> None:
        if self._sender is not None:
            await asyncio.wait((self._sender,))  # whoever is cancelled here does not cancel what is being sent
            self._sender.result()

    def _queue(self, message: Message) -> None:
        self._waiting.append(message)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while self._waiting:
            await self.send(self._waiting[0])
            del self._waiting[0]
