"""Text of files, each read in a process of its own: off the loop, within bounds, and gone when the file is read."""

from __future__ import annotations

import asyncio
import re
import sys
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from moonbase.tools.extracting.text import Refused
from moonbase.tools.extracting.worker import REFUSED
from moonbase.tools.processes import bare_environment

_SUFFIX = re.compile(r"[a-z0-9]{1,10}")
_REASON = 2000


class ExtractorFailed(Exception):
    """The server is at fault, not the file."""


class Extractor:
    """Reads at most `size` files at once; `seconds` is what one may take. `python`: the interpreter that reads."""

    def __init__(self, *, size: int = 2, seconds: float = 60.0, python: str = sys.executable) -> None:
        self._places = asyncio.Semaphore(size)
        self._seconds = seconds
        self._python = python

    async def extract(self, path: Path, filename: str, out: BinaryIO) -> None:
        """Write the text of the file at `path` into `out`, as UTF-8. `filename`: what it is called by who sent it.

        Raises `Refused` where the file cannot be read, `ExtractorFailed` where no file could be.
        """
        async with self._places:
            process = await self._start(path, suffix_of(filename), out)
            try:
                async with asyncio.timeout(self._seconds):
                    assert process.stderr
                    reason = (await process.stderr.read(_REASON)).decode("utf-8", "replace")
                    status = await process.wait()
            except TimeoutError:
                raise Refused(f"it takes longer than {self._seconds:g} seconds to read") from None
            finally:
                await _end(process)
        if status == REFUSED:
            raise Refused(reason)
        if status:  # killed by a bound, or by its own parser
            raise Refused("reading it takes more memory or time than it may")

    async def _start(self, path: Path, suffix: str, out: BinaryIO) -> asyncio.subprocess.Process:
        seconds = str(int(self._seconds) + 1)
        try:
            with _opened(path) as file:
                return await asyncio.create_subprocess_exec(
                    *(self._python, "-P", "-m", "moonbase.tools.extracting.worker", suffix, seconds),
                    stdin=file,
                    stdout=out,
                    stderr=asyncio.subprocess.PIPE,
                    env=bare_environment(),
                )
        except OSError as error:
            raise ExtractorFailed(f"no process can be started to read it: {error.strerror}") from error


def suffix_of(filename: str) -> str:
    """The last suffix, in lower case and without the dot; empty where there is none that could be one."""
    suffix = PurePosixPath(filename.replace("\\", "/")).suffix.lower().removeprefix(".")
    return suffix if _SUFFIX.fullmatch(suffix) else ""


def _opened(path: Path) -> BinaryIO:
    """At once, not in a thread: an open file that nobody waits for any more would stay open."""
    return path.open("rb")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    if process.stderr:
        await process.stderr.read()  # to its end, or the pipe would stay open
    await process.wait()
