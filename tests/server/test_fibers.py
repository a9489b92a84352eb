"""Fibers under stress (contract.md 6.1): together, cancelled, failing in every way, and a thousand at once."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from moonbase.contract.tools import Function
from moonbase.tools.functions import formula_of
from moonbase.tools.run import FiberRunner, Limits
from moonbase.tools.tool import Arguments, CallContext, Formula, ToolError
from moonbase.tools.toolset import Toolset
from tests.running import KEY, Running, make_platform, running
from tests.server.client import Json, body, client, complete, error_of, user
from tests.server.official_calls import CALLS, official_server, surroundings

DATE = "moonshot/date:latest"
STORMED = [call for call in CALLS if not call.queues]
NUMBER = {"type": "object", "properties": {"list": {"type": "array", "items": {"type": "integer"}}}}


class Bench:
    """Tools that fail, each in its own way, and what they saw."""

    def __init__(self) -> None:
        self.started, self.stopped, self.released = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.saw = ""
        self.barrier = asyncio.Barrier(8)

    def formulas(self) -> list[Formula]:
        runs: dict[str, Callable[[CallContext], Awaitable[Any]]] = {
            "refuses": self.refuses,
            "raises": self.raises,
            "exits": self.exits,
            "interrupts": self.interrupts,
            "escapes": self.escapes,
            "closes": self.closes,
            "cancels": self.cancels,
            "waits": self.waits,
            "clings": self.clings,
            "floods": self.floods,
            "returns_bytes": self.returns_bytes,
            "meets": self.meets,
        }
        return [self._formula(name, run) for name, run in runs.items()]

    def _formula(self, name: str, run: Callable[[CallContext], Awaitable[Any]]) -> Formula:
        async def call(context: CallContext, function: str, arguments: Arguments) -> str:
            return await run(context)

        return Formula(f"acme/{name}:latest", (Function(name, parameters=NUMBER),), call)

    async def refuses(self, context: CallContext) -> str:
        raise ToolError("not today; ask tomorrow")

    async def raises(self, context: CallContext) -> str:
        raise ValueError("secret")

    async def exits(self, context: CallContext) -> str:
        raise SystemExit(3)

    async def interrupts(self, context: CallContext) -> str:
        raise KeyboardInterrupt

    async def escapes(self, context: CallContext) -> str:
        class Escape(BaseException):
            """No `Exception`, as some libraries have them."""

        raise Escape("secret")

    async def closes(self, context: CallContext) -> str:
        raise GeneratorExit

    async def cancels(self, context: CallContext) -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(60)
        return ""

    async def waits(self, context: CallContext) -> str:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.saw = "cancelled"
            raise
        finally:
            self.stopped.set()
        return ""

    async def clings(self, context: CallContext) -> str:
        """Does not heed being cancelled."""
        self.started.set()
        while not self.released.is_set():
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                self.saw = "cancelled"
        return ""

    async def floods(self, context: CallContext) -> str:
        return "x" * 10_000_000

    async def returns_bytes(self, context: CallContext) -> Any:
        return b"bytes"

    async def meets(self, context: CallContext) -> str:
        await self.barrier.wait()
        return "met"


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
async def failing(tmp_path: Path, bench: Bench) -> AsyncGenerator[Running]:
    """A server with those tools, where a fiber has half a second and a tenth to clean up."""
    platform = make_platform(tmp_path)
    toolset = Toolset([*platform.toolset, *bench.formulas()])
    fibers = FiberRunner(toolset, sealer=platform.sealer, limits=Limits(seconds=0.5, grace=0.1))
    async with running(replace(platform, toolset=toolset, fibers=fibers)) as server:
        yield server


async def ask(http: httpx.AsyncClient, uri: str, name: str, arguments: str = "{}") -> Json:
    """What `call_tool` of the documented client does: raise for a status, then read the fiber."""
    answer = await http.post(f"/formulas/{uri}/fibers", json={"name": name, "arguments": arguments})
    answer.raise_for_status()
    return answer.json()


def read(fiber: Json) -> str | None:
    """The documented client's reading of a fiber, line by line (contract.md 6.1)."""
    if fiber.get("status", "") == "succeeded":
        return fiber["context"].get("output") or fiber["context"].get("encrypted_output")
    if "error" in fiber:
        return f"Error: {fiber['error']}"
    if "error" in fiber.get("context", {}):
        return f"Error: {fiber['context']['error']}"
    return "Error: Unknown error"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unknown_formula_is_a_404(server: Running, method: str) -> None:
    path = "/formulas/moonshot/nothing:latest/" + ("tools" if method == "GET" else "fibers")
    async with client(server) as http:
        answer = await http.request(method, path, content=b'{"name": "x", "arguments": "{}"}')
    assert error_of(answer) == (404, "resource_not_found_error", "formula not found")


