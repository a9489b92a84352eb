"""The one synchronous door."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


def run_sync(start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What the coroutine comes to. Where an event loop runs in this thread already (a notebook), it runs in a thread of
    its own, and the loop here waits for it."""
    return _in_a_thread(start) if _loop_runs() else asyncio.run(start())


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _in_a_thread(start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    outcome: list[T] = []
    errors: list[BaseException] = []
    stops: list[Callable[[], object]] = []
    stopped = threading.Event()
    context = contextvars.copy_context()

    async def stoppable() -> T:
        task = asyncio.ensure_future(start())
        loop = asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(task.cancel))
        if stopped.is_set():  # before there was anything to stop
            task.cancel()
        return await task

    def work() -> None:
        try:
            outcome.append(context.run(asyncio.run, stoppable()))
        except BaseException as error:  # handed to the caller, whatever it is
            errors.append(error)

    def stop() -> None:
        stopped.set()
        for each in stops:
            each()

    thread = threading.Thread(target=work, name="moonbase-agent", daemon=True)
    try:
        with _cancelled_by_signals(stop):
            thread.start()
            thread.join()
    except BaseException:  # Ctrl-C
        stop()
        if thread.ident is not None:  # it has begun
            thread.join()
        raise
    if errors:
        raise errors[0]
    return outcome[0]


@contextmanager
def _cancelled_by_signals(stop: Callable[[], None]) -> Generator[None]:
    """Call `stop` where Ctrl-C cancels the task that waits here, which is what `asyncio.run` makes of the first: its
    loop stands still meanwhile, so the task itself would not notice."""
    task, handle = asyncio.current_task(), signal.getsignal(signal.SIGINT)
    if task is None or not callable(handle) or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = task.cancelling()

    def handled(number: int, frame: FrameType | None) -> None:
        handle(number, frame)
        if task.cancelling() > before:
            stop()

    signal.signal(signal.SIGINT, handled)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handle)
