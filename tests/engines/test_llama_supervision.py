"""Cancelling, crashing, starting again, and going away."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from moonbase.contract.engine import TextEvent
from moonbase.contract.errors import SettingsError, Unavailable
from moonbase.contract.events import Failed, PromptRead
from moonbase.contract.readings import ENGINE_RESTARTS, ENGINE_SLOTS, ENGINE_SLOTS_BUSY, ENGINE_UP, ENGINE_WAITING
from moonbase.engines.llama.engine import LlamaEngine
from moonbase.engines.llama.settings import LlamaSettings
from tests.engines import gguf_fixture
from tests.engines.llama_help import asking, hear, hear_some, running, until_idle

LONG = 100_000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real attention, a context of 16k, no end: an answer of `LONG` tokens takes many seconds."""
    shape = gguf_fixture.Shape(layers=4, width=256, heads=4, inner=512, context=16_384)
    return gguf_fixture.write_random(tmp_path_factory.mktemp("models") / "long.gguf", shape, ends=False)


async def rest(stream: AsyncGenerator[TextEvent, None]) -> list[TextEvent]:
    return [event async for event in stream]


async def test_closing_a_stream_frees_its_slot(model: Path) -> None:
    async with running(model, slots=1) as engine:
        for _ in range(3):
            stream = engine.generate(asking("x", tokens=LONG))
            await hear_some(stream, 5)
            await stream.aclose()
            heard = await hear(engine, asking("y", tokens=3))
            assert heard.tokens == 3, "the only slot served another request"
        await until_idle(engine)


async def test_closing_a_stream_stops_the_prompt_in_the_middle(model: Path) -> None:
    text = "the moon " * 2500
    async with running(model, slots=1) as engine:
        stream = engine.generate(asking(text, tokens=1))
        (read,) = await hear_some(stream, 1)
        await stream.aclose()
        await until_idle(engine)
        again = await hear(engine, asking(text, tokens=1))
    assert isinstance(read, PromptRead)
    assert again.read.cached_tokens < read.prompt_tokens / 2, "most of the prompt was never computed"


async def test_a_request_that_leaves_the_line_never_runs(model: Path) -> None:
    async with running(model, slots=1) as engine:
        first = engine.generate(asking("first", tokens=LONG))
        await hear_some(first, 2)
        async with asyncio.TaskGroup() as tasks:
            leaving = tasks.create_task(hear(engine, asking("leaving", tokens=LONG)))
            staying = tasks.create_task(hear(engine, asking("staying", tokens=2)))
            while (await engine.activity()).queued < 2:
                pass
            leaving.cancel()
            while (await engine.activity()).queued > 1:
                pass
            await first.aclose()
        assert staying.result().tokens == 2
        await until_idle(engine)


async def test_a_cancelled_reader_cancels_its_request(model: Path) -> None:
    async with running(model, slots=1) as engine:
        reading = asyncio.create_task(hear(engine, asking("x", tokens=LONG)))
        while (await engine.activity()).busy_slots == 0:
            pass
        reading.cancel()
        await asyncio.wait({reading})
        await until_idle(engine)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_crash_fails_what_is_in_flight_and_nothing_after(
    model: Path, blow: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL + 1)
    async with running(model, slots=1) as engine:
        running_one, waiting_one = (engine.generate(asking("x", tokens=LONG)) for _ in range(2))
        await hear_some(running_one, 3)
        waiting = asyncio.create_task(rest(waiting_one))
        while (await engine.activity()).queued < 1:
            pass
        counting = asyncio.create_task(engine.count(()))
        assert engine.worker_pid is not None
        os.kill(engine.worker_pid, blow)
        for last in ((await rest(running_one))[-1], (await waiting)[-1]):
            assert isinstance(last, Failed)
            assert isinstance(last.error, Unavailable)
            assert last.error.headers == {"Retry-After": "1"}
            assert last.finish_reason == "server_interrupted"
        await asyncio.wait({counting})
        assert counting.exception() is None or isinstance(counting.exception(), Unavailable)
        assert (await hear(engine, asking("x", tokens=4))).tokens == 4, "the next request waited for the new worker"


