"""The log of a server: lines to a stream, those of one turn of the event loop in one write."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TextIO


class LogLines(logging.StreamHandler[TextIO]):
    """Writes at once until it is told of a `loop`; then what is no more than information waits for the end of the turn,
    so that a busy server asks the system once for the lines of many answers. A warning is written with all that waits,
    and so is what other threads have to say."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(_Form("%(asctime)s %(levelname)s %(message)s"))
        self._waiting: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def gather(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Write by turns of `loop`, which runs in this thread; None: at once again."""
        self.flush()
        self._loop, self._thread = loop, threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._waiting.append(self.format(record))
        except Exception:  # as logging has it: a line that cannot be written must not end what it tells of
            self.handleError(record)
        loop = self._loop
        if loop is None or loop.is_closed() or record.levelno > logging.INFO or threading.get_ident() != self._thread:
            self.flush()
        elif len(self._waiting) == 1:
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what waits."""
        self.acquire()
        try:
            if self._waiting:
                text = "\n".join([*self._waiting, ""])
                self._waiting.clear()
                self.stream.write(text)
            super().flush()
        finally:
            self.release()


class _Form(logging.Formatter):
    """The usual lines, with the time written out once a second."""

    _second, _text = -1, ""

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info or record.exc_text or record.stack_info:
            return super().format(record)
        return f"{self.formatTime(record)} {record.levelname} {record.getMessage()}"

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        second = int(record.created)
        if second != self._second:
            self._text = super().formatTime(record)[: -len(",000")]
            self._second = second
        return f"{self._text},{int(record.msecs):03d}"
