"""Pieces of conversations that checks send."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from moonbase.conformance.samples import WEATHER
from moonbase.conformance.verdict import Json

PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAACAAAAAgAQAAAABbAUdZAAAADElEQVR4nGNgGNwAAACgAAGwBmIYAAAAAElFTkSuQmCC"
)
"""A black square of 32 by 32 pixels."""
TOOLS: Mapping[str, object] = MappingProxyType({"tools": [dict(WEATHER)]})


def call(id: str, name: str = "get_weather", arguments: str = '{"city": "Oslo"}') -> Json:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def asked(*calls: Json, reasoning: str | None = "I look it up.", **extra: object) -> Json:
    """An assistant message with tool calls; `reasoning` None leaves the field out."""
    message: Json = {"role": "assistant", "content": "", "tool_calls": list(calls) or [call("get_weather:0")]}
    if reasoning is not None:
        message["reasoning_content"] = reasoning
    return {**message, **extra}


def shown(url: str) -> Json:
    """A user's message that is an image alone."""
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}


def told(id: str = "get_weather:0", content: object = "4 degrees, rain") -> Json:
    """A tool's result."""
    return {"role": "tool", "tool_call_id": id, "name": "get_weather", "content": content}
