"""Bounds of a run, and runs that are stopped."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from moonbase.agent.conversation import INTERRUPTED
from moonbase.agent.errors import LimitReached
from moonbase.agent.events import AgentEvent, Done
from moonbase.agent.limits import Limits
from moonbase.agent.session import Session
from moonbase.contract.events import Failed, ReasoningDelta, ToolCallOpened
from moonbase.contract.messages import FunctionCall, Message, ToolCall, check_conversation
from moonbase.engines.scripted import ScriptedEngine
from tests.agent.directing import call, heard, scripted, then
from tests.engines.takes import Take, Takes


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


async def test_the_last_step_must_answer() -> None:
    engine = Takes(Take(calls=(("add", '{"a": 1}'),)))
    result = await scripted(add, engine=engine, limits=Limits(steps=3)).run("Go on for ever")
    assert len(result.steps) == 3
    assert result.steps[2].calls == ()
    assert [request.tool_choice for request in engine.asked] == ["auto", "auto", "none"]
    assert result.finish_reason == "stop"


async def test_the_tokens_of_all_steps_are_bounded() -> None:
    session = Session.in_memory()
    task = call("add", a=1) + "".join(then("add", a=number) for number in range(50))
    with pytest.raises(LimitReached, match=r"limits\.tokens is 3000") as caught:
        await scripted(add, limits=Limits(tokens=3000)).run(task, session=session)
    usage = caught.value.result.usage
    assert 3000 <= usage.prompt_tokens + usage.completion_tokens < 6000
    # Everything is whole, and can be gone on with.
    assert session.messages == caught.value.result.messages
    check_conversation(list(session.messages), thinking=True)


async def test_no_answer_gets_more_tokens_than_are_left() -> None:
    engine = Takes(Take("Hello"))
    await scripted(engine=engine, limits=Limits(tokens=500)).run("Hi")
    assert engine.asked[0].max_tokens == 500


async def test_the_time_of_a_run_is_bounded() -> None:
    engine = ScriptedEngine(pace=0.01)
    with pytest.raises(LimitReached, match=r"longer than limits\.seconds, 0\.05 seconds"):
        await scripted(engine=engine, limits=Limits(seconds=0.05)).run("Say something long. " * 20)
    generated = engine.generated
    await asyncio.sleep(0.05)
    assert engine.generated == generated


async def test_a_tool_that_takes_too_long_is_a_result() -> None:
    async def wait() -> str:
        """Wait."""
        await asyncio.Event().wait()
        return "never"

    result = await scripted(wait, limits=Limits(tool_seconds=0.02)).run(call("wait"))
    assert result.text == "Error: the tool did not answer in time; try again or ask for less"


async def test_a_limit_in_a_stream_is_its_last_event() -> None:
    events = await heard(scripted(add, limits=Limits(tokens=1)), call("add", a=1))
    last = events[-1]
    assert isinstance(last, Failed)
    assert last.error.type == "limit_reached_error"


@pytest.mark.parametrize("name", ["steps", "tokens", "seconds", "tool_seconds"])
def test_a_limit_is_above_nothing(name: str) -> None:
    with pytest.raises(ValueError, match=f"limits.{name} must be a"):
        Limits(**{name: 0})


@pytest.mark.parametrize(("name", "value"), [("steps", 2.5), ("tokens", "5"), ("seconds", "5")])
def test_a_limit_is_a_number(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"limits.{name} must be a .*number above 0, got {value!r}"):
        Limits(**{name: value})


async def test_cancelled_in_an_answer_the_model_stops_at_once() -> None:
    engine = ScriptedEngine(pace=0.005)
    session = Session.in_memory()
    running = asyncio.create_task(scripted(engine=engine).run("Say it. " * 50, session=session))
    await engine.began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    generated = engine.generated
    await asyncio.sleep(0.03)
    assert engine.generated == generated
    assert [message.role for message in session.messages] == ["user"]


async def test_cancelled_in_tools_what_was_whole_is_kept() -> None:
    began, stopped = asyncio.Event(), asyncio.Event()

    async def hang() -> str:
        """Hang."""
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return "never"

    session = Session.in_memory()
    agent = scripted(hang, add)
    running = asyncio.create_task(agent.run(call("add", a=1) + call("hang"), session=session))
    await began.wait()
    await asyncio.sleep(0.05)  # add has ended by now, or else its result may be missing below
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stopped.is_set()
    results = {message.name: message.text for message in session.messages if message.role == "tool"}
    assert results == {"add": "2", "hang": INTERRUPTED}
    check_conversation(list(session.messages), thinking=True)
    again = await agent.run(None, session=session)
    assert again.text == INTERRUPTED


async def test_a_call_that_was_stopped_can_be_answered_by_hand() -> None:
    session = Session.in_memory()
    session.append(
        Message("user", "Go"),
        Message("assistant", "", reasoning_content="", tool_calls=[ToolCall("add:0", FunctionCall("add", "{}"))]),
    )
    result = await scripted(add).run(Message("tool", "It is 7.", tool_call_id="add:0"), session=session)
    assert result.text == "It is 7."
    assert [message.role for message in result.messages] == ["tool", "assistant"]


async def test_closing_a_stream_stops_the_model() -> None:
    engine = ScriptedEngine(pace=0.005)
    async with aclosing(scripted(engine=engine).stream("Say it. " * 50)) as events:
        async for event in events:
            if isinstance(event, ReasoningDelta):
                break
    generated = engine.generated
    await asyncio.sleep(0.03)
    assert engine.generated == generated


async def test_a_stream_is_told_as_it_happens() -> None:
    engine = ScriptedEngine(pace=0.001)
    told: list[tuple[AgentEvent, int]] = []
    async for event in scripted(add, engine=engine).stream(call("add", a=1)):
        told.append((event, engine.generated))
    opened = next(generated for event, generated in told if isinstance(event, ToolCallOpened))
    assert isinstance(told[-1][0], Done)
    assert opened < told[-1][1]
