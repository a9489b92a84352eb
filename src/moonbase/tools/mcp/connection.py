"""One connection to an MCP server, through the official `mcp` package; only `namespace` loads this module, when a
server is configured, since that package takes a second to load."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import mcp
from mcp import types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

import moonbase
from moonbase.tools.mcp.listing import fault, readable
from moonbase.tools.mcp.process import process_streams
from moonbase.tools.mcp.results import text_of
from moonbase.tools.mcp.server import McpServer
from moonbase.tools.tool import ToolError

_PAGES = 100
_LOST = ("Connection closed", "SSE stream ")
_TERMINATED = "Session terminated"
_LONGEST_FAULT = 300
Streams = tuple[Any, Any]


class Gone(ToolError):
    """The connection was lost while a call was under way."""


@dataclass(slots=True)
class News:
    """What became of a connection: the server answers no more (`gone`), or says that its tools are others (`changed`).

    `event` is set with each of them, so that one wait is enough.
    """

    gone: bool = False
    changed: bool = False
    unreadable: dict[str, str] = field(default_factory=dict[str, str])
    """The tools of the list that came last that nobody can call, and why."""
    event: asyncio.Event = field(default_factory=asyncio.Event)

    def lose(self) -> None:
        self.gone = True
        self.event.set()

    def change(self) -> None:
        self.changed = True
        self.event.set()


@dataclass(frozen=True, slots=True)
class Connection:
    """A server that answers, until its news say otherwise."""

    client: mcp.Client
    news: News

    async def tools(self) -> list[types.Tool]:
        """Every page of them; those that are left out are in the news."""
        self.news.unreadable.clear()
        found: list[types.Tool] = []
        cursor: str | None = None
        for _ in range(_PAGES):
            page = await self.client.list_tools(cursor=cursor)
            found += page.tools
            if not page.next_cursor or page.next_cursor == cursor:
                break
            cursor = page.next_cursor
        return found

    async def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """The tool's answer. Raises `Gone` when the server is lost, and `ToolError` for whatever else fails."""
        try:
            return text_of(await self.client.call_tool(name, dict(arguments)))
        except mcp.MCPError as error:
            # The code alone says nothing: many servers answer with -32000 when a tool fails.
            closed = error.code == types.CONNECTION_CLOSED and error.message.startswith(_LOST)
            if closed or error.message == _TERMINATED:
                self.news.lose()
            if self.news.gone:
                raise Gone(
                    "the tool's server stopped before it answered; it is started again, try again soon"
                ) from None
            raise ToolError(f"the tool's server refused the call: {error.message}") from None
        except (ValidationError, RuntimeError) as error:
            raise ToolError(f"the tool's server answered, but not as its protocol wants it: {_fault(error)}") from None


def _fault(error: ValidationError | RuntimeError) -> str:
    """What is wrong with an answer, in a line: of its form, or of its data by the schema that the tool gives for it."""
    text = " ".join((fault(error) if isinstance(error, ValidationError) else str(error)).split())
    return text if len(text) <= _LONGEST_FAULT else f"{text[: _LONGEST_FAULT - 3]}..."


@asynccontextmanager
async def connect(name: str, server: McpServer) -> AsyncGenerator[Connection]:
    """Start or reach the server, and shake hands; no process is left when the block ends.

    The handshake is the one that every server knows, not the probe of the newest protocol, which some older servers
    answer by leaving.
    """
    news = News()

    async def hear(message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            news.change()

    transport = _remote(server) if server.url else process_streams(name, server, news.lose)
    async with transport as (reading, writing):
        client = mcp.Client(
            _Given(_Reading(reading, news), writing),
            mode="legacy",
            cache=None,
            message_handler=hear,
            client_info=types.Implementation(name="moonbase", version=moonbase.__version__),
        )
        async with client:
            yield Connection(client, news)


@asynccontextmanager
async def _remote(server: McpServer) -> AsyncGenerator[Streams]:
    import httpx2

    timeout = httpx2.Timeout(30.0, read=300.0)
    async with (
        httpx2.AsyncClient(headers=server.headers, timeout=timeout) as http,
        streamable_http_client(server.url or "", http_client=http) as streams,
    ):
        yield streams


class _Given(AbstractAsyncContextManager[Streams]):
    """Streams that are open already, as the transport that a client enters."""

    def __init__(self, reading: Any, writing: Any) -> None:
        self._streams = (reading, writing)

    async def __aenter__(self) -> Streams:
        return self._streams

    async def __aexit__(self, *_: object) -> None:
        return None


class _Reading:
    """A read stream that tells when it ends, which the package keeps to itself, and gives lists that it can read."""

    def __init__(self, stream: Any, news: News) -> None:
        self._stream, self._news = stream, news

    @property
    def last_context(self) -> Any:
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        return await self._stream.receive()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> AsyncIterator[SessionMessage | Exception]:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            item = await self._stream.__anext__()
        except BaseException:  # an end, a failure or a cancellation: nothing comes any more
            self._news.lose()
            raise
        return item if isinstance(item, Exception) else readable(item, self._news.unreadable)

    async def __aenter__(self) -> _Reading:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
