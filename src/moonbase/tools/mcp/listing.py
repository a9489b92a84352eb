"""The tools that an MCP server lists, one by one: the `mcp` package refuses a list for one that it cannot read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from mcp import types
from mcp.shared.message import SessionMessage
from mcp_types.methods import validate_server_result
from mcp_types.version import LATEST_HANDSHAKE_VERSION
from pydantic import ValidationError

Members = Mapping[str, Any]
_READ = ("name", "title", "description", "inputSchema", "outputSchema")


def readable(item: SessionMessage, unreadable: dict[str, str]) -> SessionMessage:
    """`item`; a list of tools without those that cannot be read, which go to `unreadable`, each with the reason."""
    message = item.message
    if not isinstance(message, types.JSONRPCResponse) or not isinstance(message.result.get("tools"), list):
        return item
    tools: list[Any] = []
    for number, tool in enumerate(cast("list[Any]", message.result["tools"]), start=1):
        try:
            tools.append(_read(tool))
        except ValidationError as error:
            unreadable[_called(tool, number)] = fault(error, below=2)
    result = {**message.result, "tools": tools}
    return SessionMessage(message.model_copy(update={"result": result}), item.metadata)


def _read(tool: Any) -> Any:
    """The members of a tool that mean something here. Raises `ValidationError`."""
    if isinstance(tool, dict):
        members = cast("Members", tool)
        tool = {key: members[key] for key in _READ if key in members}
        _mend(tool)
    validate_server_result("tools/list", LATEST_HANDSHAKE_VERSION, {"tools": [tool]})
    return tool


def _mend(tool: dict[str, Any]) -> None:
    """Some servers leave unsaid that arguments are an object; results are read as text, whatever their schema says."""
    arguments, result = tool.get("inputSchema"), tool.get("outputSchema")
    if isinstance(arguments, dict) and "type" not in arguments:
        tool["inputSchema"] = {"type": "object", **cast("Members", arguments)}
    if not isinstance(result, dict) or cast("Members", result).get("type") != "object":
        tool.pop("outputSchema", None)


def _called(tool: Any, number: int) -> str:
    name: Any = cast("Members", tool).get("name") if isinstance(tool, dict) else None
    return name if isinstance(name, str) else f"number {number}"


def fault(error: ValidationError, *, below: int = 0) -> str:
    """The first fault of a value, in a line; its place without the first `below` members."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"][below:]))
    return f"{place}: {first['msg']}" if place else first["msg"]
