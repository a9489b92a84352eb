"""MCP servers as formulas, against a real one: its own process, over its standard streams or HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from moonbase.contract.errors import SettingsError
from moonbase.contract.request import decode_chat_body
from moonbase.contract.tools import Function, check_tools
from moonbase.tools.formula import FiberContext, FiberRequest, FunctionBody
from moonbase.tools.mcp.namespace import McpNamespace
from moonbase.tools.mcp.server import McpServer
from moonbase.tools.run import FiberRunner, Limits
from moonbase.tools.tool import Arguments, CallContext, Formula
from moonbase.tools.toolset import Toolset

SAMPLE = Path(__file__).parent / "sample_server.py"
CARELESS = McpServer(command=(sys.executable, str(SAMPLE.with_name("careless_server.py"))))
NOTHING: dict[str, Any] = {"type": "object", "properties": {}}
SECRET = "hush-hush-secret"


def sample(**changes: Any) -> McpServer:
    return McpServer(command=(sys.executable, str(SAMPLE)), **changes)


def careless(tool: object) -> McpServer:
    """The careless server with a tool more."""
    return McpServer(command=CARELESS.command, env={"TOOLS": json.dumps([tool])})


@asynccontextmanager
async def opened(server: McpServer, toolset: Toolset | None = None) -> AsyncGenerator[McpNamespace]:
    namespace = McpNamespace("sample", server, toolset if toolset is not None else Toolset())
    try:
        await namespace.open()
        yield namespace
    finally:
        await namespace.close()


async def ask(toolset: Toolset, tool: str, seconds: float = 20.0, **arguments: Any) -> FiberContext:
    uri = f"mcp-sample/{tool}:latest"
    name = toolset.formula(uri).functions[0].name
    runner = FiberRunner(toolset, limits=Limits(seconds=seconds))
    return (await runner.run(uri, FiberRequest(name, json.dumps(arguments)), CallContext("key"))).context


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not yet waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what happens in another process, or in a log, and gives no sign."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def until_gone(pid: int) -> None:
    await until(lambda: not alive(pid))


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_each_tool_is_a_formula_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    """contract.md 6.1: the list can go into a chat request as it is."""
    toolset = Toolset()
    async with opened(sample(env={"ODD": "1"}), toolset):
        assert [formula.uri for formula in toolset][:2] == ["mcp-sample/echo:latest", "mcp-sample/fail:latest"]
        echo = toolset.definitions("mcp-sample/echo:latest").tools[0].function
        assert isinstance(echo, FunctionBody)
        assert (echo.name, echo.description) == ("echo", "It can echo.")
        assert echo.parameters["required"] == ["text"]
        assert (await ask(toolset, "echo", text="Grüße")).output == "Grüße"
        assert str((await ask(toolset, "echo")).error).startswith("arguments: 'text' is a required property")
    left_out = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert len(left_out) == 1
    assert "odd" in left_out[0]
    assert "parameters is not a JSON schema" in left_out[0]


async def test_a_schema_that_nobody_can_enforce_is_advice() -> None:
    """contract.md 1.5: without `strict` a request may have it; one such tool had every request refused."""
    schema = {
        "type": "object",
        "anyOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"required": ["b"]}],
    }
    toolset = Toolset()
    async with opened(careless({"name": "odd", "inputSchema": schema}), toolset):
        odd, other = (toolset.definitions(f"mcp-sample/{name}:latest").tools[0] for name in ("odd", "pid"))
        assert str((await ask(toolset, "odd", c="x")).error).startswith("arguments: ")
    assert isinstance(odd.function, FunctionBody)
    assert isinstance(other.function, FunctionBody)
    assert (odd.function.strict, other.function.strict) == (False, UNSET)
    assert list(odd.function.parameters["properties"]) == ["a"]
    request: dict[str, Any] = {"model": "m", "messages": [], "tools": msgspec.to_builtins([odd, other])}
    check_tools(decode_chat_body(msgspec.json.encode(request)).tools or [])


async def test_what_a_tool_answers_becomes_text() -> None:
    toolset = Toolset()
    async with opened(sample(), toolset):
        parts = (await ask(toolset, "parts")).output
        assert parts == "one\n[image: image/png, 3 bytes, not shown]\n[resource: notes, file:///notes.txt]\ntwo"
        assert (await ask(toolset, "fail")).error == "it broke, use another"


@pytest.mark.parametrize(("tool", "text"), [("half", "café ?"), ("latin_1", "caf\ufffd")])
async def test_what_is_no_character_does_not_cost_the_answer(tool: str, text: str) -> None:
    toolset = Toolset()
    async with opened(CARELESS, toolset):
        assert (await ask(toolset, tool)).output == text


@pytest.mark.parametrize(
    ("tool", "fault"),
    [
        ("nothing", "content: Field required"),
        ("no_text", "content.0.TextContent.text: Input should be a valid string"),
        ("unstructured", "Tool unstructured has an output schema but did not return structured content"),
    ],
)
async def test_an_answer_that_breaks_the_protocol_says_how(tool: str, fault: str) -> None:
    toolset = Toolset()
    async with opened(CARELESS, toolset):
        error = (await ask(toolset, tool)).error
    assert error == f"the tool's server answered, but not as its protocol wants it: {fault}"


@pytest.mark.parametrize(
    ("odd", "fault"),
    [
        ({"name": "odd"}, "inputSchema: Field required"),
        ({"name": "odd", "inputSchema": None}, "inputSchema: Input should be a valid dictionary"),
        ({"name": "odd", "inputSchema": {"type": "string"}}, "inputSchema.type: Input should be 'object'"),
        ({"name": "odd", "inputSchema": NOTHING, "description": 5}, "description: Input should be a valid string"),
        ({"name": "pid", "inputSchema": NOTHING}, "mcp-sample/pid:latest is registered twice"),
        ({"name": "latin.1", "inputSchema": NOTHING}, "function 'latin_1' is declared by"),
        ({"inputSchema": NOTHING}, "name: Field required"),
        ("odd", "Input should be a valid dictionary"),
    ],
)
async def test_a_tool_that_cannot_be_used_costs_no_other(
    odd: Any, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where the server lists it again and again; the log says it once."""
    toolset = Toolset()
    async with opened(careless(odd), toolset):
        offered = [formula.uri for formula in toolset]
        for listing in ("2", "3"):
            await ask(toolset, "changed")
            while (await ask(toolset, "listings")).output != listing:
                pass
        assert str((await ask(toolset, "pid")).output).isdigit()
        assert [formula.uri for formula in toolset] == offered
    left_out = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert len(left_out) == 1
    assert fault in left_out[0]


