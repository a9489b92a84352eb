"""An agent whose process is killed in the middle of a long task goes on where it was."""

from __future__ import annotations

import asyncio
import random
import re
from contextlib import aclosing
from pathlib import Path

import pytest

from moonbase.agent.conversation import INTERRUPTED
from moonbase.agent.records import Compaction
from moonbase.agent.session import Session, SessionBusy
from moonbase.contract.events import ToolResult
from moonbase.contract.messages import check_conversation
from tests.agent.directing import call, scripted
from tests.agent.programs import ended, line_of, started

GOAL = 300
KILLS = 4


def test_three_hundred_calls_with_kills_in_the_middle(tmp_path: Path) -> None:
    path, draw = tmp_path / "s.jsonl", random.Random(300)
    for kill in range(KILLS):
        process = started("tests.agent.long_task", path, str(GOAL))
        lines = [line_of(process) for _ in range(draw.randrange(20, 50))]
        assert "" not in lines, f"it ended before kill {kill}"
        process.kill()
        ended(process)
        check_conversation(list(Session.read(path).messages), thinking=True)
    process = started("tests.agent.long_task", path, str(GOAL))
    assert ended(process)[-2:] == [f"I counted to {GOAL}.", ""]
    check_whole(Session.read(path))


def check_whole(session: Session) -> None:
    """Every number was counted, and no more was lost than the call that each kill interrupted."""
    results = [message.text for message in session.history if message.role == "tool"]
    counted = [int(found.group(1)) for text in results if (found := re.match(r"counted (\d+)", text))]
    assert sorted(set(counted)) == list(range(1, GOAL + 1))
    assert counted == sorted(counted), "none is counted again once its result was read"
    assert len(results) - len(counted) == results.count(INTERRUPTED) <= KILLS
    assert GOAL + 1 <= len(session.steps) <= GOAL + 1 + KILLS
    assert session.history[0].role == "user"
    assert any(isinstance(record, Compaction) for record in session.records)
    assert len(session.messages) < len(session.history)
    assert session.pending == ()


class Waiting:
    """A tool that waits; `begun` says that it does, and `free` lets it go on."""

    def __init__(self) -> None:
        self.begun, self.free = asyncio.Event(), asyncio.Event()

    async def wait(self) -> str:
        """Wait for somebody."""
        self.begun.set()
        await self.free.wait()
        return "here"


async def test_two_runs_at_once_in_one_session_are_told_so() -> None:
    session, tool = Session.in_memory(), Waiting()
    agent = scripted(tool.wait)
    first = asyncio.create_task(agent.run(call("wait"), session=session))
    await tool.begun.wait()
    with pytest.raises(SessionBusy, match="another run is under way"):
        await agent.run("And me?", session=session)
    tool.free.set()
    assert (await first).text == "here"
    assert (await agent.run("And me?", session=session)).text == "You said: And me?"


def quick() -> str:
    """Be done at once."""
    return "done"


async def test_a_result_is_in_the_file_while_the_other_calls_of_its_step_run(tmp_path: Path) -> None:
    """So that a kill in the middle of one call costs the result of no other."""
    path, tool = tmp_path / "s.jsonl", Waiting()
    with Session.open(path) as session:
        async with aclosing(scripted(tool.wait, quick).stream(call("wait") + call("quick"), session=session)) as events:
            async for event in events:
                if isinstance(event, ToolResult):
                    break
            left = Session.read(path)
    assert [called.function.name for called in left.pending] == ["wait"]
    assert [message.text for message in left.messages[2:]] == [INTERRUPTED, "done"]


async def test_a_run_that_was_cancelled_leaves_a_session_to_go_on_with() -> None:
    session, tool = Session.in_memory(), Waiting()
    agent = scripted(tool.wait)
    running = asyncio.create_task(agent.run(call("wait"), session=session))
    await tool.begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [pending.function.name for pending in session.pending] == ["wait"]
    result = await agent.run(None, session=session)
    assert result.text == INTERRUPTED  # the scripted engine says what it reads last
    assert session.pending == ()
