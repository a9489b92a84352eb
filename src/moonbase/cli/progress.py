"""How far a long piece of work is: a bar in a terminal, now and then a line elsewhere."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import BinaryIO, TextIO, cast

_REDRAWN = 0.1
"""Seconds between two drawings of a bar."""
_STEP = 10
"""Percent between two lines, where there is no terminal."""


class Bytes:
    """Shows bytes that come, on `out`. `clock` is in seconds."""

    def __init__(
        self,
        out: TextIO,
        *,
        quiet: bool = False,
        columns: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._out = out
        self._bar = out.isatty() and not quiet
        self._quiet = quiet
        self._columns = columns
        self._clock = clock
        self._name, self._total, self._done = "", None, 0
        self._began, self._from, self._drawn, self._said = 0.0, 0, 0.0, 0

    _total: int | None

    @contextmanager
    def reading(self, file: BinaryIO, name: str) -> Generator[BinaryIO]:
        """`file`, of which is shown how far it has been read."""
        try:
            yield cast("BinaryIO", _Watched(file, name, self))
        finally:
            self.end()

    def begin(self, name: str, total: int | None, done: int = 0) -> None:
        """Again for the same name, when more is known or all begins anew."""
        if name != self._name and not self._bar:
            self._write(f"{name}: {sized(total) if total is not None else 'of unknown size'}")
            self._said = 0
        self._name, self._total, self._done = name, total, done
        self._began, self._from, self._drawn = self._clock(), done, 0.0

    def advance(self, count: int) -> None:
        self._done += count
        if self._bar:
            now = self._clock()
            if now - self._drawn >= _REDRAWN:
                self._drawn = now
                self._draw()
        elif self._total:
            reached = self._done * 100 // self._total // _STEP * _STEP
            if self._said < reached < 100:
                self._said = reached
                self._write(f"{self._name}: {reached} %")

    def say(self, line: str) -> None:
        if self._bar:
            self._out.write("\r\033[K")
        self._write(line)

    def end(self) -> None:
        if self._bar and self._name:
            self._draw()
            self._out.write("\n")
            self._out.flush()
        self._name = ""

    def _write(self, line: str) -> None:
        if not self._quiet:
            self._out.write(f"{line}\n")
            self._out.flush()

    def _draw(self) -> None:
        self._out.write(f"\r\033[K{self.line(self._columns() - 1)}")
        self._out.flush()

    def line(self, columns: int) -> str:
        """The bar in so many columns: the name gives way first, then the bar itself."""
        spent = self._clock() - self._began
        speed = (self._done - self._from) / spent if spent > 0.5 else 0.0
        facts = sized(self._done)
        if self._total:
            facts = f"{self._done * 100 // self._total:3d} %  {sized(self._done)} of {sized(self._total)}"
        if speed:
            facts += f"  {sized(int(speed))}/s"
            if self._total and columns >= 60:
                facts += f"  {_time((self._total - self._done) / speed)}"
        room = columns - len(facts) - 2
        name = self._name if len(self._name) <= min(room, 40) else f"{self._name[: max(0, min(room, 40) - 1)]}…"
        width = min(30, room - len(name) - 3)
        bar = ""
        if self._total and width >= 5:
            full = min(width, self._done * width // self._total)
            bar = f"[{'=' * full}{' ' * (width - full)}] "
        return f"{name}  {bar}{facts}"[:columns]


class _Watched:
    """What an upload needs of a file."""

    def __init__(self, file: BinaryIO, name: str, shown: Bytes) -> None:
        self._file, self._shown = file, shown
        self.fileno, self.tell = file.fileno, file.tell
        shown.begin(name, os.fstat(file.fileno()).st_size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._shown.advance(len(piece))
        return piece


def sized(count: int) -> str:
    """Bytes as people write them, in powers of ten."""
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= size:
            return f"{count / size:.2f} {unit}" if size == 10**9 else f"{count / size:.1f} {unit}"
    return f"{count} B"


def _time(seconds: float) -> str:
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
