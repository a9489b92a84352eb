"""What an agent opens, for how long, and for whom."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from moonbase.agent.agent import Agent
from moonbase.agent.events import Done
from moonbase.agent.servers import MCPServer
from moonbase.agent.session import Session
from moonbase.contract.errors import SettingsError
from moonbase.contract.messages import Message
from moonbase.engines.scripted import ScriptedEngine
from moonbase.tools.functions import tool
from tests.agent.directing import call, heard, scripted

SAMPLE = Path(__file__).parents[1] / "tools" / "mcp" / "sample_server.py"


class Noting(ScriptedEngine):
    """Notes when it is started and closed."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[str] = []

    async def start(self) -> None:
        self.noted.append("started")

    async def close(self) -> None:
        self.noted.append("closed")


async def test_each_run_opens_what_it_needs() -> None:
    engine = Noting()
    agent = scripted(engine=engine)
    await agent.run("One")
    await agent.run("Two")
    assert engine.noted == ["started", "closed"] * 2


async def test_an_agent_that_is_open_stays_open() -> None:
    engine = Noting()
    async with scripted(engine=engine) as agent:
        await agent.run("One")
        await agent.run("Two")
        assert engine.noted == ["started"]
    assert engine.noted == ["started", "closed"]


async def test_runs_at_once_share_what_is_open() -> None:
    engine = Noting()
    agent = scripted(engine=engine)
    results = await asyncio.gather(*(agent.run(str(number)) for number in range(5)))
    assert [result.text for result in results] == [f"You said: {number}" for number in range(5)]
    assert engine.noted == ["started", "closed"]


async def test_a_run_that_begins_while_the_last_one_closes_waits_for_that() -> None:
    closing, may_close = asyncio.Event(), asyncio.Event()

    class Slow(Noting):
        async def close(self) -> None:
            closing.set()
            await may_close.wait()
            await super().close()

    engine = Slow()
    agent = scripted(engine=engine)
    first = asyncio.create_task(agent.run("One"))
    await closing.wait()
    second = asyncio.create_task(agent.run("Two"))
    given_up = asyncio.create_task(agent.run("Three"))
    await asyncio.sleep(0)
    given_up.cancel()
    may_close.set()
    assert [(await run).text for run in (first, second)] == ["You said: One", "You said: Two"]
    assert engine.noted == ["started", "closed"] * 2


async def test_an_engine_is_in_one_event_loop_alone() -> None:
    engine = Noting()
    agent = scripted(engine=engine)
    async with agent:
        with pytest.raises(SettingsError, match=r"engine of this agent is at work in another thread.* await `run`"):
            agent.run_sync("Hello")
        assert (await agent.run("Hello")).text == "You said: Hello"
    assert engine.noted == ["started", "closed"]
    assert agent.run_sync("Hello").text == "You said: Hello"


def test_an_event_loop_that_is_gone_keeps_no_engine() -> None:
    agent = scripted()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(agent.__aenter__())
    loop.close()
    assert agent.run_sync("Hello").text == "You said: Hello"


async def test_what_cannot_be_opened_is_closed_again() -> None:
    class Failing(Noting):
        async def start(self) -> None:
            await super().start()
            raise SettingsError("the model is missing")

    engine = Failing()
    with pytest.raises(SettingsError, match="the model is missing"):
        await scripted(engine=engine).run("One")
    assert engine.noted == ["started", "closed"]


async def test_an_mcp_server_is_a_tool() -> None:
    server = MCPServer("sample", [sys.executable, str(SAMPLE)], prefix="s_", only=["echo", "fail"])
    async with scripted(server) as agent:
        result = await agent.run(call("s_echo", text="Hello") + call("s_fail"))
    echoed, failed = result.steps[0].calls
    assert echoed.content == "Hello"
    assert echoed.source == "mcp-sample/echo:latest"
    assert failed.failed


async def test_an_mcp_server_that_does_not_start_is_named() -> None:
    with pytest.raises(SettingsError, match=r"mcp\.sample"):
        await scripted(MCPServer("sample", [sys.executable, "-c", "pass"])).run("Hello")


async def test_an_agent_does_without_a_server_that_is_not_required() -> None:
    result = await scripted(MCPServer("sample", "no-such-command-anywhere", required=False)).run("Hello")
    assert result.text == "You said: Hello"


def test_an_mcp_server_has_one_place() -> None:
    with pytest.raises(SettingsError, match="either a command or a url"):
        MCPServer("sample")
    with pytest.raises(SettingsError, match="name has letters"):
        MCPServer("a b", "run")


