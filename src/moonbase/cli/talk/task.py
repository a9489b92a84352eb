"""One task, carried out: the answer on standard output, what leads to it on standard error."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO

import msgspec

from moonbase.agent.events import AgentEvent, Done
from moonbase.agent.result import Result
from moonbase.agent.session import Session
from moonbase.cli.exits import DONE, FAILED, INTERRUPTED, ending
from moonbase.cli.talk.lines import JsonLines, failed
from moonbase.cli.talk.partner import open_partner
from moonbase.cli.talk.sessions import open_session
from moonbase.cli.talk.stopping import Stopped, complain, reader_gone, stoppable, what_is_kept
from moonbase.cli.talk.telling import tell
from moonbase.cli.talk.wishes import Wishes
from moonbase.cli.terminal.safe import safe, safe_json
from moonbase.cli.terminal.screen import Screen, open_screen
from moonbase.cli.terminal.show import Show
from moonbase.contract.errors import SettingsError, UnexpectedOutput
from moonbase.contract.events import Failed

_TICK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a task is carried out and told. `hidden`: the answer is not for standard output; `then` is given the result,
    and its exit code holds."""

    as_json: bool = False
    schema: Path | None = None
    session: Path | None = None
    reasoning: bool = False
    quiet: bool = False
    hidden: bool = False
    then: Callable[[Result], int] | None = None


def carry_out(task: str, wishes: Wishes, manner: Manner) -> int:
    """The exit code. Raises what `cli.exits` knows."""
    text = sys.stdin.read() if task == "-" else task
    if not text.strip():
        raise SettingsError("the task is empty; say what is to be done")
    telling = _AsJson() if manner.as_json else _AsText(manner, paid=wishes.engine is None)
    return finished(lambda: _carried_out(text, wishes, manner, telling), telling, kept=manner.session)


def finished(work: Callable[[], Any], telling: _AsText | _AsJson, *, kept: Path | None) -> int:
    """The exit code that the coroutine of `work` comes to, 130 after Ctrl-C and 141 where nobody reads the output.
    `kept` is the session's file."""
    try:
        return asyncio.run(stoppable(work(), stopping=telling.stopping, hurry=telling.hurry))
    except Stopped:
        telling.hurry()
        complain(f"stopped{what_is_kept(kept)}")
        return INTERRUPTED
    except BrokenPipeError:
        return reader_gone(kept)


async def _carried_out(text: str, wishes: Wishes, manner: Manner, telling: _AsText | _AsJson) -> int:
    try:
        async with AsyncExitStack() as stack:
            session: Session | None = None
            if manner.session is not None:
                session = stack.enter_context(open_session(manner.session, wishes))
            partner = await stack.enter_async_context(open_partner(wishes))
            agent = await partner.agent(wishes, output=_schema(manner.schema))
            stream = await stack.enter_async_context(aclosing(agent.stream(text, session=session)))
            await stack.enter_async_context(ticking(telling.tick))
            result = await _heard(stream, telling)
        return telling.end(result)
    except BaseException as error:
        telling.failed(error)
        raise


async def _heard(stream: AsyncGenerator[AgentEvent], telling: _AsText | _AsJson) -> Result:
    """Raises the `ApiError` of a run that failed."""
    async for event in stream:
        telling.event(event)
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Done):
            return event.result
    raise UnexpectedOutput("the run ended without an answer")


@asynccontextmanager
async def ticking(tick: Callable[[], None]) -> AsyncGenerator[None]:
    """Calls `tick` ten times a second, so that live lines live."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            tick()

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class _AsText:
    """For people: the answer as it streams where standard output is a terminal, else at the end, and alone."""

    def __init__(self, manner: Manner, *, paid: bool) -> None:
        self._paid = paid
        self._out = open_screen(sys.stdout, os.environ)
        self._manner = manner
        progress = Screen.nowhere() if manner.quiet else open_screen(sys.stderr, os.environ)
        streams = self._out.terminal and manner.schema is None and not manner.hidden
        self._show = Show(
            self._out if streams else Screen.nowhere(), progress, perf_counter, folded=not manner.reasoning
        )
        self._streams = streams
        self._show.begin()

    def event(self, event: AgentEvent) -> None:
        tell(self._show, event)

    def tick(self) -> None:
        self._show.tick()

    def end(self, result: Result) -> int:
        self._show.end(price=result.price if self._paid else None)
        if not self._streams and not self._manner.hidden:
            told = safe(result.text) if self._manner.schema is None else _encoded(result.output)
            self._out.write(told if told.endswith("\n") else f"{told}\n")
        if result.finish_reason == "length":
            complain("the answer was cut off at the limit of tokens; --max-tokens allows more")
            return FAILED
        return self._manner.then(result) if self._manner.then else DONE

    def failed(self, error: BaseException) -> None:
        with suppress(OSError):
            self._show.close()

    def stopping(self) -> None:
        with suppress(OSError):
            self._show.stopping()

    def hurry(self) -> None:
        self.failed(Stopped())


class _AsJson:
    """For programs: lines of JSON on standard output, and nothing else there."""

    def __init__(self) -> None:
        self._lines = JsonLines()
        _utf8(sys.stdout)

    def event(self, event: AgentEvent) -> None:
        for made in self._lines.event(event):
            self._write(made)

    def tick(self) -> None: ...

    def end(self, result: Result) -> int:
        return FAILED if result.finish_reason == "length" else DONE

    def failed(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            self._write(failed(Stopped(), INTERRUPTED, "stopped"))
        elif isinstance(error, Exception) and (end := ending(error)) is not None:
            self._write(failed(error, end.code, end.line))

    def stopping(self) -> None: ...

    def hurry(self) -> None: ...

    def _write(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def _encoded(value: Any) -> str:
    return safe_json(msgspec.json.encode(value).decode())


def _schema(path: Path | None) -> Any:
    """Raises `SettingsError` for a file that is no JSON schema."""
    if path is None:
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise SettingsError(f"--output-schema {path}: {getattr(error, 'strerror', None) or error}") from None


def _utf8(stream: TextIO) -> None:
    """JSON is UTF-8, whatever the locale says."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8", newline="\n")
