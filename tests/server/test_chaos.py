"""A server whose engine is spoiled in every way: no hang, no half frame, no wrong answer, nothing left behind."""

from __future__ import annotations

import gc
import logging
import sqlite3
import time
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from moonbase.accounts.ledger import Ledger
from moonbase.accounts.money import DOLLAR
from moonbase.accounts.store import SqliteStore
from moonbase.contract.events import ContentDelta, Event, Finished, PromptRead, Usage
from moonbase.contract.request import ChatRequest
from moonbase.engines.chaos import Chaos, ChaosEngine
from moonbase.engines.reasking import ReaskingEngine
from moonbase.engines.scripted import ScriptedEngine
from moonbase.server.platform import Platform
from tests.running import make_platform, running
from tests.server.client import body, error_of, post, stream, user
from tests.server.crowd import Crowd, held, keys, let_go, resident

BROKE_THE_PROTOCOL = ("invalid state transition: ",)
"""contract.md 4.2, unexpected_output: of engines that raise, or end without an end."""
KINDS = ("refused", "failed", "ended", "raised", "broken", "split", "delayed")
THOUGHTS = {
    f"I am the scripted engine. {does}." for does in ("I read this and answer", "I call clock", "I call clock, clock")
}
MEGABYTE = 1 << 20


def spoiled(seed: int) -> tuple[ChaosEngine, ReaskingEngine]:
    chaos = ChaosEngine(ScriptedEngine(), Chaos(seed=seed, delay_s=0.005))
    return chaos, ReaskingEngine(chaos, tries=5)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_crowd(tmp_path: Path, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    chaos, engine = spoiled(seed)
    gc.collect()  # what other tests have left
    empty = held()
    platform = make_platform(tmp_path, engine=engine)
    async with running(platform) as server:
        crowd = Crowd(server, seed, keys=keys(8), reasons=BROKE_THE_PROTOCOL)
        await crowd.visit(20)
        before = await let_go(held())
        await crowd.visit(280)
        after = await let_go(before)
        assert after == before._replace(files=min(after.files, before.files))  # one may have closed since
    assert await let_go(empty) == empty
    assert "a request failed unexpectedly" not in caplog.text
    assert min(chaos.did[kind] for kind in KINDS) > 0
    assert crowd.saw["whole"] > 100
    assert min(crowd.saw[seen] for seen in ("broken", "left", "503 server_unavailable")) > 0
    check_the_books(platform, tmp_path)
    # A try that broke in its reasoning is followed by one whose reasoning is not shown: it stays as the client saw it.
    remembered = thoughts(tmp_path)
    assert remembered >= crowd.thoughts >= THOUGHTS
    assert all(any(whole.startswith(thought) for whole in THOUGHTS) for thought in remembered)


def check_the_books(platform: Platform, folder: Path) -> None:
    """Those on disk are those in memory."""
    store = SqliteStore(folder / "ledger.db")
    kept = Ledger(store, credit=1_000_000 * DOLLAR)
    for key in (*keys(8), "leaver"):
        owner = platform.keys.authenticate(f"Bearer {key}")
        assert kept.used(owner) == platform.ledger.used(owner) != {}
    store.close()


def thoughts(folder: Path) -> set[str]:
    """The reasoning that is remembered."""
    with closing(sqlite3.connect(folder / "recall.db")) as database:
        return {text for (text,) in database.execute("SELECT text FROM reasoning")}


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_ten_thousand_requests(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing grows: no file, no task, no thread, no object, and memory by less than 16 MB."""
    caplog.set_level(logging.CRITICAL, "moonbase")  # pytest keeps every record, with its traceback and all in that
    chaos, engine = spoiled(11)
    platform = make_platform(tmp_path, engine=engine)
    async with running(platform) as server:
        crowd = Crowd(server, 11, keys=keys(8), reasons=BROKE_THE_PROTOCOL)
        await crowd.visit(2000)
        gc.collect()
        before, memory, objects = await let_go(held()), resident(), len(gc.get_objects())
        began = time.perf_counter()
        await crowd.visit(10_000)
        took = time.perf_counter() - began
        after = await let_go(before)
        assert after == before._replace(files=min(after.files, before.files))  # one may have closed since
        gc.collect()
        more = len(gc.get_objects()) - objects
        grown = (resident() - memory) / MEGABYTE
    print(f"10,000 requests in {took:.0f} s; memory {grown:+.1f} MB, objects {more:+}")
    print(f"the engine {chaos.did}; the clients {crowd.saw}")
    assert grown < 16
    assert more < 2000


class ShortEngine(ScriptedEngine):
    """Says one word for each of `finished` choices and ends them; then, of the next, a word, and no more."""

    def __init__(self, finished: int) -> None:
        super().__init__()
        self._finished = finished

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        yield PromptRead(3, 0)
        for choice in range(self._finished):
            yield ContentDelta("Yes", 1, choice)
            yield Finished("stop", Usage(3, 1), choice)
        if not self._finished:
            yield ContentDelta("Ye", 1)


@pytest.mark.parametrize("finished", [0, 1])
async def test_an_engine_that_ends_without_an_end(tmp_path: Path, finished: int) -> None:
    """contract.md 2.1, 4.2: a stream ends as one that broke, and a whole answer is none."""
    payload: dict[str, Any] = body(user("Hi."), model="kimi-k2-thinking", n=2)
    async with running(make_platform(tmp_path, engine=ShortEngine(finished))) as server:
        assert error_of(await post(server, payload))[:2] == (500, "unexpected_output")
        found = await stream(server, payload)
    ends = {choice["index"]: choice["finish_reason"] for frame in found.frames for choice in frame["choices"]}
    assert ends == {0: "stop" if finished else "unexpected_state", 1: "unexpected_state"}
    assert not found.done
