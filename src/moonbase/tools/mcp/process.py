"""An MCP server as a process of ours: its standard streams as messages, and no process left when it ends.

By hand, where the `mcp` package has a transport too: that one hands down more of our environment, tells nobody that the
server died, and leaves what a server had started when the server goes first.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import types
from mcp.shared.message import SessionMessage

from moonbase.tools.mcp.server import McpServer, redacted

_log = logging.getLogger(__name__)
_INHERITED = ("PATH", "HOME", "SYSTEMROOT")
_LONGEST_LINE = 32 * 1024 * 1024
_GRACE_S = 2.0
Item = SessionMessage | Exception


@asynccontextmanager
async def process_streams(
    name: str, server: McpServer, exited: Callable[[], None]
) -> AsyncGenerator[tuple[MemoryObjectReceiveStream[Item], MemoryObjectSendStream[SessionMessage]]]:
    """Run the command; what it writes and what it is sent. Calls `exited` when it ends, however it does.

    At the end of the block its standard input is closed; two seconds later it is asked to leave (SIGTERM), and two
    seconds later made to (SIGKILL), with all that it has started. Raises `OSError` for a command that cannot be run.
    """
    process = await _start(server, exited)
    into, reading = anyio.create_memory_object_stream[Item](0)
    writing, outof = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read, process, into)
            tasks.start_soon(_write, process, outof)
            tasks.start_soon(_log_errors, name, server, process)
            try:
                yield reading, writing
            finally:
                tasks.cancel_scope.cancel()
    finally:
        for stream in (reading, writing):
            stream.close()
        with anyio.CancelScope(shield=True):
            await _stop(process)


class _Protocol(SubprocessStreamProtocol):
    """Tells when the process itself ends; a child of it that holds its pipes would hide that from a reader."""

    def __init__(self, exited: Callable[[], None]) -> None:
        super().__init__(_LONGEST_LINE, asyncio.get_running_loop())
        self._exited = exited
        self.over = asyncio.Event()
        self._pid: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._pid = transport.get_pid()  # pyright: ignore  (a subprocess's transport)

    def process_exited(self) -> None:
        super().process_exited()
        if self._pid:
            _signal_group(self._pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        self.over.set()
        self._exited()


class _Process(Process):
    over: asyncio.Event


async def _start(server: McpServer, exited: Callable[[], None]) -> _Process:
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ} | server.env
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.subprocess_exec(
        lambda: _Protocol(exited),
        *server.command,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=environment,
        cwd=server.cwd,
        start_new_session=True,
    )
    process = _Process(transport, protocol, loop)
    process.over = protocol.over
    return process


async def _read(process: Process, into: MemoryObjectSendStream[Item]) -> None:
    """One message a line; the stream ends where the output does. What is no message is passed over: servers print."""
    assert process.stdout is not None
    with into, suppress(ValueError, anyio.BrokenResourceError):  # a line without end; nobody listens any more
        async for line in process.stdout:
            if message := _message(line) or _message(_of_characters(line)):
                await into.send(SessionMessage(message))


def _message(line: bytes) -> types.JSONRPCMessage | None:
    try:
        return types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        return None


def _of_characters(line: bytes) -> bytes:
    """JSON with `?` for what is no character: servers in JavaScript cut texts within a surrogate pair, and escape the
    half that is left."""
    try:
        return json.dumps(json.loads(line.decode(errors="replace")), ensure_ascii=False).encode(errors="replace")
    except (ValueError, RecursionError):
        return b""


async def _write(process: Process, outof: MemoryObjectReceiveStream[SessionMessage]) -> None:
    assert process.stdin is not None
    with outof, suppress(OSError):  # it has gone, which the reader sees too
        async for item in outof:
            text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
            process.stdin.write(f"{text}\n".encode())
            await process.stdin.drain()


async def _log_errors(name: str, server: McpServer, process: Process) -> None:
    """Standard error, line by line to the log, where only an operator who asks for it sees it."""
    assert process.stderr is not None
    with suppress(ValueError):
        async for line in process.stderr:
            if line.strip() and _log.isEnabledFor(logging.DEBUG):
                _log.debug("mcp %s: %s", name, redacted(line.decode(errors="replace"), server))


async def _stop(process: _Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    for number in (None, signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        if number is not None:
            _signal_group(process.pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                await process.over.wait()
                break
    # Our ends of the pipes: a stranger may hold the others.
    cast("Any", process)._transport.close()
    await asyncio.sleep(0)


def _signal_group(pid: int, number: int) -> None:
    """To the process and all that it started and that has not left its session."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
