"""Trying grammars before llama.cpp gets them: in a process of their own, within bounds, and each once."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import sys
from collections import OrderedDict

from moonbase.contract.errors import ServerError
from moonbase.engines.llama.child import child_environment

_COMMAND = (sys.executable, "-P", "-m", "moonbase.engines.llama.compiler")
_WAIT = 3.0
"""Seconds for one grammar, by the clock: more than the process allows itself, for a machine that is busy."""
_START = 30.0
_LONGEST_LINE = 64 << 20
_REMEMBERED = 1024


class Trial:
    """Says what is wrong with grammars. The process starts when it is needed, and anew after one that broke it."""

    def __init__(self, *, wait: float = _WAIT) -> None:
        self._wait = wait
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._known: OrderedDict[bytes, str | None] = OrderedDict()

    async def start(self) -> None:
        """Start the process now, so that no request waits for it."""
        async with self._turn:
            await self._running()

    async def close(self) -> None:
        async with self._turn:
            await self._end()

    async def fault(self, grammar: str) -> str | None:
        """Why `grammar` cannot be used; None where it can."""
        key = hashlib.sha256(grammar.encode("utf-8", "surrogatepass")).digest()
        if key not in self._known:
            async with self._turn:
                if key not in self._known:
                    self._known[key] = await self._ask(grammar)
        self._known.move_to_end(key)
        fault = self._known[key]
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return fault

    async def _ask(self, grammar: str) -> str | None:
        process = await self._running()
        assert process.stdin and process.stdout
        try:
            process.stdin.write(json.dumps(grammar).encode() + b"\n")
            line = await asyncio.wait_for(process.stdout.readline(), self._wait)
            return json.loads(line)
        except TimeoutError:
            fault = "it takes too long to compile; make the schema smaller"
        except (ValueError, ConnectionError):
            fault = "it takes too much memory to compile; make the schema smaller"
        except BaseException:
            # Whoever asked has left; the answer would be taken for that of the next.
            await self._end()
            raise
        await self._end()
        return fault

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self._end()
        self._process = await asyncio.create_subprocess_exec(
            *_COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=child_environment(RAYON_NUM_THREADS="1"),
            limit=_LONGEST_LINE,
        )
        assert self._process.stdout
        if not await asyncio.wait_for(self._process.stdout.readline(), _START):
            raise ServerError("The process that tries grammars does not start")
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if process.stdin:
            process.stdin.close()
