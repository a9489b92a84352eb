"""Requests as they came in, for tests to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import msgspec

_SECRET = frozenset({"authorization", "x-api-key", "api-key", "proxy-authorization", "cookie"})
_HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was sent. What is secret of its headers is not kept."""

    method: str
    path: str
    """Without the query."""
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    """By their names in lower case; the values of those that carry keys are hidden."""
    content: bytes = field(repr=False)
    """The body."""

    @property
    def json(self) -> Any:
        """The body, decoded. Raises `ValueError` where it is no JSON."""
        try:
            return msgspec.json.decode(self.content)
        except msgspec.DecodeError as error:
            raise ValueError(f"the body of {self.method} {self.path} is no JSON: {error}") from None


def read_request(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], content: bytes) -> Request:
    """`target` is the path with its query; names of `headers` are in lower case."""
    path, _, query = target.decode("latin-1").partition("?")
    named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
    shown = {name: _shown(name, value) for name, value in named.items()}
    return Request(method.decode("latin-1"), unquote(path), query, shown, content)


def _shown(name: str, value: str) -> str:
    if name not in _SECRET:
        return value
    scheme, blank, _ = value.partition(" ")
    return f"{scheme} {_HIDDEN}" if blank else _HIDDEN
