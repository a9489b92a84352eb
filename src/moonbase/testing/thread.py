"""A server on a thread of its own, with an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Thread

from moonbase.server.app import App
from moonbase.server.listen import Listener, bind, run, url_of
from moonbase.server.platform import Platform
from moonbase.testing.connection import HeardProtocol
from moonbase.testing.requests import Request

HOST = "127.0.0.1"


class ServerThread(Thread):
    """Serves what `compose` makes on a free port of this machine; `heard` is told of requests, there. A process whose
    tests have forgotten it can still end."""

    def __init__(self, compose: Callable[[], Platform], heard: Callable[[Request], None]) -> None:
        super().__init__(name="moonbase.testing", daemon=True)
        self._compose, self._heard = compose, heard
        self._serving: Future[tuple[str, Callable[[], object]]] = Future()
        self._ended: Future[None] = Future()

    def begin(self) -> str:
        """Serve; where. Raises `SettingsError`."""
        self.start()
        url, _ = self._serving.result()
        return url

    def end(self) -> None:
        """Leave, with nothing left behind. Answers that are under way are cut."""
        _, leave = self._serving.result()
        leave()
        self.join()
        self._ended.result()

    def run(self) -> None:
        try:
            run(self._serve())
        except BaseException as error:
            (self._ended if self._serving.done() else self._serving).set_exception(error)
        else:
            self._ended.set_result(None)

    async def _serve(self) -> None:
        listener = Listener(App(self._compose()), protocol=partial(HeardProtocol, heard=self._heard))
        taken = bind(HOST, 0)
        url = url_of(taken)
        serving = asyncio.create_task(listener.run_on(taken))
        ready = asyncio.create_task(listener.ready.wait())
        await asyncio.wait((serving, ready), return_when=asyncio.FIRST_COMPLETED)
        if listener.ready.is_set():
            loop = asyncio.get_running_loop()
            self._serving.set_result((url, lambda: loop.call_soon_threadsafe(listener.leave)))
        ready.cancel()
        await serving
