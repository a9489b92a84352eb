"""One MCP server's tools in a toolset: listed when the server starts, again when they change, and kept alive."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import TYPE_CHECKING, cast

import anyio

from moonbase.contract.errors import SettingsError
from moonbase.contract.tools import Function
from moonbase.tools.mcp.arguments import can_be_enforced, readable_arguments
from moonbase.tools.mcp.server import McpServer, check_server, function_name, redacted, uri_of
from moonbase.tools.tool import Arguments, CallContext, Formula, ToolError
from moonbase.tools.toolset import Collision, Toolset

if TYPE_CHECKING:
    from mcp.types import Tool

    from moonbase.tools.mcp.connection import Connection

    Connect = Callable[[str, McpServer], AbstractAsyncContextManager[Connection]]

_log = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
_HEALTHY_S = 60.0
_LEAVE_S = 5.0


class McpNamespace:
    """The formulas `mcp-NAME/TOOL:latest`. Raises `SettingsError` for settings that cannot work.

    One task owns the connection from its start to its end; `open` waits for the first listing, `close` for the end.
    """

    def __init__(self, name: str, server: McpServer, toolset: Toolset, *, wait_s: float = 5.0) -> None:
        check_server(name, server)
        if importlib.util.find_spec("mcp") is None:
            raise SettingsError(f"mcp.{name} needs the mcp package; run: pip install 'moonbase[mcp]'")
        self.name = name
        self._server, self._toolset = server, toolset
        self._wait_s = wait_s
        self._uris: list[str] = []
        self._told: set[str] = set()
        self._connection: Connection | None = None
        self._up = asyncio.Event()
        self._stop = asyncio.Event()
        self._scope: anyio.CancelScope | None = None
        self._task: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] | None = None

    async def open(self) -> None:
        """Returns when the tools are listed. Raises `SettingsError` where the server is required and does not come up
        in time, or its tools collide with others."""
        first = self._first = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep(), name=f"mcp {self.name}")
        await first

    async def close(self) -> None:
        self._stop.set()
        if self._scope is not None and self._connection is None:
            self._scope.cancel()
        elif self._scope is not None and self._connection is not None:
            self._scope.deadline = anyio.current_time() + _LEAVE_S
            self._connection.news.event.set()
        if self._task is not None:
            await self._task

    async def _keep(self) -> None:
        """Connect, serve until the connection is lost, and again, with longer and longer pauses."""
        pause = _FIRST_PAUSE
        clock = asyncio.get_running_loop().time
        while not self._stop.is_set():
            began = clock()
            problem = await self._attempt()
            if self._stop.is_set():
                break
            if first := self._awaited():
                if isinstance(problem, Collision) or self._server.required:
                    first.set_exception(_as_settings_error(self.name, problem))
                    break
                first.set_result(None)
            pause = _FIRST_PAUSE if clock() - began > _HEALTHY_S else pause
            _log.warning("mcp %s: %s; starting it again in %.1f s", self.name, problem, pause)
            with anyio.move_on_after(pause):
                await self._stop.wait()
            pause = min(pause * 2, _LONGEST_PAUSE)
        if first := self._awaited():
            first.set_exception(SettingsError(f"mcp.{self.name}: stopped while it was starting"))

    async def _attempt(self) -> Exception:
        """One connection, from start to end; what ended it."""
        limit, listed = self._server.start_s, False
        try:
            connect = await asyncio.to_thread(_connector)
            scope = self._scope = anyio.CancelScope(deadline=anyio.current_time() + limit)
            if self._stop.is_set():
                scope.cancel()
            with scope:
                async with connect(self.name, self._server) as connection:
                    self._publish(connection, await connection.tools(), starting=self._awaited() is not None)
                    scope.deadline, listed = float("inf"), True
                    await self._serve(connection)
                    self._connection = None
                    self._up.clear()
                    scope.deadline = anyio.current_time() + _LEAVE_S
        except Exception as error:  # the edge: a transport or a server of someone else's
            cause = _cause(error)
            return cause if isinstance(cause, SettingsError) else _Failure(redacted(_shown(cause), self._server))
        finally:
            self._scope = None
            self._connection = None
            self._up.clear()
        return _Failure("its connection ended" if listed else f"it did not list its tools within {limit:g} seconds")

    def _awaited(self) -> asyncio.Future[None] | None:
        """What `open` still waits for; None once it has returned."""
        return self._first if self._first is not None and not self._first.done() else None

    async def _serve(self, connection: Connection) -> None:
        """Until the connection is lost or we leave."""
        self._connection = connection
        self._up.set()
        if first := self._awaited():
            first.set_result(None)
        news = connection.news
        while not (self._stop.is_set() or news.gone):
            await news.event.wait()
            news.event.clear()
            if news.changed and not news.gone:
                news.changed = False
                with anyio.move_on_after(self._server.start_s):
                    self._publish(connection, await connection.tools(), starting=False)

    def _publish(self, connection: Connection, tools: list[Tool], *, starting: bool) -> None:
        """Put the tools in place of those before, all at once. A tool that cannot be offered is left out, with a line
        in the log that says why. Raises `Collision` while the server starts, where the other is not one of its own."""
        self._toolset.remove(self._uris)
        self._uris = []
        only = self._server.only
        functions: set[str] = set()
        unreadable = connection.news.unreadable
        for name, fault in unreadable.items():
            self._leave_out(name, fault)
        for tool in tools:
            if only is not None and tool.name not in only:
                continue
            formula = self._formula(tool)
            function = formula.functions[0].name
            try:
                self._toolset.add(formula)
            except SettingsError as error:
                if starting and isinstance(error, Collision) and function not in functions:
                    raise
                self._leave_out(tool.name, str(error))
            else:
                self._uris.append(formula.uri)
                functions.add(function)
        for missing in sorted(set(only or ()) - {tool.name for tool in tools} - unreadable.keys()):
            self._warn(f"it has no tool {missing}, which mcp.{self.name}.only names")

    def _leave_out(self, tool: str, why: str) -> None:
        if self._server.only is None or tool in self._server.only:
            self._warn(f"the tool {redacted(tool, self._server)} is left out: {redacted(why, self._server)}")

    def _warn(self, text: str) -> None:
        """Said once, however often the tools are listed."""
        if text not in self._told:
            self._told.add(text)
            _log.warning("mcp %s: %s", self.name, text)

    def _formula(self, tool: Tool) -> Formula:
        async def run(context: CallContext, name: str, arguments: Arguments) -> str:
            return await (await self._connected()).call(tool.name, arguments)

        parameters = readable_arguments(tool.input_schema)
        function = Function(
            name=function_name(self._server.prefix, tool.name),
            description=tool.description or tool.title,
            parameters=parameters,
            strict=None if can_be_enforced(parameters) else False,
        )
        return Formula(uri_of(self.name, tool.name), (function,), run)

    async def _connected(self) -> Connection:
        """The connection; a call that comes while the server starts again waits for it a little."""
        if self._connection is None or self._connection.news.gone:
            self._up.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._wait_s):
                    await self._up.wait()
        if self._connection is None:
            raise ToolError("the tool's server is not running; it is started again, try again later")
        return self._connection


def _connector() -> Connect:
    """Loads the `mcp` package, which takes a second: not on the event loop."""
    from moonbase.tools.mcp.connection import connect

    return connect


class _Failure(Exception):
    """Why a connection ended, in words for the operator."""


def _as_settings_error(name: str, problem: Exception) -> SettingsError:
    if isinstance(problem, Collision):
        return SettingsError(
            f"mcp.{name}: {problem}; mcp.{name}.prefix renames its functions, mcp.{name}.only leaves some out"
        )
    return SettingsError(
        f"mcp.{name}: the MCP server cannot be used: {problem}; mcp.{name}.required = false starts without it"
    )


def _cause(error: BaseException) -> BaseException:
    """The first cause, out of the groups that task groups make."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def _shown(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
