"""A connection that tells of each request that comes whole, and can be broken off from inside of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from moonbase.server.protocol import Protocol
from moonbase.testing.requests import Request, read_request

_ANSWERED: ContextVar[asyncio.Transport] = ContextVar("answered")
"""The connection of the request that a task answers."""


def hang_up() -> bool:
    """Close the connection whose request the current task answers, with all that was written sent; whether there is
    one."""
    transport = _ANSWERED.get(None)
    if transport is not None:
        transport.close()
    return transport is not None


class HeardProtocol(Protocol):
    """`heard` is told of requests before they are answered."""

    def __init__(self, *arguments: Any, heard: Callable[[Request], None], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._heard = heard
        self._begun = b"", b"", list[tuple[bytes, bytes]]()
        self._pieces: list[bytes] = []

    def on_headers_complete(self) -> None:
        self._begun = self.parser.get_method(), self.url, list(self.headers)
        self._pieces.clear()
        _ANSWERED.set(self.transport)  # the task that answers inherits it
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():  # then it is read again, without the offer
            self._heard(read_request(*self._begun, b"".join(self._pieces)))
        super().on_message_complete()
