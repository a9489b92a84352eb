"""What an engine yields, on its way to the client: event after event, with a word whenever it has no more for now."""

from __future__ import annotations

import asyncio
import logging
import types
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any

from moonbase.contract.errors import Unavailable, UnexpectedOutput
from moonbase.contract.events import Event, Failed
from moonbase.server.drain import Drain
from moonbase.server.exchange import Exchange
from moonbase.server.wire import Interruptible, left

logger = logging.getLogger("moonbase.server")

_MOST = 256
"""Events that are taken before others get their turn, however fast they come."""

Take = Callable[[Event], None]
Pause = Callable[[], None]


async def each(
    engine: AsyncGenerator[Event, None], drain: Drain, exchange: Exchange, take: Take, pause: Pause | None = None
) -> Failed | None:
    """`take` the events in order; the failure that they ended with is given, also where the server leaves meanwhile.

    `pause`, for who writes them as they come, is called whenever the engine has no more for now, so that what was ready
    together leaves together; a client that does not read makes the engine wait. Raises `ClientClosed` when the client
    leaves. Closes `engine`, which stops the generation.
    """
    if drain.expired:
        return _interrupted(_leaving())
    taken = _taken(engine, take) if pause is None else _flowed(engine, exchange, take, pause)
    try:
        return await _watched(taken, drain, exchange)
    finally:
        await engine.aclose()


async def together(
    asked: Coroutine[Any, Any, None], events: list[Event], drain: Drain, exchange: Exchange, take: Take
) -> Failed | None:
    """As `each`, of `events` that `asked` adds, all at once; cancelling that stops the generation."""
    if drain.expired:
        asked.close()
        return _interrupted(_leaving())
    return await _watched(_all(asked, events, take), drain, exchange)


async def _watched(work: Coroutine[Any, Any, Failed | None], drain: Drain, exchange: Exchange) -> Failed | None:
    """`work`, which is cancelled when the client or the server leaves."""
    try:
        with Interruptible(exchange.task) as interrupt:
            cut = drain.watch(lambda: interrupt(_leaving()))
            exchange.watch(lambda: interrupt(left()))
            try:
                return await work
            except Exception:
                return _raised()
            finally:
                exchange.unwatch()
                drain.unwatch(cut)
    except Unavailable as error:
        return _interrupted(error)


async def _all(asked: Coroutine[Any, Any, None], events: list[Event], take: Take) -> Failed | None:
    try:
        await asked
    except asyncio.CancelledError:  # what had come by then counts, as of a stream
        _take_all(events, take)
        raise
    return _take_all(events, take)


def _take_all(events: list[Event], take: Take) -> Failed | None:
    for event in events:
        if isinstance(event, Failed):
            return event
        take(event)
    return None


async def _taken(engine: AsyncGenerator[Event, None], take: Take) -> Failed | None:
    async for event in engine:
        if isinstance(event, Failed):
            return event
        take(event)
    return None


async def _flowed(engine: AsyncGenerator[Event, None], exchange: Exchange, take: Take, pause: Pause) -> Failed | None:
    taken = 0
    try:
        while True:
            event = await _next(engine, pause)
            if isinstance(event, Failed):
                return event
            take(event)
            taken += 1
            if exchange.full:
                pause()
                await exchange.drain()
            elif not taken % _MOST:
                pause()
                await asyncio.sleep(0)
    except StopAsyncIteration:
        return None


@types.coroutine
def _next(engine: AsyncGenerator[Event, None], pause: Pause) -> Generator[Any, Any, Event]:
    """`anext(engine)`, with a `pause` where it has to wait: once, and before it does.

    What `await` would do is done by hand here, for there is no other place that knows of the moment.
    """
    step: Any = anext(engine)
    paused = False
    try:
        waits_for = step.send(None)
        while True:
            try:
                if not paused:
                    paused = True
                    pause()
                yield waits_for
            except BaseException as error:
                waits_for = step.throw(error)
            else:
                waits_for = step.send(None)
    except StopIteration as found:
        return found.value


def _raised() -> Failed:
    """An engine MUST NOT raise; should one do so, its answer still ends as the contract says."""
    logger.exception("an engine raised instead of yielding a failure")
    return Failed(UnexpectedOutput("invalid state transition: the engine failed"))


def _interrupted(error: Unavailable) -> Failed:
    return Failed(error, "server_interrupted")


def _leaving() -> Unavailable:
    return Unavailable("the server is shutting down")
