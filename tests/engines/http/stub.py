"""An upstream made of bytes: it answers with what a test says, over a real socket, and tells what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

Json = dict[str, Any]


class Asked(NamedTuple):
    """A request as it came. `headers` have names in lower case; `body` is the JSON, None where there was none."""

    line: str
    headers: dict[str, str]
    body: Any

    @property
    def path(self) -> str:
        return self.line.split(" ")[1]


Answer = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


class Stub:
    """Answers `/models` with `models`, and everything else with `answers`, in turn; the last one stays."""

    def __init__(self, *answers: bytes | Answer, models: bytes | None = None) -> None:
        self._answers = list(answers)
        self._models = whole({"data": [{"id": "the-model"}]}) if models is None else models
        self.asked: list[Asked] = []
        self.connections = 0
        self.lists = 0
        """How often the list of models was asked for."""
        self.arrived = asyncio.Event()
        self.left = asyncio.Event()
        """Set when a client has gone before its answer was whole."""
        self.url = ""
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    @property
    def bodies(self) -> list[Any]:
        return [asked.body for asked in self.asked]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open[writer] = asyncio.current_task()
        try:
            while asked := await read_request(reader):
                if asked.path.endswith("/models"):
                    self.lists += 1
                    writer.write(self._models)
                    continue
                self.asked.append(asked)
                self.arrived.set()
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                if isinstance(answer, bytes):
                    writer.write(answer)
                    if b"content-length" not in answer.lower() and b"chunked" not in answer:
                        return
                else:
                    await self._until_left(answer(asked, writer), reader)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            del self._open[writer]
            writer.close()

    async def close(self) -> None:
        """End every connection, as a process that dies does."""
        tasks = [task for task in self._open.values() if task is not None]
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_left(self, answering: Awaitable[None], reader: asyncio.StreamReader) -> None:
        work = asyncio.ensure_future(answering)
        gone = asyncio.ensure_future(reader.read(1))
        done, _ = await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        for task in (work, gone):
            task.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)
        if work not in done:
            self.left.set()
            raise ConnectionResetError


async def read_request(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    line, *rest = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in rest)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(line, headers, json.loads(body) if body else None)


@asynccontextmanager
async def upstream(*answers: bytes | Answer, models: bytes | None = None) -> AsyncGenerator[Stub]:
    stub = Stub(*answers, models=models)
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0, limit=1 << 24)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield stub
    finally:
        server.close()
        await stub.close()


def head(status: int = 200, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def whole(value: Any, status: int = 200, **headers: str) -> bytes:
    """A reply of JSON, or of bytes as they are."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    told = {"content_type": "application/json", **headers, "content_length": str(len(body))}
    return head(status, **told) + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def lines(*payloads: Any) -> bytes:
    """`data:` lines; a string stands for itself."""
    texts = [payload if isinstance(payload, str) else f"data: {json.dumps(payload)}" for payload in payloads]
    return "".join(f"{text}\n\n" for text in texts).encode()


STREAM = head(content_type="text/event-stream; charset=utf-8", transfer_encoding="chunked")


def stream(*payloads: Any, done: bool = True) -> bytes:
    """A streamed reply, whole."""
    data = lines(*payloads, *(["data: [DONE]"] if done else []))
    return STREAM + chunk(data) + b"0\r\n\r\n"


def delta(finish: str | None = None, index: Any = 0, usage: Any = None, **delta: Any) -> Json:
    """A frame in OpenAI's form."""
    frame: Json = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "the-model",
        "choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}],
    }
    return frame if usage is None else {**frame, "usage": usage}


def totals(prompt: int = 9, completion: int = 6, **details: Any) -> Json:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **details}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [],
        "usage": usage,
    }