FAILURES: list[tuple[str, str, str, str]] = [
    ("refuses", "refuses", "{}", "not today; ask tomorrow"),
    ("refuses", "unknown", "{}", "no matching lambda found; the functions of acme/refuses:latest are: refuses"),
    ("refuses", "refuses", '{"list": [1, "a"]}', "arguments.list[1]: 'a' is not of type 'integer'"),
    ("refuses", "refuses", "{", "arguments is not valid JSON: "),
    ("raises", "raises", "{}", "the tool failed unexpectedly (ValueError)"),
    ("exits", "exits", "{}", "the tool failed unexpectedly (SystemExit)"),
    ("interrupts", "interrupts", "{}", "the tool failed unexpectedly (KeyboardInterrupt)"),
    ("escapes", "escapes", "{}", "the tool failed unexpectedly (Escape)"),
    ("closes", "closes", "{}", "the tool failed unexpectedly (GeneratorExit)"),
    ("cancels", "cancels", "{}", "the tool stopped before it was done; try again"),
    ("waits", "waits", "{}", "the tool did not answer in time; try again or ask for less"),
    ("clings", "clings", "{}", "the tool did not answer in time; try again or ask for less"),
    ("floods", "floods", "{}", "the tool's output is longer than 1000000 bytes; ask for less"),
    ("returns_bytes", "returns_bytes", "{}", "the tool returned bytes; a tool must return text"),
]


@pytest.mark.parametrize(("formula", "function", "arguments", "words"), FAILURES, ids=lambda value: str(value)[:12])
async def test_a_failure_is_what_the_documented_client_expects_and_the_conversation_goes_on(
    failing: Running, bench: Bench, formula: str, function: str, arguments: str, words: str
) -> None:
    uri = f"acme/{formula}:latest"
    asked = user(f"Call the tool `{formula}` with these JSON arguments: {{}}")
    async with client(failing) as http:
        tools = (await http.get(f"/formulas/{uri}/tools")).json()["tools"]
        message = (await complete(failing, body(asked, tools=tools)))["choices"][0]["message"]
        began = time.perf_counter()
        fiber = await ask(http, uri, function, arguments)
        assert time.perf_counter() - began < 5
    bench.released.set()
    assert (fiber["status"], fiber["object"], fiber["formula"]) == ("failed", "fiber", uri)
    assert set(fiber["context"]) == {"input", "error"}
    assert "error" not in fiber
    result = read(fiber)
    assert result is not None and result.startswith(f"Error: {words}")
    told = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "name": formula, "content": result}
    answer = (await complete(failing, body(asked, message, told, tools=tools)))["choices"][0]
    assert (answer["finish_reason"], answer["message"]["content"]) == ("stop", result)


async def test_only_failures_have_an_error(server: Running) -> None:
    async with client(server) as http:
        fiber = await ask(http, DATE, "date", '{"operation": "time"}')
    assert "error" not in fiber
    assert set(fiber["context"]) == {"input", "output"}


async def test_the_server_lives_after_every_failure(failing: Running, bench: Bench) -> None:
    async with client(failing) as http:
        for formula, function, arguments, _ in FAILURES:
            await ask(http, f"acme/{formula}:latest", function, arguments)
        bench.released.set()
        assert read(await ask(http, DATE, "date", '{"operation": "time"}'))


async def test_calls_of_one_turn_run_together(failing: Running) -> None:
    """Each of the eight waits until all have come: one after the other they would end at their deadline."""
    async with client(failing) as http:
        fibers = await asyncio.gather(*(ask(http, "acme/meets:latest", "meets") for _ in range(8)))
    assert [read(fiber) for fiber in fibers] == ["met"] * 8


async def test_a_fiber_has_thirty_seconds(server: Running) -> None:
    seen: list[float] = []

    async def look(context: CallContext, name: str, arguments: Arguments) -> str:
        seen.append(context.remaining())
        return ""

    server.platform.toolset.add(Formula("acme/look:latest", (Function("look"),), look))
    async with client(server) as http:
        await ask(http, "acme/look:latest", "look")
    assert 29 < seen[0] <= 30


async def request_by_hand(server: Running, uri: str, name: str) -> asyncio.StreamWriter:
    host, port = server.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    data = json.dumps({"name": name, "arguments": "{}"}).encode()
    head = f"POST /v1/formulas/{uri}/fibers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
    writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    await writer.drain()
    return writer


