"""Keeps one worker process running: starts it, watches it, starts it again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque

from moonbase.contract.errors import SettingsError, Unavailable
from moonbase.engines.llama.child import child_environment
from moonbase.engines.llama.connection import Connection, WorkerGone
from moonbase.engines.llama.wire import Load, LoadFailed

_LOG_LINES, _LINE_LENGTH = 40, 500
_STEADY = 10.0
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 10.0
_LEAVE = 2.0

_log = logging.getLogger(__name__)


class Supervisor:
    """One worker at a time, always with the same `load`.

    A worker that ends is replaced at once; where several in a row end within `_STEADY` seconds of their start, after a
    delay that doubles each time. `wait`: seconds for which `connection` waits for a worker.
    """

    def __init__(self, load: Load, *, wait: float) -> None:
        self._load = load
        self._wait = wait
        self._process: Process | None = None
        self._current: asyncio.Future[Connection] | None = None
        self._connection: Connection | None = None
        self._listening: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._said: deque[str] = deque(maxlen=_LOG_LINES)
        self.restarts = 0
        """How many workers have ended and were replaced."""

    @property
    def pid(self) -> int | None:
        """The worker's process id, while there is one."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the first worker; raises `SettingsError` where it cannot load the model."""
        self._current = asyncio.get_running_loop().create_future()
        if (complaint := await self._spawn()) is not None:
            await self.close()
            said = "".join(f"\n  {line}" for line in self._said)
            raise SettingsError(f"The model {self._load.model} does not load: {complaint}{said}")
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """End the worker: politely, then by force."""
        self._current = None
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
            self._watching = None
        await self._finish()

    async def connection(self) -> Connection:
        """The connection to a worker that is ready; raises `Unavailable` if there is none in time."""
        if self._current is None:
            raise Unavailable("The embedded engine is not running")
        if self._current.done():
            return self._current.result()
        try:
            return await asyncio.wait_for(asyncio.shield(self._current), self._wait)
        except TimeoutError:
            raise Unavailable(
                "The embedded engine is being restarted after a crash; try again shortly",
                headers={"Retry-After": f"{_LONGEST_DELAY:.0f}"},
            ) from None

    async def _watch(self) -> None:
        """Replace every worker that ends."""
        loop = asyncio.get_running_loop()
        short_lives = -1  # The first is forgiven: its successor starts at once.
        while self._listening is not None:
            born = loop.time()
            await asyncio.wait({self._listening})
            short_lives = 0 if loop.time() - born >= _STEADY else short_lives + 1
            await self._finish()
            self.restarts += 1
            await self._pause(short_lives)
            while await self._spawn() is not None:
                short_lives += 1
                await self._pause(short_lives)

    async def _pause(self, short_lives: int) -> None:
        """Say what happened, and wait the longer the more workers ended soon after their start."""
        delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(short_lives - 1, 10)) if short_lives else 0.0
        self._report(delay)
        await asyncio.sleep(delay)

    def _report(self, delay: float) -> None:
        code = None if self._process is None else self._process.returncode
        said = "".join(f"\n  {line}" for line in self._said)
        _log.error("The llama worker ended with code %s; it is started again in %.1f s.%s", code, delay, said)

    async def _spawn(self) -> str | None:
        """Start a worker and wait until it is ready; says what is wrong where it is not."""
        self._said.clear()
        ours, theirs = socket.socketpair()
        command = (sys.executable, "-P", "-m", "moonbase.engines.llama.worker")
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=PIPE, env=child_environment()
            )
        except OSError as error:
            ours.close()
            return f"no process: {error}"
        finally:
            theirs.close()
        self._process = process
        _, connection = await asyncio.get_running_loop().create_connection(lambda: Connection(self._ended), sock=ours)
        self._connection = connection
        assert process.stderr
        self._listening = asyncio.create_task(self._listen(process.stderr))
        return await self._ready(connection)

    async def _ready(self, connection: Connection) -> str | None:
        try:
            connection.send(self._load)
            loaded = await connection.loaded()
        except WorkerGone:
            await self._finish()
            return f"the worker ended with code {self._process.returncode if self._process else None}"
        if isinstance(loaded, LoadFailed):
            await self._finish()
            return loaded.message
        if self._current is not None:
            self._current.set_result(connection)
        return None

    def _ended(self) -> None:
        """Before anyone else learns of the end: who asks again waits for the next worker."""
        if self._current is not None and self._current.done():
            self._current = asyncio.get_running_loop().create_future()

    async def _listen(self, errors: asyncio.StreamReader) -> None:
        """Until the worker closes stderr, which is when it ends."""
        rest = ""
        while data := await errors.read(1 << 16):
            *lines, rest = (rest + data.decode("utf-8", "replace")).split("\n")
            self._said.extend(line[:_LINE_LENGTH] for line in lines)
            rest = rest[:_LINE_LENGTH]

    async def _finish(self) -> None:
        """Make sure that the process is gone and reaped."""
        if self._connection is not None:
            self._connection.hang_up()
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), _LEAVE)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._listening is not None:
            await self._listening