@pytest.mark.parametrize(
    "odd",
    [
        {"inputSchema": {"properties": {"x": {"type": "string"}}}},
        {"inputSchema": NOTHING, "outputSchema": {"type": "array"}},
        {"inputSchema": NOTHING, "annotations": {"readOnlyHint": "maybe"}, "icons": "a sun"},
    ],
)
async def test_a_tool_is_offered_whatever_is_wrong_with_what_nobody_reads(odd: dict[str, Any]) -> None:
    """The first lacks `type: object`, which some servers leave unsaid."""
    toolset = Toolset()
    async with opened(careless({"name": "odd", **odd}), toolset):
        assert toolset.formula("mcp-sample/odd:latest").functions[0].parameters == {
            "type": "object",
            **odd["inputSchema"],
        }
        assert (await ask(toolset, "odd")).output == "1"


async def test_a_server_that_refuses_a_call_is_not_started_again() -> None:
    """-32000 is also what the package calls a connection that is lost."""
    toolset = Toolset()
    async with opened(CARELESS, toolset):
        first = (await ask(toolset, "pid")).output
        refused, beside = await asyncio.gather(ask(toolset, "busy"), ask(toolset, "pid"))
        assert refused.error == "the tool's server refused the call: all seats are taken"
        assert beside.output == first
        assert (await ask(toolset, "pid")).output == first


async def test_fifty_calls_at_once() -> None:
    toolset = Toolset()
    async with opened(sample(), toolset):
        answers = await asyncio.gather(*(ask(toolset, "echo", text=str(number)) for number in range(50)))
    assert [answer.output for answer in answers] == [str(number) for number in range(50)]


async def test_the_process_gets_its_settings_and_little_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONSHOT_API_KEY", "sk-ours")
    toolset = Toolset()
    async with opened(sample(env={"GIVEN": "1"}), toolset):
        names = str((await ask(toolset, "environment")).output).split("\n")
    assert {"GIVEN", "PATH"} <= set(names)
    assert set(names) - {"LC_CTYPE"} <= {"GIVEN", "PATH", "HOME"}  # LC_CTYPE is Python's own doing


async def test_a_server_that_dies_fails_its_calls_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "moonbase.tools.mcp")
    toolset = Toolset()
    async with opened(sample(env={"KEY": SECRET}), toolset):
        first = int(str((await ask(toolset, "pid")).output))
        child = int(str((await ask(toolset, "child")).output))
        slow, died = await asyncio.gather(ask(toolset, "slow"), ask(toolset, "die"))
        for answer in (slow, died):
            assert "stopped before it answered" in str(answer.error)
        back = await ask(toolset, "echo", text="back")
        while "started again" in str(back.error):  # a call waits for it a while, which a busy machine may outlast
            back = await ask(toolset, "echo", text="back")
        assert back.output == "back"
        second = int(str((await ask(toolset, "pid")).output))
        assert second != first
        await until_gone(child)
    await until_gone(second)
    log = "\n".join(record.getMessage() for record in caplog.records)
    assert "the secret is ***" in log
    assert SECRET not in log


async def test_what_the_server_started_goes_with_it() -> None:
    toolset = Toolset()
    async with opened(sample(), toolset):
        pids = [int(str((await ask(toolset, tool)).output)) for tool in ("child", "pid")]
        assert all(alive(pid) for pid in pids)
    for pid in pids:
        await until_gone(pid)