async def test_a_client_that_goes_away_cancels_its_tool(server: Running, bench: Bench) -> None:
    for formula in bench.formulas():
        server.platform.toolset.add(formula)
    writer = await request_by_hand(server, "acme/waits:latest", "waits")
    await asyncio.wait_for(bench.started.wait(), 10)
    began = time.perf_counter()
    writer.close()
    await asyncio.wait_for(bench.stopped.wait(), 5)
    assert bench.saw == "cancelled"
    assert time.perf_counter() - began < 2


async def test_two_hundred_clients_that_go_away_leave_nothing_behind(server: Running) -> None:
    started, stopped = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def wait(context: CallContext, name: str, arguments: Arguments) -> str:
        started.release()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.release()
        return ""

    server.platform.toolset.add(Formula("acme/wait:latest", (Function("wait"),), wait))
    before = await held_quietly()
    writers = [await request_by_hand(server, "acme/wait:latest", "wait") for _ in range(200)]
    async with asyncio.timeout(20):
        for _ in range(200):
            await started.acquire()
        for writer in writers:
            writer.close()
        for _ in range(200):
            await stopped.acquire()
    assert await held_quietly() <= before


async def test_a_tool_that_clings_is_named_in_the_log(
    failing: Running, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "moonbase"):
        async with client(failing) as http:
            await ask(http, "acme/clings:latest", "clings")
    assert bench.saw == "cancelled"
    assert "acme/clings:latest clings goes on although it was cancelled" in caplog.text
    bench.released.set()


async def test_a_blocking_function_ends_at_the_deadline_too(tmp_path: Path) -> None:
    release = threading.Event()

    def block() -> str:
        """Blocks."""
        release.wait(20)
        return ""

    platform = make_platform(tmp_path)
    formula = formula_of(block)
    toolset = Toolset([formula])
    fibers = FiberRunner(toolset, limits=Limits(seconds=0.1))
    try:
        async with running(replace(platform, toolset=toolset, fibers=fibers)) as server, client(server) as http:
            began = time.perf_counter()
            fiber = await ask(http, formula.uri, "block")
            assert "did not answer in time" in fiber["context"]["error"]
            assert time.perf_counter() - began < 5
    finally:
        release.set()


def held() -> Counter[str]:
    """What this process holds: open files and sockets by what they are, child processes, tasks."""
    gc.collect()  # what other tests have dropped
    files = Counter(_kind(file) for file in Path("/proc/self/fd").iterdir())
    threads = Path("/proc/self/task").iterdir()
    children = [child for thread in threads for child in (thread / "children").read_text().split()]
    return files + Counter(f"process {child}" for child in children) + Counter(tasks=len(asyncio.all_tasks()))


def _kind(file: Path) -> str:
    try:
        return str(file.readlink()).split(":")[0]
    except OSError:  # the folder itself, which is closed by now
        return "listing"


async def held_quietly() -> Counter[str]:
    """What is held once connections that were let go are closed, which takes their other end a moment."""
    readings = [held()]
    while len(readings) < 5 or any(reading != readings[-1] for reading in readings[-5:]):
        await asyncio.sleep(0.05)
        readings.append(held())
    return readings[-1]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts through /proc")
@pytest.mark.parametrize("count", [200, pytest.param(1_000, marks=pytest.mark.slow)])
async def test_a_crowd_of_fibers_leaves_nothing_behind(tmp_path: Path, count: int) -> None:
    bare = await held_quietly()
    async with official_server(tmp_path) as server, surroundings(server) as places:
        await storm(server, places, 2 * len(STORMED))  # what is opened once, is open from here on
        before = await held_quietly()
        began = time.perf_counter()
        fibers = await storm(server, places, count)
        took = time.perf_counter() - began
        after = await held_quietly()
        print(f"{count} fibers in {took:.1f} s; before: {dict(before)}; after: {dict(after)}")
        assert after == before
        wrong = [fiber for fiber in fibers if fiber["status"] != "succeeded"]
        assert not wrong, wrong[:3]
        assert {fiber["formula"] for fiber in fibers} == {call.uri for call in STORMED}
        assert len({fiber["id"] for fiber in fibers}) == count
    assert await held_quietly() <= bare


async def storm(server: Running, places: Mapping[str, str], count: int) -> list[Json]:
    """`count` fibers at once, each over a connection of its own, going round the official tools."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=server.base_url, headers=headers, timeout=60, limits=limits) as http:
        wanted = [(STORMED[number % len(STORMED)], number) for number in range(count)]
        fibers = (ask(http, call.uri, call.function, call.filled(places, number)) for call, number in wanted)
        return list(await asyncio.gather(*fibers))
