"""The little of ASGI that the server needs: reading a body within bounds, answering, and noticing a client leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, MutableMapping
from contextlib import aclosing, suppress
from io import BytesIO
from typing import Any, TypeVar

from moonbase.contract.errors import ApiError, ClientClosed, InvalidRequest, RequestTimeout, RequestTooLarge

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
T = TypeVar("T")

Headers = list[tuple[bytes, bytes]]

OFF_LOOP_BYTES = 1 << 20
"""A body beyond this takes longer to make sense of than other requests should wait."""

JSON: tuple[bytes, bytes] = (b"content-type", b"application/json; charset=utf-8")
EVENT_STREAM: tuple[bytes, bytes] = (b"content-type", b"text/event-stream; charset=utf-8")
NO_CACHE: tuple[bytes, bytes] = (b"cache-control", b"no-cache")
AT_ONCE: tuple[bytes, bytes] = (b"x-accel-buffering", b"no")
"""nginx passes each frame on as it comes, instead of some kilobytes of them at a time
(https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering)."""
PATIENCE = 60.0
"""Seconds that a client may be silent in the middle of its request."""
_BROKEN = "moonbase.broken"
LAST_LOOK = 0.01
"""Seconds more, in which the event loop reads what has come. Where it was held up, that lay there unread, and the
client was not silent at all."""


def header_values(headers: Headers, name: bytes) -> list[str]:
    """Every value of a header; `name` in lower case."""
    return [value.decode("latin-1") for key, value in headers if key == name]


def header(scope: Scope, name: bytes) -> str | None:
    """The last value of a request header; `name` in lower case."""
    values = header_values(scope["headers"], name)
    return values[-1] if values else None


async def body_pieces(
    scope: Scope, receive: Receive, *, limit: int, patience: float = PATIENCE
) -> AsyncGenerator[bytes, None]:
    """The body as it comes; raises `RequestTooLarge` beyond `limit` bytes, `ClientClosed` when the client left,
    `RequestTimeout` when it fell silent for `patience` seconds, and `InvalidRequest` for a compressed body."""
    check_announced(header(scope, b"content-encoding"), header(scope, b"content-length"), limit=limit)
    size = 0
    while True:
        message = await in_time(receive, patience)
        if message["type"] == "http.disconnect":
            raise scope.get(_BROKEN) or left_early()
        body: bytes = message.get("body", b"")
        size += len(body)
        if size > limit:
            raise too_large()
        yield body
        if not message.get("more_body", False):
            return


async def read_body(scope: Scope, receive: Receive, *, limit: int, patience: float = PATIENCE) -> bytes:
    """The whole body; raises as `body_pieces` does."""
    # Grows in place: joining 100 MB at the end would hold up the loop for a tenth of a second.
    whole = BytesIO()
    async with aclosing(body_pieces(scope, receive, limit=limit, patience=patience)) as pieces:
        async for piece in pieces:
            whole.write(piece)
    return whole.getvalue()


async def off_loop(work: Callable[[], T], *, size: int) -> T:
    """What `work` makes of a body of `size` bytes; done in a thread where it would hold up the loop."""
    return await asyncio.to_thread(work) if size > OFF_LOOP_BYTES else work()


def check_announced(encoding: str | None, length: str | None, *, limit: int) -> None:
    """What the headers of a body say of it, before it is read; raises as `body_pieces` does."""
    if encoding is not None and encoding.strip().lower() not in ("", "identity"):
        raise InvalidRequest(f"Invalid request: the body has the content-encoding {encoding[:40]!r}; send it as it is")
    if length is not None and length.isdigit() and int(length) > limit:
        raise too_large()


def too_large() -> RequestTooLarge:
    return RequestTooLarge("Request exceeds the maximum size")


def left_early() -> ClientClosed:
    return ClientClosed("the client closed the connection before its request was whole")


def left() -> ClientClosed:
    return ClientClosed("the client closed the connection before its answer was whole")


async def in_time(more: Callable[[], Awaitable[T]], patience: float) -> T:
    """What comes next of a body, which `more` waits for; raises `RequestTimeout` where nothing does."""
    for seconds in (patience, LAST_LOOK):
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await more()
    raise RequestTimeout("the request's body did not come in time", headers={"Connection": "close"})


def error_headers(error: ApiError) -> Headers:
    extra = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in error.headers.items()]
    return [JSON, *extra]


def break_off(scope: Scope, error: ApiError) -> None:
    """What is read of this request's body ends with `error`: who sent it was told so, and did not just leave."""
    scope[_BROKEN] = error


class Interruptible:
    """Inside, `interrupt` ends what `task`, the one that enters, awaits; from a callback of its loop, and its error is
    raised instead."""

    __slots__ = ("_error", "_task")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self._error: Exception | None = None

    def interrupt(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
            self._task.cancel()

    def __enter__(self) -> Callable[[Exception], None]:
        return self.interrupt

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._error is not None and isinstance(error, asyncio.CancelledError) and self._task.uncancel() == 0:
            raise self._error from None


def this_task() -> asyncio.Task[Any]:
    """Asks the system for the process's number each time: whoever knows the task by other means is better off."""
    task = asyncio.current_task()
    assert task is not None
    return task


async def until_disconnect(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Run `work`; when the client goes away it is cancelled and `ClientClosed` raised."""
    with Interruptible(this_task()) as interrupt:
        leaving = asyncio.create_task(disconnected(receive, lambda: interrupt(left())))
        try:
            return await work
        finally:
            leaving.cancel()


async def disconnected(receive: Receive, leave: Callable[[], None]) -> None:
    """Call `leave` when the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    leave()