def test_an_mcp_server_shows_no_secrets() -> None:
    assert "hush" not in repr(MCPServer("sample", "run --token hush", env={"A": "hush"}))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("max_tokens", "5", "max_tokens is '5'; expected a whole number"),
        ("seed", 1.5, "seed is 1.5; expected a whole number"),
        ("output_tries", True, "output_tries is True; expected a whole number"),
        ("temperature", "hot", "temperature is 'hot'; expected a number"),
        ("model", 3, "model is 3; expected text"),
        ("limits", {"steps": 3}, r"limits is {'steps': 3}; expected moonbase.Limits"),
        ("retries", 3, r"retries is 3; expected moonbase.Retries"),
        ("approve", True, r"approve is True; expected a function"),
        ("api_key", b"sk-secret", "api_key is bytes; expected text"),
    ],
)
def test_a_setting_of_the_wrong_kind_is_refused_at_once(name: str, value: Any, expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        Agent(**{name: value})


def test_a_function_without_hints_is_refused_at_once() -> None:
    def guess(x) -> str:  # pyright: ignore
        """Guess."""
        return str(x)  # pyright: ignore

    with pytest.raises(SettingsError, match="parameter 'x': it has no type hint"):
        Agent(tools=[guess], engine=ScriptedEngine())  # pyright: ignore[reportUnknownArgumentType]


def test_what_is_no_tool_is_refused() -> None:
    no_tool: object = 3
    with pytest.raises(SettingsError, match="tools has 3; expected a function"):
        Agent(tools=[no_tool], engine=ScriptedEngine())  # pyright: ignore[reportArgumentType]


PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAIAAAA2iEnWAAAAEElEQVR42mP4z8AARAwoFABE0AX7TM5xDwAAAABJRU5ErkJggg=="


def look(name: str) -> str:
    """Look."""
    return name


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"tools": "moonshot/date:latest"}, "tools is 'moonshot/date:latest'; expected a list, also of one"),
        ({"tools": look}, "tools is <function look .*>; expected a list, also of one"),
        ({"instructions": [look]}, "instructions is .*; expected text, the first argument; tools come after it"),
        ({"engine": "scripted"}, "engine is 'scripted'; expected an engine, as .*open_gguf"),
        ({"engine": ScriptedEngine}, "engine is <class .*>; expected an engine"),
        ({"thinking": "off"}, "thinking is 'off'; expected True, False or None, the model's default"),
        ({"model": "kimi-k3", "effort": "medium"}, "effort is 'medium'; kimi-k3 has low, high, max"),
    ],
)
def test_settings_that_are_something_else_are_refused_at_once(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        Agent(**settings)


async def test_a_task_may_be_parts_as_the_api_has_them() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
        {"type": "text", "text": "What is this?"},
    ]
    assert "image/png 2x3" in (await scripted().run(parts)).text


@pytest.mark.parametrize(
    "task", [3, b"Hello", ["Hello"], {"role": "user", "content": "Hello"}, [Message("user", "Hello")]]
)
async def test_what_is_no_task_is_refused(task: Any) -> None:
    with pytest.raises(
        SettingsError, match=r"the task cannot be used: .*; expected text, a moonbase.Message, or a list"
    ):
        await scripted().run(task)


async def test_a_path_is_no_session() -> None:
    with pytest.raises(SettingsError, match=r"session is 'trip.jsonl'; .*Session.open"):
        await scripted().run("Hello", session=cast("Any", "trip.jsonl"))


async def test_a_protected_function_needs_no_key() -> None:
    @tool(protected=True)
    def secret() -> str:
        """Tell it."""
        return "swordfish"

    assert (await scripted(secret).run(call("secret"))).text == "swordfish"


async def test_bad_arguments_are_a_result_that_says_what_is_wrong() -> None:
    def add(a: int) -> int:
        """Add one."""
        return a + 1

    result = await scripted(add).run(call("add", a="x") + call("add") + call("add", a=1))
    first, second, third = (each.content for each in result.steps[0].calls)
    assert first == "Error: arguments.a: 'x' is not of type 'integer'"
    assert "'a' is a required property" in second
    assert third == "2"


async def test_run_sync_beside_a_loop_runs_in_a_thread_of_its_own() -> None:
    async def here() -> str:
        """Tell the loop's thread."""
        return threading.current_thread().name

    result = scripted(here).run_sync(call("here"))
    assert result.text == "moonbase-agent"
    with pytest.raises(SettingsError):
        scripted("moonshot/nothing:latest").run_sync("Hello")


def test_ctrl_c_stops_run_sync_and_what_was_whole_is_kept() -> None:
    async def interrupt() -> str:
        """Press Ctrl-C."""
        signal.raise_signal(signal.SIGINT)
        await asyncio.Event().wait()
        return "never"

    session = Session.in_memory()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a program of its own
    try:
        with pytest.raises(KeyboardInterrupt):
            scripted(interrupt).run_sync(call("interrupt"), session=session)
    finally:
        signal.signal(signal.SIGINT, before)
    assert [message.role for message in session.messages] == ["user", "assistant", "tool"]
    assert [each.function.name for each in session.pending] == ["interrupt"]


def test_the_first_ctrl_c_stops_run_sync_within_asyncio_run() -> None:
    """There it cancels the task that waits, whose loop stands still."""

    async def interrupt() -> str:
        """Press Ctrl-C."""
        os.kill(os.getpid(), signal.SIGINT)
        async with asyncio.timeout(10):
            await asyncio.Event().wait()
        return "never"

    session = Session.in_memory()

    async def program() -> None:
        scripted(interrupt).run_sync(call("interrupt"), session=session)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(program())
    finally:
        signal.signal(signal.SIGINT, before)
    assert [each.function.name for each in session.pending] == ["interrupt"]


async def test_a_stream_ends_with_its_result() -> None:
    events = await heard(scripted(), "Hello")
    assert isinstance(events[-1], Done)


async def test_there_must_be_something_to_do() -> None:
    with pytest.raises(SettingsError, match="there is nothing to do"):
        await scripted().run(None)
