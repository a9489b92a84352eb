"""The engine's side of the channel to one worker process: many streams and questions over one socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from itertools import count
from typing import TypeVar, cast

import msgspec

from moonbase.contract.errors import ServerError
from moonbase.contract.prompts import Prompt
from moonbase.engines.llama.wire import (
    Activity,
    Broke,
    Cancel,
    Count,
    Counted,
    Crowded,
    Done,
    Frames,
    FromWorker,
    Generate,
    Inspect,
    LoadFailed,
    Ready,
    TooLong,
    ToWorker,
    frame,
)

_LAST = (Done, TooLong, Broke, Crowded)
_decode = msgspec.msgpack.Decoder(list[FromWorker]).decode

Answer = TypeVar("Answer")


class WorkerGone(Exception):
    """The worker process ended while something waited for it."""


class _Inbox:
    """Messages for one stream, and its reader when it waits."""

    def __init__(self) -> None:
        self.messages: deque[FromWorker] = deque()
        self.gone = False
        self._waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter
        self._waiter = None


class Connection(asyncio.Protocol):
    """Talks with one worker over a socket, as the protocol of its transport.

    When the worker ends, `on_end` is called, and then everything that waits gets `WorkerGone`.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._transport: asyncio.WriteTransport | None = None
        self._frames = Frames()
        self._ids = count(1)
        self._streams: dict[int, _Inbox] = {}
        self._questions: dict[int, asyncio.Future[FromWorker]] = {}
        self._loaded: asyncio.Future[FromWorker] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods without the base class.
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        for payload in self._frames.feed(data):
            self._deliver(_decode(payload))

    def connection_lost(self, exc: Exception | None) -> None:
        """The worker is gone, or was hung up on."""
        self._transport = None
        self._on_end()
        for inbox in self._streams.values():
            inbox.gone = True
            inbox.wake()
        for answer in (self._loaded, *self._questions.values()):
            if not answer.done():
                answer.set_exception(WorkerGone())
                answer.exception()  # Seen, so that one nobody waits for is no warning.

    def hang_up(self) -> None:
        """End the channel, which ends the worker."""
        if self._transport is not None:
            self._transport.close()

    async def loaded(self) -> Ready | LoadFailed:
        """The worker's word on its model; raises `WorkerGone`."""
        message = await self._loaded
        assert isinstance(message, Ready | LoadFailed)
        return message

    def send(self, message: ToWorker) -> None:
        """Put a message on its way; raises `WorkerGone`."""
        if self._transport is None or self._transport.is_closing():
            raise WorkerGone
        self._transport.write(frame([message]))

    async def stream(self, request: Generate) -> AsyncGenerator[Sequence[FromWorker], None]:
        """Send `request` under a fresh id and yield its messages, as many at a time as have come.

        Ends with its last message; raises `WorkerGone`. Closing the generator cancels the request.
        """
        id = next(self._ids)
        inbox = self._streams[id] = _Inbox()
        over = False
        try:
            self.send(msgspec.structs.replace(request, id=id))
            while not over:
                while not inbox.messages:
                    if inbox.gone:
                        raise WorkerGone
                    await inbox.wait()
                batch, inbox.messages = inbox.messages, deque()
                over = isinstance(batch[-1], _LAST)
                yield batch
        finally:
            del self._streams[id]
            if not over:
                with contextlib.suppress(WorkerGone):
                    self.send(Cancel(id))

    async def count(self, prompt: Prompt) -> int:
        """Tokens of `prompt`; raises `WorkerGone` and `ApiError`."""
        id = next(self._ids)
        return (await self._ask(Count(id, prompt), Counted)).tokens

    async def inspect(self) -> Activity:
        """What the worker is doing; raises `WorkerGone`."""
        id = next(self._ids)
        return await self._ask(Inspect(id), Activity)

    async def _ask(self, question: Count | Inspect, kind: type[Answer]) -> Answer:
        answer = self._questions[question.id] = asyncio.get_running_loop().create_future()
        try:
            self.send(question)
            message = await answer
        finally:
            del self._questions[question.id]
        if isinstance(message, Broke):
            raise ServerError(f"The embedded engine failed: {message.message}")
        assert isinstance(message, kind)
        return message

    def _deliver(self, messages: list[FromWorker]) -> None:
        for message in messages:
            if isinstance(message, Ready | LoadFailed):
                self._loaded.set_result(message)
            elif (inbox := self._streams.get(message.id)) is not None:
                inbox.messages.append(message)
                inbox.wake()
            elif (answer := self._questions.get(message.id)) is not None and not answer.done():
                answer.set_result(message)
