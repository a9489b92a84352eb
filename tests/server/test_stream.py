"""What an engine yields, on its way: what is ready together leaves together, and the engine is closed in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from moonbase.contract.errors import ClientClosed, ServerError, Unavailable, UnexpectedOutput
from moonbase.contract.events import ContentDelta, Event, Failed
from moonbase.server.drain import Drain
from moonbase.server.stream import each
from moonbase.server.wire import this_task


class Client:
    """The part of an exchange that streams look at. `reads` is set while the client reads."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.reads.set()
        self.leave: Any = None
        self.task: Any = None

    def watch(self, leave: Any) -> None:
        self.leave = leave

    def unwatch(self) -> None:
        self.leave = None

    @property
    def full(self) -> bool:
        return not self.reads.is_set()

    async def drain(self) -> None:
        await self.reads.wait()


class Engine:
    """Yields batches, each after a turn of the loop."""

    def __init__(self, *batches: list[Event | Exception]) -> None:
        self.batches = batches
        self.yielded = 0
        self.closed = False
        self.waiting = asyncio.Event()

    async def stream(self) -> AsyncGenerator[Event, None]:
        try:
            for batch in self.batches:
                await asyncio.sleep(0)
                for event in batch:
                    if isinstance(event, Exception):
                        raise event
                    self.yielded += 1
                    yield event
            self.waiting.set()
            if not self.batches:
                await asyncio.Event().wait()
        finally:
            self.closed = True


def texts(*words: str) -> list[Event | Exception]:
    return [ContentDelta(word) for word in words]


async def told(engine: Engine, client: Any, drain: Drain | None = None) -> tuple[list[str], Failed | None]:
    """What left, each write a text, and the failure."""
    written: list[str] = []
    ready: list[str] = []

    def take(event: Event) -> None:
        assert isinstance(event, ContentDelta)
        ready.append(event.text)

    def pause() -> None:
        if ready:
            written.append("".join(ready))
            ready.clear()

    client.task = this_task()
    failed = await each(engine.stream(), drain or Drain(4), client, take, pause)
    pause()
    return written, failed


async def test_what_is_ready_together_leaves_together() -> None:
    engine = Engine(texts("a", "b"), texts("c"), texts("d", "e", "f"))
    assert await told(engine, Client()) == (["ab", "c", "def"], None)
    assert engine.closed


async def test_a_failure_is_told_and_ends_it() -> None:
    failure = Failed(ServerError("broken"))
    engine = Engine([*texts("a"), failure], texts("never"))
    assert await told(engine, Client()) == (["a"], failure)
    assert engine.closed


async def test_an_engine_that_raises_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine([*texts("a"), RuntimeError("no")])
    written, failed = await told(engine, Client())
    assert (written, failed and type(failed.error)) == (["a"], UnexpectedOutput)
    assert "an engine raised" in caplog.text


async def test_a_client_that_does_not_read_makes_the_engine_wait() -> None:
    client = Client()
    client.reads.clear()
    engine = Engine(texts(*"abcdefgh"))
    asked = asyncio.create_task(told(engine, client))
    for _ in range(5):
        await asyncio.sleep(0)
    assert engine.yielded == 1
    client.reads.set()
    assert await asked == (["a", "bcdefgh"], None)


async def test_a_client_that_leaves_closes_the_engine() -> None:
    client, engine = Client(), Engine()
    asked = asyncio.create_task(told(engine, client))
    await engine.waiting.wait()
    client.leave()
    with pytest.raises(ClientClosed):
        await asked
    assert engine.closed


async def test_a_server_that_leaves_ends_it_with_a_reason() -> None:
    engine, drain = Engine(), Drain(0.01)
    asked = asyncio.create_task(told(engine, Client(), drain))
    await engine.waiting.wait()
    drain.begin()
    _, failed = await asked
    assert failed is not None
    assert (type(failed.error), failed.finish_reason) == (Unavailable, "server_interrupted")
    assert engine.closed
    assert (await told(Engine(texts("a")), Client(), drain))[0] == []


async def test_a_writer_that_fails_leaves_nothing_open() -> None:
    engine = Engine()

    def pause() -> None:
        raise ValueError("no")

    client: Any = Client()
    failed = await each(engine.stream(), Drain(4), client, lambda event: None, pause)
    assert failed is not None
    assert not client.leave
    assert engine.closed


async def test_events_without_end_leave_turns_to_others() -> None:
    engine = Engine(texts(*["x"] * 2000))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while not engine.closed:
            turns += 1
            await asyncio.sleep(0)

    watching = asyncio.create_task(other())
    written, _ = await told(engine, Client())
    await watching
    assert "".join(written) == "x" * 2000
    assert turns > 5
