"""Processes that do what may blow up: parse what others wrote. A few, started when needed, killed when a job takes too
long.

A job and its answer are msgspec structs, each sent as a length of four bytes and MessagePack. `confined` is the other
end.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import OrderedDict
from contextlib import suppress
from typing import Generic, TypeVar

import msgspec

_STARTED_WITH = ("SYSTEMROOT", "LANG", "LC_ALL", "LD_LIBRARY_PATH")  # of the environment; keys and proxies stay here
_REMEMBERED = 50

Answer = TypeVar("Answer", bound=msgspec.Struct)


class TooSlow(Exception):
    """The job was not done in time; its process is gone."""


class Died(Exception):
    """The process ended, or answered nonsense, before it was done with the job."""


class Processes(Generic[Answer]):
    """At most `size` processes of the Python module `module` at work at once; `seconds` is what one job may take.

    A process is replaced after `jobs` of them, for parsers keep caches that only grow. An answer longer than
    `answer_bytes` counts as nonsense. `close` ends them all.
    """

    def __init__(
        self,
        module: str,
        answer: type[Answer],
        *,
        size: int = 2,
        seconds: float = 10.0,
        jobs: int = 200,
        answer_bytes: int = 100_000_000,
    ) -> None:
        self._module, self._answer = module, answer
        self._places = asyncio.Semaphore(size)
        self._seconds, self._jobs, self._answer_bytes = seconds, jobs, answer_bytes
        self._idle: list[_Process] = []

    async def ask(self, job: msgspec.Struct, *, about: str = "") -> Answer:
        """What the process answers; raises `TooSlow` or `Died`. A process that was asked `about` the same before, and
        may have kept something of it, is preferred."""
        async with self._places:
            process = self._take(about) or await _start(self._module)
            try:
                answer = await asyncio.wait_for(process.ask(job, self._answer, self._answer_bytes), self._seconds)
            except TimeoutError:
                await process.kill()
                raise TooSlow from None
            except (OSError, EOFError, msgspec.MsgspecError):
                await process.kill()
                raise Died from None
            except BaseException:  # cancelled in the middle: the answer would be taken for the next job's
                await process.kill()
                raise
            await self._keep(process, about)
        return answer

    def _take(self, about: str) -> _Process | None:
        if not self._idle:
            return None
        places = [place for place, process in enumerate(self._idle) if about in process.about]
        return self._idle.pop(places[-1] if places else -1)

    async def _keep(self, process: _Process, about: str) -> None:
        process.remember(about)
        if process.jobs < self._jobs:
            self._idle.append(process)
        else:
            await process.kill()

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().kill()


class _Process:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.jobs = 0
        self.about: OrderedDict[str, None] = OrderedDict()

    async def ask(self, job: msgspec.Struct, answer: type[Answer], limit: int) -> Answer:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        self.jobs += 1
        packed = msgspec.msgpack.encode(job)
        stdin.write(len(packed).to_bytes(4, "big") + packed)
        await stdin.drain()
        size = int.from_bytes(await stdout.readexactly(4), "big")
        if size > limit:
            raise EOFError
        return msgspec.msgpack.decode(await stdout.readexactly(size), type=answer)

    def remember(self, about: str) -> None:
        self.about[about] = None
        self.about.move_to_end(about)
        if len(self.about) > _REMEMBERED:
            self.about.popitem(last=False)

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        if self._process.stdin:
            self._process.stdin.close()
        if self._process.stdout:
            await self._process.stdout.read()  # to its end, or the pipe would stay open
        await self._process.wait()


def bare_environment() -> dict[str, str]:
    """What a process of ours needs to find its modules, and none of this one's settings and secrets."""
    environment = {name: os.environ[name] for name in _STARTED_WITH if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    return environment


async def _start(module: str) -> _Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=bare_environment(),
    )
    return _Process(process)
