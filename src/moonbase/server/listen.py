"""The listening server: uvicorn around the app, leaving as the contract says."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any, cast

import uvicorn

from moonbase.contract.errors import SettingsError
from moonbase.engines.http.keepalive import keep_alive
from moonbase.server.app import App
from moonbase.server.protocol import Protocol

_ENDING = 1.0
"""Seconds that an answer has, once its time is up, to say so and to be charged."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket's address, taken; raises `SettingsError` when it cannot be. Port 0 takes any free one."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(f"cannot listen on {host}: {error.strerror or error}; check --host") from error
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keep_alive(taken)
    try:
        taken.bind(address)
    except (OSError, OverflowError) as error:
        taken.close()
        raise _in_use(f"{host}:{port}", error) from error
    return taken


def _in_use(address: str, error: Exception) -> SettingsError:
    return SettingsError(
        f"cannot listen on {address}: {error}. Is another server running there? Choose another with --port"
    )


def url_of(taken: socket.socket) -> str:
    host, port = taken.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(serving: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where there is one (not on Windows)."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(serving)
    else:
        uvloop.run(serving)


class Listener(uvicorn.Server):
    """Serves `app` on a bound socket. `ready` is set once it takes requests. SIGINT and SIGTERM begin the drain, the
    latter when the server has lingered; a second signal ends that. `protocol` makes what reads a connection."""

    def __init__(self, app: App, *, protocol: Callable[..., Protocol] = Protocol) -> None:
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ready = asyncio.Event()
        self._ended = asyncio.Event()
        super().__init__(
            uvicorn.Config(
                app,
                http=cast("type[Protocol]", partial(protocol, asked=app)),
                ws="none",
                log_config=None,
                access_log=False,
                proxy_headers=False,  # nothing here asks who the client is beyond its key
                server_header=False,
                lifespan="off",
                timeout_keep_alive=75,
                timeout_graceful_shutdown=math.ceil(app.platform.drain.seconds) + 1,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            self.ready.set()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not uvicorn's, which raises the signal again once nothing is served any more, before the app has closed:
        # SIGTERM would end the process there, with the books of the last moment unwritten.
        self.force_exit = self.force_exit or (self.should_exit and sig == signal.SIGINT)
        drain = self._app.platform.drain
        if self._loop is None:
            self.should_exit = True
        elif drain.linger and sig == signal.SIGTERM and not drain.draining:
            drain.announce()
            self._loop.call_soon_threadsafe(self._loop.call_later, drain.linger, self.leave)
        else:
            self.should_exit = True
            self._loop.call_soon_threadsafe(self.leave)

    def leave(self) -> None:
        """Take no more requests and begin the drain. Call from the event loop's thread."""
        self.end()
        self._app.platform.drain.begin()

    def end(self) -> None:
        """Take no more requests, and end with the answers that are under way. Call from the event loop's thread."""
        self.should_exit = True
        self._ended.set()

    async def main_loop(self) -> None:
        # Not uvicorn's, which looks ten times a second whether it shall end. Its tick keeps the date of the answers.
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn's, without its pause of a tenth of a second for the connections that nothing is answered on: they are
        # gone within two turns of the loop.
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for _ in range(2):
            await asyncio.sleep(0)
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                await self._wait_tasks_to_complete()
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel()

    async def run_on(self, taken: socket.socket) -> None:
        """Serve until told to leave; raises `SettingsError` when an engine could not start, or when another server
        has come to listen there meanwhile."""
        url = url_of(taken)
        try:
            await self._app.open()
            try:
                await self.serve(sockets=[taken])
                await self._end()
            except OSError as error:
                if self.started:
                    raise
                raise _in_use(url, error) from error
            finally:
                await self._app.close()
        finally:
            with suppress(OSError):  # where it could not listen, uvloop has closed it
                taken.close()

    async def _end(self) -> None:
        """End what the leaving did not wait for, while the books are still open."""
        left = set(self.server_state.tasks)
        for task in left:
            if not task.cancelling():
                task.cancel()
        if left:
            await asyncio.wait(left, timeout=_ENDING)
