"""The answer to a request of a batch: an exchange without a connection, which keeps what is answered."""

from __future__ import annotations

from collections.abc import Callable

from moonbase.server.wire import Headers, this_task


class BatchExchange:
    """Of the task that makes it. The answer is whole: `status` and `body`. Satisfies `exchange.Exchange`."""

    method = "POST"
    path = "/v1/chat/completions"
    full = False

    def __init__(self) -> None:
        self.task = this_task()
        self.status = 0
        self.body = b""

    def header(self, name: bytes) -> str | None:
        return None

    def values(self, name: bytes) -> list[str]:
        return []

    async def read(self, *, limit: int, patience: float) -> bytes:
        return b""

    def watch(self, leave: Callable[[], None]) -> None:
        """Nobody leaves."""

    def unwatch(self) -> None:
        pass

    def respond(self, status: int, body: bytes, headers: Headers) -> None:
        self.status, self.body = status, body

    def start(self, status: int, headers: Headers) -> None:
        self.status = status

    def write(self, data: bytes) -> None:
        self.body += data

    def finish(self, data: bytes) -> None:
        self.body += data

    async def drain(self) -> None:
        pass
