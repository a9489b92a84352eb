"""Starlette answers in the API's form, for the routes that are not on the hot path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from moonbase.contract.errors import InvalidRequest
from moonbase.server.journal import Entry
from moonbase.server.wire import PATIENCE, read_body


def reply(request: Request, value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`value` as JSON, with the headers that name the request (`told`)."""
    named = {**told(request, status), **(headers or {})}
    return Response(msgspec.json.encode(value), status, named, media_type="application/json; charset=utf-8")


def told(request: Request, status: int) -> dict[str, str]:
    """The headers that name the request, for an answer with `status`; also tells the journal."""
    entry: Entry = request.scope["moonbase.entry"]
    entry.status = status
    return {name.decode(): text.decode() for name, text in entry.headers()}


def route(path: str, **handlers: Callable[[Request], Awaitable[Response]]) -> Route:
    """One route for a path that takes several methods, so that a 405 can name them all."""

    async def handle(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, handle, methods=list(handlers))


def owner_of(request: Request) -> str:
    """The id of the caller's key."""
    owner: str = request.scope["moonbase.owner"]
    return owner


async def body_of(request: Request, *, limit: int, patience: float = PATIENCE) -> bytes:
    """The whole body; raises as `read_body` does."""
    return await read_body(request.scope, request.receive, limit=limit, patience=patience)


def limit_of(value: str, most: int) -> int:
    """The query parameter `limit`. Raises `InvalidRequest`."""
    if not (value.isascii() and value.isdigit() and len(value) <= 5 and 1 <= int(value) <= most):
        raise InvalidRequest(
            f"Invalid request: the query parameter `limit` must be a whole number from 1 to {most}, got {value[:50]!a}"
        )
    return int(value)
