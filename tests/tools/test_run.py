"""Whatever a tool does, the caller gets a finished fiber."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from moonbase.contract.errors import NotFound, SettingsError
from moonbase.contract.tools import Function
from moonbase.tools.formula import FiberRequest
from moonbase.tools.run import FiberRunner, Limits
from moonbase.tools.seal import Sealer, new_key
from moonbase.tools.tool import Arguments, CallContext, Formula, PluginTitle, Run, ToolError
from moonbase.tools.toolset import Toolset

URI = "acme/echo:latest"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "list": {"type": "array", "items": {"type": "string"}}},
}
CALLER = CallContext("key-1", organization_id="org-1", project_id="proj-1")


async def echo(context: CallContext, name: str, arguments: Arguments) -> str:
    return str(arguments.get("text", ""))


def runner(run: Run = echo, *, protected: bool = False, sealer: Sealer | None = None, **limits: Any) -> FiberRunner:
    formula = Formula(URI, (Function(name="echo", parameters=SCHEMA),), run, protected)
    return FiberRunner(Toolset([formula]), sealer=sealer, limits=Limits(**limits), clock=lambda: 1_700_000_000.9)


async def call(
    fibers: FiberRunner, arguments: str = "{}", *, name: str = "echo", context: CallContext = CALLER
) -> dict[str, Any]:
    fiber = await fibers.run(URI, FiberRequest(name=name, arguments=arguments), context)
    return json.loads(fiber.encode())


async def error_of(fibers: FiberRunner, arguments: str = "{}", **options: Any) -> str:
    """The message of a failed fiber, after looking at its shape."""
    body = await call(fibers, arguments, **options)
    assert body["status"] == "failed"
    assert set(body["context"]) == {"input", "error"}
    return body["context"]["error"]


async def test_success_has_the_shape_of_the_contract() -> None:
    body = await call(runner(), '{"text": "hello"}')
    assert body.pop("id").startswith("fiber-")
    assert body.pop("lambda_id").startswith("lambda-")
    assert body == {
        "object": "fiber",
        "created_at": 1_700_000_000,
        "status": "succeeded",
        "context": {"input": '{"name":"echo","arguments":"{\\"text\\": \\"hello\\"}"}', "output": "hello"},
        "formula": URI,
        "organization_id": "org-1",
        "project_id": "proj-1",
    }


async def test_ids_differ_and_the_lambda_stays() -> None:
    fibers = runner()
    bodies = [await call(fibers) for _ in range(20)]
    assert len({body["id"] for body in bodies}) == 20
    assert len({body["lambda_id"] for body in bodies}) == 1


async def test_a_protected_output_opens_for_its_caller_only() -> None:
    sealer = Sealer(new_key())
    body = await call(runner(protected=True, sealer=sealer), '{"text": "secret"}')
    assert set(body["context"]) == {"input", "encrypted_output"}
    sealed = body["context"]["encrypted_output"]
    assert sealer.unseal_all(sealed, owner="key-1") == "secret"
    with pytest.raises(Exception, match="another API key"):
        sealer.unseal_all(sealed, owner="key-2")


async def test_a_protected_failure_is_readable() -> None:
    async def refuse(context: CallContext, name: str, arguments: Arguments) -> str:
        raise ToolError("no network")

    assert await error_of(runner(refuse, protected=True, sealer=Sealer(new_key()))) == "no network"


def test_a_protected_formula_without_a_sealer_is_refused_at_start() -> None:
    with pytest.raises(SettingsError, match="protected"):
        runner(protected=True)


async def test_an_unknown_formula_is_not_found() -> None:
    with pytest.raises(NotFound, match="formula not found"):
        await runner().run("acme/none:latest", FiberRequest("echo", "{}"), CALLER)


async def test_an_unknown_function_is_a_failed_fiber_that_lists_the_known_ones() -> None:
    error = await error_of(runner(), name="shout")
    assert error == "no matching lambda found; the functions of acme/echo:latest are: echo"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("{", "arguments is not valid JSON"),
        ("{} {}", "arguments is not valid JSON"),
        ('{"text": NaN}', "arguments is not valid JSON"),
        ("text", "arguments is not valid JSON"),
        ('{"text": "\\ud800"}', "arguments is not valid JSON"),
        ("[]", "arguments: [] is not of type 'object'"),
        ("null", "arguments: None is not of type 'object'"),
        ('"{}"', "arguments: '{}' is not of type 'object'"),
        ('{"text": 5}', "arguments.text: 5 is not of type 'string'"),
        ('{"list": ["a", 1]}', "arguments.list[1]: 1 is not of type 'string'"),
        ('{"text":' * 50_000, "nested too deeply"),
        ("[" * 50_000 + "]" * 50_000, "nested too deeply"),
    ],
)
async def test_bad_arguments_say_what_and_where(arguments: str, message: str) -> None:
    assert message in await error_of(runner(), arguments)


async def test_a_validator_that_stumbles_is_a_failed_fiber() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "number", "multipleOf": 0.5}}}
    fibers = FiberRunner(Toolset([Formula(URI, (Function(name="echo", parameters=schema),), echo)]))
    assert "cannot be checked" in await error_of(fibers, f'{{"a": 1{"0" * 400}}}')


async def test_empty_arguments_mean_none() -> None:
    assert (await call(runner(), ""))["status"] == "succeeded"
    assert (await call(runner(), " \n"))["status"] == "succeeded"


async def test_arguments_over_the_limit_are_refused_unread() -> None:
    assert "at most 10 are allowed" in await error_of(runner(input_bytes=10), '{"text": "aaaaaaaa"}')


async def test_long_arguments_do_not_hold_up_the_loop() -> None:
    arguments = json.dumps({"list": ["x"] * 60_000 + [1]})
    call_ended = asyncio.create_task(error_of(runner(), arguments))
    turns = 0
    while not call_ended.done():
        turns += 1
        await asyncio.sleep(0.005)
    assert "arguments.list[60000]" in call_ended.result()
    assert turns > 3


@pytest.mark.parametrize(
    "raised",
    [
        ValueError("secret text"),
        KeyError("secret text"),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        BaseException("secret text"),
        BaseExceptionGroup("secret text", [KeyboardInterrupt()]),
        MemoryError(),
        RecursionError(),
    ],
)
async def test_a_crash_becomes_a_short_message_and_a_log_line(
    raised: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash(context: CallContext, name: str, arguments: Arguments) -> str:
        raise raised

    with caplog.at_level(logging.WARNING):
        error = await error_of(runner(crash))
    assert error == f"the tool failed unexpectedly ({type(raised).__name__})"
    assert "acme/echo:latest echo failed" in caplog.text
    assert "at crash, line" in caplog.text
    assert "secret text" not in caplog.text


async def test_a_tool_error_without_words_still_says_something() -> None:
    async def refuse(context: CallContext, name: str, arguments: Arguments) -> str:
        raise ToolError

    assert await error_of(runner(refuse)) == "the tool failed"


async def test_a_slow_tool_is_stopped_at_the_deadline() -> None:
    stopped = asyncio.Event()

    async def slow(context: CallContext, name: str, arguments: Arguments) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()
        return ""

    started = time.monotonic()
    assert "did not answer in time" in await error_of(runner(slow, seconds=0.05))
    assert time.monotonic() - started < 2
    assert stopped.is_set()


async def test_a_tool_that_does_not_heed_being_cancelled_is_left_to_itself(caplog: pytest.LogCaptureFixture) -> None:
    release, ended = asyncio.Event(), asyncio.Event()

    async def cling(context: CallContext, name: str, arguments: Arguments) -> str:
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()
        ended.set()
        raise ValueError("secret text")

    with caplog.at_level(logging.WARNING):
        assert "did not answer in time" in await error_of(runner(cling, seconds=0.05, grace=0.05))
    assert "acme/echo:latest echo goes on although it was cancelled" in caplog.text
    release.set()
    await asyncio.wait_for(ended.wait(), 5)


async def test_a_tool_that_cleans_up_slowly_has_a_moment_for_it() -> None:
    cleaned = asyncio.Event()

    async def slow(context: CallContext, name: str, arguments: Arguments) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            cleaned.set()
        return ""

    assert "did not answer in time" in await error_of(runner(slow, seconds=0.05, grace=5))
    assert cleaned.is_set()


async def test_an_answer_at_the_last_moment_counts_as_none() -> None:
    """Who asked has been told by then, or has gone."""

    async def late(context: CallContext, name: str, arguments: Arguments) -> str:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return "late"

    assert "did not answer in time" in await error_of(runner(late, seconds=0.05))


async def test_the_callers_deadline_counts_when_it_is_sooner() -> None:
    async def slow(context: CallContext, name: str, arguments: Arguments) -> str:
        await asyncio.sleep(60)
        return ""

    soon = CallContext("key-1", deadline=asyncio.get_running_loop().time() + 0.05)
    assert "did not answer in time" in await error_of(runner(slow), context=soon)


async def test_a_tool_sees_its_deadline() -> None:
    async def remaining(context: CallContext, name: str, arguments: Arguments) -> str:
        return str(context.remaining())

    body = await call(runner(remaining, seconds=7))
    assert 6 < float(body["context"]["output"]) <= 7


async def test_a_timeout_inside_a_tool_is_not_the_deadline() -> None:
    async def inner(context: CallContext, name: str, arguments: Arguments) -> str:
        raise TimeoutError

    assert "failed unexpectedly (TimeoutError)" in await error_of(runner(inner))


async def test_cancelling_the_call_cancels_the_tool() -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    async def slow(context: CallContext, name: str, arguments: Arguments) -> str:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()
        return ""

    task = asyncio.create_task(call(runner(slow)))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()


async def test_a_tool_that_cancels_itself_is_a_failure() -> None:
    async def cancelled(context: CallContext, name: str, arguments: Arguments) -> str:
        raise asyncio.CancelledError

    assert "stopped before it was done" in await error_of(runner(cancelled))


@pytest.mark.parametrize("text", ["x" * 1_000_001, "é" * 600_000])
async def test_an_output_over_the_limit_fails(text: str) -> None:
    async def long(context: CallContext, name: str, arguments: Arguments) -> str:
        return text

    assert await error_of(runner(long)) == "the tool's output is longer than 1000000 bytes; ask for less"


async def test_an_output_at_the_limit_arrives_whole() -> None:
    async def long(context: CallContext, name: str, arguments: Arguments) -> str:
        return "x" * 1_000_000

    assert len((await call(runner(long)))["context"]["output"]) == 1_000_000


@pytest.mark.parametrize("value", [None, 5, b"bytes", {"a": 1}])
async def test_an_output_that_is_no_text_fails(value: Any) -> None:
    async def wrong(context: CallContext, name: str, arguments: Arguments) -> str:
        return value

    assert f"returned {type(value).__name__}" in await error_of(runner(wrong))


async def test_half_a_surrogate_pair_does_not_break_the_wire() -> None:
    async def broken(context: CallContext, name: str, arguments: Arguments) -> str:
        return "a\ud800b"

    assert (await call(runner(broken)))["context"]["output"] == "a?b"


async def test_many_fibers_at_once_keep_their_answers_apart_and_leak_nothing() -> None:
    async def pause(context: CallContext, name: str, arguments: Arguments) -> str:
        await asyncio.sleep(0.01)
        return f"{context.key_id} {arguments['text']}"

    fibers = runner(pause)
    threads = threading.active_count()
    calls = [call(fibers, json.dumps({"text": str(n)}), context=CallContext(f"key-{n}")) for n in range(1_000)]
    bodies = await asyncio.gather(*calls)
    assert [body["context"]["output"] for body in bodies] == [f"key-{n} {n}" for n in range(1_000)]
    assert threading.active_count() <= threads
    assert len(asyncio.all_tasks()) == 1


async def test_a_plugins_function_runs_under_both_names_only() -> None:
    """contract.md 6.2."""

    async def named(context: CallContext, name: str, arguments: Arguments) -> str:
        return name

    plugin = Formula(URI, (Function("echo", parameters=SCHEMA),), named, plugin=PluginTitle("sky", "Up."))
    fibers = FiberRunner(Toolset([plugin]))
    assert (await call(fibers, name="sky.echo"))["context"]["output"] == "sky.echo"
    assert (await error_of(fibers, name="echo")).startswith("no matching lambda found")
    assert "arguments.text" in await error_of(fibers, '{"text": 5}', name="sky.echo")