async def test_crash_after_crash_is_survived_and_reported(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(model, restart_wait=20.0) as engine:
        for _ in range(3):
            before = engine.worker_pid
            assert before is not None
            os.kill(before, signal.SIGKILL)
            heard = await hear(engine, asking("x", tokens=2))
            while isinstance(heard.events[-1], Failed):
                heard = await hear(engine, asking("x", tokens=2))
            assert engine.worker_pid != before
        found = {reading.meter: reading.value for reading in await engine.readings()}
        assert found == {ENGINE_UP: 1, ENGINE_RESTARTS: 3, ENGINE_SLOTS: 8, ENGINE_SLOTS_BUSY: 0, ENGINE_WAITING: 0}
    assert [record.message.split(";")[0] for record in caplog.records] == ["The llama worker ended with code -9"] * 3


async def test_requests_do_not_wait_for_ever_for_a_worker(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL + 1)
    path = gguf_fixture.write_random(tmp_path / "vanishing.gguf")
    async with running(path, restart_wait=0.05) as engine:
        path.write_bytes(b"GGUF, but no more")
        assert engine.worker_pid is not None
        os.kill(engine.worker_pid, signal.SIGKILL)
        heard = await hear(engine, asking("x"))
        while not isinstance(heard.failed.error, Unavailable) or "try again" not in heard.failed.error.message:
            heard = await hear(engine, asking("x"))
        assert heard.failed.error.headers == {"Retry-After": "10"}


async def test_closing_ends_streams_and_the_process(model: Path) -> None:
    engine = LlamaEngine(LlamaSettings(model=str(model), threads=1))
    await engine.start()
    pid = engine.worker_pid
    assert pid is not None
    async with aclosing(engine.generate(asking("x", tokens=LONG))) as stream:
        await hear_some(stream, 2)
        await engine.close()
        assert isinstance((await rest(stream))[-1], Failed)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    await engine.close()


async def test_an_engine_can_be_started_again(model: Path) -> None:
    engine = LlamaEngine(LlamaSettings(model=str(model), threads=1))
    for _ in range(2):
        await engine.start()
        assert (await hear(engine, asking("x", tokens=2))).tokens == 2
        await engine.close()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
async def test_a_worker_whose_parent_is_killed_goes_too(model: Path) -> None:
    code = f"""
import asyncio
from moonbase.engines.llama.engine import LlamaEngine
from moonbase.engines.llama.settings import LlamaSettings
async def main():
    engine = LlamaEngine(LlamaSettings(model={str(model)!r}, threads=1))
    await engine.start()
    print(engine.worker_pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    worker = os.pidfd_open(int(await parent.stdout.readline()))
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(worker, gone.set)
    parent.kill()
    await parent.wait()
    await gone.wait()
    asyncio.get_running_loop().remove_reader(worker)
    os.close(worker)


@pytest.fixture
def cut_short(model: Path, tmp_path: Path) -> Path:
    path = tmp_path / "broken.gguf"
    path.write_bytes(model.read_bytes()[:-5000])
    return path


async def test_a_model_that_does_not_load_is_a_settings_error_with_the_reason(cut_short: Path) -> None:
    with pytest.raises(SettingsError, match=r"(?s)broken.gguf does not load.*corrupted or incomplete"):
        async with running(cut_short):
            pass


async def test_a_missing_model_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        async with running(tmp_path / "none.gguf"):
            pass


async def test_a_worker_that_cannot_start_at_all_is_a_settings_error(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SettingsError, match="no process"):
        async with running(model):
            pass


async def test_nothing_is_printed_in_normal_operation(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with running(model) as engine:
        await hear(engine, asking("x", tokens=3))
    assert capfd.readouterr() == ("", "")
