"""`POST /mcp`: the tools that this server offers, for any client of the Model Context Protocol (streamable HTTP).

Without sessions: each request stands for itself, so nothing is kept between them and any server behind a balancer can
answer. Protocol: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports. By hand, since the official
package takes a second to load and most servers are never asked.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import moonbase
from moonbase.contract.compact import compact_json
from moonbase.contract.errors import InvalidRequest
from moonbase.server.platform import Platform
from moonbase.server.replies import body_of, owner_of, reply, told
from moonbase.server.wire import until_disconnect
from moonbase.tools.formula import Fiber, FiberRequest
from moonbase.tools.tool import CallContext, Formula

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Newest first: what a client that asks for another is told to speak."""
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
UNSUPPORTED_VERSION = -32022


class McpMessage(msgspec.Struct, frozen=True):
    """A message of JSON-RPC 2.0: a request, or without an `id` a notification."""

    jsonrpc: Literal["2.0"]
    """The version of JSON-RPC."""
    method: str | UnsetType = UNSET
    """What is asked for; without one the message is a response, which is taken and dropped."""
    id: int | str | UnsetType = UNSET
    """Names the request; its reply has it too."""
    params: dict[str, Any] | UnsetType = UNSET
    """What the method needs."""


class McpError(msgspec.Struct, frozen=True):
    """A JSON-RPC error."""

    code: int
    message: str
    data: dict[str, Any] | UnsetType = UNSET


class McpReply(msgspec.Struct, frozen=True, kw_only=True):
    """The reply to a request: `result` or `error`; `id` is null where the request's could not be read."""

    jsonrpc: str = "2.0"
    id: int | str | None
    result: dict[str, Any] | UnsetType = UNSET
    error: McpError | UnsetType = UNSET


class CallParams(msgspec.Struct, frozen=True):
    """What `tools/call` needs."""

    name: str
    arguments: dict[str, Any] | None = None


class Refused(Exception):
    """A request that is answered with a JSON-RPC error."""

    def __init__(self, code: int, message: str, **data: Any) -> None:
        self.error = McpError(code, message, data or UNSET)
        super().__init__(message)


def routes(platform: Platform) -> list[Route]:
    served = Served(platform)

    async def mcp(request: Request) -> Response:
        try:
            body = await body_of(request, limit=platform.max_body, patience=platform.patience)
            message = _message(body)
            if isinstance(message.method, UnsetType) or isinstance(message.id, UnsetType):
                return _taken(request)
            _check_version(request, message.method)
        except InvalidRequest as error:
            return _refusal(request, None, McpError(INVALID_REQUEST, error.message), status=400)
        except Refused as refused:
            return _refusal(request, None, refused.error, status=400)
        try:
            result = await served.answer(request, message.method, message.params or {})
        except Refused as refused:
            return _refusal(request, message.id, refused.error)
        return reply(request, McpReply(id=message.id, result=result))

    return [Route("/mcp", mcp, methods=["POST"])]


class Served:
    """The methods of the protocol over a platform's tools."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def answer(self, request: Request, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The result of a method; raises `Refused`."""
        match method:
            case "initialize":
                return _greeting(params)
            case "ping":
                return {}
            case "tools/list":
                return {"tools": self._tools()}
            case "tools/call":
                return await self._call(request, params)
            case _:
                raise Refused(METHOD_NOT_FOUND, f"method not found: {method[:100]}")

    def _formulas(self) -> list[Formula]:
        """What is offered: protected formulas only where the operator gives their output in clear."""
        platform = self._platform
        return [each for each in platform.toolset if not each.protected or each.uri in platform.mcp_clear]

    def _tools(self) -> list[dict[str, Any]]:
        # A function's name belongs to one formula only, which the toolset sees to.
        return [
            {
                "name": _flat(name),
                "description": function.description or "",
                "inputSchema": function.parameters or {"type": "object"},
            }
            for formula in self._formulas()
            for name, function in formula.called().items()
        ]

    async def _call(self, request: Request, params: dict[str, Any]) -> dict[str, Any]:
        try:
            wanted = msgspec.convert(params, CallParams)
        except msgspec.ValidationError as error:
            raise Refused(INVALID_PARAMS, f"params is wrong: {error}") from None
        name = wanted.name
        found = {_flat(called): (formula.uri, called) for formula in self._formulas() for called in formula.called()}
        if name not in found:
            raise Refused(INVALID_PARAMS, f"unknown tool: {name[:100]}")
        uri, called = found[name]
        call = FiberRequest(called, compact_json(wanted.arguments or {}))
        context = CallContext(key_id=owner_of(request), data_dir=self._platform.data_dir)
        work = self._platform.fibers.run(uri, call, context)
        return self._result(await until_disconnect(request.receive, work), context.key_id)

    def _result(self, fiber: Fiber, owner: str) -> dict[str, Any]:
        context = fiber.context
        failed = isinstance(context.error, str)
        if isinstance(context.encrypted_output, str):
            text = self._platform.sealer.open(context.encrypted_output, owner=owner)
        else:
            text = (context.error if failed else context.output) or ""
        return {"content": [{"type": "text", "text": text}], "isError": failed}


def _flat(name: str) -> str:
    """A plugin's function without the dot, which the models behind most MCP clients may not call."""
    return name.replace(".", "_")


def _message(body: bytes) -> McpMessage:
    try:
        return msgspec.json.decode(body, type=McpMessage)
    except msgspec.ValidationError as error:
        raise Refused(INVALID_REQUEST, f"the body is no message of JSON-RPC 2.0: {error}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refused(PARSE_ERROR, f"the body is not valid JSON: {error}") from None


def _check_version(request: Request, method: str) -> None:
    version = request.headers.get("mcp-protocol-version")
    if version is None or version in VERSIONS or method == "initialize":
        return
    raise Refused(
        UNSUPPORTED_VERSION,
        f"protocol version {version[:40]!r} is not spoken here; expected one of {', '.join(VERSIONS)}",
        supported=list(VERSIONS),
        requested=version[:40],
    )


def _greeting(params: dict[str, Any]) -> dict[str, Any]:
    asked = params.get("protocolVersion")
    return {
        "protocolVersion": asked if asked in VERSIONS else VERSIONS[0],
        "capabilities": {"tools": {"listChanged": False}},
        "serverInfo": {"name": "moonbase", "title": "Moonbase", "version": moonbase.__version__},
    }


def _taken(request: Request) -> Response:
    return Response(status_code=202, headers=told(request, 202))


def _refusal(request: Request, id: int | str | None, error: McpError, *, status: int = 200) -> Response:
    return reply(request, McpReply(id=id, error=error), status=status)
