"""The ASGI application: one seam where every failure becomes an answer.

Conversations are answered by plain callables; everything else by Starlette routes.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route, Router

from moonbase.contract.errors import ApiError, ClientClosed, MethodNotAllowed, NotFound, ServerError, Unavailable
from moonbase.contract.tracing import read_trace
from moonbase.server import (
    account,
    batches,
    files,
    formulas,
    health,
    mcp,
    models,
    openapi,
    signatures,
    tokens,
    watching,
    web_tools,
)
from moonbase.server.batch_runner import BatchRunner
from moonbase.server.chat import ChatCompletions
from moonbase.server.exchange import AsgiExchange, Exchange
from moonbase.server.journal import Entry
from moonbase.server.messages import BASE, COUNT, MESSAGES, Messages, encode_error, key_of, name
from moonbase.server.metrics import OTHER, Metrics
from moonbase.server.pages import Pages
from moonbase.server.platform import Platform
from moonbase.server.responses import RESPONSES, Responses
from moonbase.server.site import Site
from moonbase.server.traffic import Traffic
from moonbase.server.wire import Receive, Scope, Send, error_headers

logger = logging.getLogger("moonbase.server")

CHAT = "/v1/chat/completions"
CALLABLES = (CHAT, MESSAGES, COUNT, RESPONSES)
PUBLIC = frozenset({"/health", openapi.PATH, watching.PATH})
"""Paths that need no API key."""


class App:
    """`App(platform)` is an ASGI application for HTTP. Who runs it awaits `open` first and `close` last."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.metrics = Metrics(frozenset(platform.models))
        traffic = Traffic()
        chat, messages = ChatCompletions(platform, traffic), Messages(platform, traffic)
        responses = Responses(platform, traffic)
        self._callables = {CHAT: chat, MESSAGES: messages, COUNT: messages.count, RESPONSES: responses}
        self._batches = BatchRunner(platform, chat, traffic, self.metrics)
        self._pages = Pages(platform.allow_origins, open_to_all=platform.keys.open)
        site = Site(platform.site) if platform.site is not None else None
        self._public = PUBLIC | (site.paths if site is not None else frozenset[str]())
        self._router = Router(
            routes=[
                *models.routes(platform),
                *tokens.routes(platform),
                *files.routes(platform),
                *batches.routes(platform, self._batches),
                *formulas.routes(platform),
                *account.routes(platform),
                *signatures.routes(platform),
                *web_tools.routes(platform),
                *mcp.routes(platform),
                *health.routes(platform),
                *watching.routes(platform, self.metrics, traffic),
                *openapi.routes(),
                *(site.routes() if site is not None else ()),
            ],
            redirect_slashes=False,
        )

    @property
    def routes(self) -> list[BaseRoute]:
        """Every route but those of `CALLABLES`."""
        return self._router.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            exchange = AsgiExchange(scope, receive, send)
            await self.answer(exchange)
            await exchange.drain()

    async def open(self) -> None:
        """Start the engines and whatever else must be ready; raises `SettingsError`, and then nothing stays open."""
        opening = [*(engine.start for engine in self.platform.engines()), *self.platform.opening]
        outcomes = await asyncio.gather(*(step() for step in opening), return_exceptions=True)
        if failed := next((outcome for outcome in outcomes if isinstance(outcome, BaseException)), None):
            await self.close()
            raise failed
        self._batches.open()

    async def close(self) -> None:
        await self._batches.close()
        closing = [*(engine.close for engine in self.platform.engines()), *self.platform.closing]
        for outcome in await asyncio.gather(*(step() for step in closing), return_exceptions=True):
            if isinstance(outcome, Exception):
                logger.error("closing failed", exc_info=outcome)

    async def answer(self, exchange: Exchange) -> None:
        """Answer one request, whatever becomes of it. Whoever leaves cancels this, and then it says so."""
        entry = Entry(exchange.method, exchange.path)
        if (parent := exchange.header(b"traceparent")) is not None:
            entry.trace = read_trace(parent, exchange.header(b"tracestate"))
        try:
            await self._dispatch(exchange, entry)
        except ClientClosed as error:
            entry.status, entry.error = ClientClosed.status, error.type
        except asyncio.CancelledError:
            _answer_error(Unavailable("the server is shutting down"), entry, exchange)
        except Exception as error:  # the edge: nothing leaves but the envelope
            _answer_error(_as_api_error(error), entry, exchange)
        finally:
            entry.write()
            self.metrics.note(entry, self._route(exchange))

    async def _dispatch(self, exchange: Exchange, entry: Entry) -> None:
        path, origin = exchange.path, exchange.header(b"origin")
        if anthropic := path.startswith(BASE):
            name(entry)
        if origin is not None and exchange.method == "OPTIONS" and exchange.header(b"access-control-request-method"):
            self._preflight(exchange, entry, origin)
            return
        entry.page = self._pages.headers_for(origin, exchange.header(b"host"))
        key = key_of(exchange) if anthropic else exchange.header(b"authorization")
        owner = entry.caller = "" if path in self._public else self.platform.keys.authenticate(key)
        if (answers := self._callables.get(path)) is not None:
            if exchange.method != "POST":
                raise HTTPException(405, headers={"Allow": "POST"})
            await answers(exchange, owner=owner, entry=entry)
        elif isinstance(exchange, AsgiExchange):
            scope = exchange.scope
            scope["app"], scope["moonbase.owner"], scope["moonbase.entry"] = self, owner, entry
            await self._router(scope, exchange.receive, exchange.send)

    def _route(self, exchange: Exchange) -> str:
        """The path of the route that answered, with its parameters in braces."""
        if exchange.path in self._callables:
            return exchange.path
        if isinstance(exchange, AsgiExchange):
            for route in self._router.routes:
                if isinstance(route, Route) and route.matches(exchange.scope)[0] != Match.NONE:
                    return route.path
        return OTHER

    def _preflight(self, exchange: Exchange, entry: Entry, origin: str) -> None:
        wanted = exchange.header(b"access-control-request-headers")
        private = exchange.header(b"access-control-request-private-network")
        entry.page = self._pages.preflight(origin, wanted, private)
        entry.status = 200
        exchange.respond(200, b"", entry.headers())


def _as_api_error(error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, HTTPException):
        if error.status_code == 405:
            return MethodNotAllowed(
                "Invalid request: this method is not allowed for this path", headers=dict(error.headers or {})
            )
        if error.status_code == 404:
            return NotFound("The requested resource was not found")
    logger.error("a request failed unexpectedly", exc_info=error)
    return ServerError("the server failed unexpectedly; its log has the trace id of this answer")


def _answer_error(error: ApiError, entry: Entry, exchange: Exchange) -> None:
    entry.error = error.type
    if entry.status:
        return  # the answer had begun; all that is left is to end it, which the server does
    entry.status = error.status
    body = encode_error(error, entry) if exchange.path.startswith(BASE) else error.encode()
    exchange.respond(error.status, body, [*error_headers(error), *entry.headers()])