async def test_a_call_that_takes_too_long_is_given_up() -> None:
    toolset = Toolset()
    async with opened(sample(), toolset):
        assert "did not answer in time" in str((await ask(toolset, "slow", seconds=0.2)).error)
        assert (await ask(toolset, "echo", text="still here")).output == "still here"


async def test_tools_that_come_later_are_offered() -> None:
    toolset = Toolset()
    async with opened(sample(), toolset):
        assert (await ask(toolset, "add.tool")).output == "added"
        await until(lambda: "mcp-sample/extra:latest" in [formula.uri for formula in toolset])
        assert (await ask(toolset, "extra")).output == "extra!"


async def test_prefix_and_choice_of_tools(caplog: pytest.LogCaptureFixture) -> None:
    toolset = Toolset()
    async with opened(sample(prefix="s_", only=("add.tool", "echo", "none")), toolset):
        assert [formula.functions[0].name for formula in toolset] == ["s_echo", "s_add_tool"]
        assert (await ask(toolset, "echo", text="x")).output == "x"
    assert "it has no tool none" in caplog.text


async def test_a_hang_at_the_start_is_an_error_in_time(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    namespace = McpNamespace("sample", sample(env={"HANG": "1", "NOTE": str(note)}, start_s=4), Toolset())
    with pytest.raises(SettingsError, match=r"mcp.sample: .* did not list its tools within 4 seconds"):
        await namespace.open()
    await namespace.close()
    await until_gone(int(note.read_text()))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("no-such-command-anywhere",), "FileNotFoundError"),
        ((sys.executable, "-c", "print('no server')"), "Connection closed"),
    ],
)
async def test_a_command_that_is_no_server(command: tuple[str, ...], message: str) -> None:
    namespace = McpNamespace("sample", McpServer(command=command, start_s=10), Toolset())
    with pytest.raises(SettingsError, match=message):
        await namespace.open()
    await namespace.close()


async def test_one_that_is_not_required_is_tried_again_and_does_not_stop_us(caplog: pytest.LogCaptureFixture) -> None:
    toolset = Toolset()
    async with opened(McpServer(command=("no-such-command-anywhere",), required=False), toolset):
        assert len(toolset) == 0
        await until(lambda: caplog.text.count("starting it again") >= 2)


async def test_a_collision_is_an_error_at_the_start() -> None:
    async def run(context: CallContext, name: str, arguments: Arguments) -> str:
        return ""

    toolset = Toolset([Formula("acme/echo:latest", (Function(name="echo"),), run)])
    namespace = McpNamespace("sample", sample(required=False), toolset)
    with pytest.raises(SettingsError, match=r"'echo' is declared by acme/echo:latest .*mcp.sample.prefix"):
        await namespace.open()
    await namespace.close()


async def test_leaving_while_it_starts(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    namespace = McpNamespace("sample", sample(env={"HANG": "1", "NOTE": str(note)}), Toolset())
    opening = asyncio.create_task(namespace.open())
    await until(lambda: note.exists() and note.read_text() != "")
    await namespace.close()
    with pytest.raises(SettingsError, match="stopped while it was starting"):
        await opening
    await until_gone(int(note.read_text()))


async def test_nothing_leaks() -> None:
    async with opened(sample()):  # loads what is loaded once
        pass
    before, tasks = descriptors(), len(asyncio.all_tasks())
    for _ in range(3):
        toolset = Toolset()
        async with opened(sample(), toolset):
            assert (await ask(toolset, "echo", text="x")).output == "x"
    assert (descriptors(), len(asyncio.all_tasks())) == (before, tasks)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@asynccontextmanager
async def over_http(port: int) -> AsyncGenerator[subprocess.Popen[bytes]]:
    """The same server behind HTTP, once it takes connections."""
    process = await asyncio.to_thread(
        subprocess.Popen, [sys.executable, str(SAMPLE), "http", str(port)], env={"PATH": os.environ["PATH"]}
    )
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    await writer.wait_closed()
                    break
        yield process
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


async def test_over_http_also_when_it_restarts() -> None:
    port = free_port()
    toolset = Toolset()
    async with over_http(port):
        namespace = McpNamespace("sample", McpServer(url=f"http://127.0.0.1:{port}/mcp"), toolset, wait_s=15)
        await namespace.open()
        try:
            assert (await ask(toolset, "echo", text="x")).output == "x"
            assert (await ask(toolset, "fail")).error == "it broke, use another"
            assert "stopped before it answered" in str((await ask(toolset, "die")).error)
            async with over_http(port):
                assert (await ask(toolset, "echo", text="again")).output == "again"
        finally:
            await namespace.close()


async def test_a_url_that_nobody_answers() -> None:
    namespace = McpNamespace("sample", McpServer(url=f"http://127.0.0.1:{free_port()}/mcp"), Toolset())
    with pytest.raises(SettingsError, match="ConnectError"):
        await namespace.open()
    await namespace.close()
