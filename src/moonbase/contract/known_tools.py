"""The tools of a request, known again by their JSON: agents send the same ones with every request."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from moonbase.contract.mfjs import Level
from moonbase.contract.tools import Tool, check_tools, flattened

_KNOWN = 32
_KNOWN_SIZE = 128 * 1024
"""Bytes of JSON up to which tools are known again."""

_decode = msgspec.json.Decoder(list[Tool] | None).decode


class KnownTools(list[Tool]):
    """Tools as they were sent. Requests share them, so nobody changes them; what has been accepted of them is not
    checked again."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        super().__init__(tools)
        self._checked: dict[Level, tuple[Tool, ...]] = {}

    def checked(self, level: Level) -> tuple[Tool, ...]:
        """Each function as a tool of its own; raises `InvalidRequest`."""
        found = self._checked.get(level)
        if found is None:
            check_tools(self, level=level)
            found = self._checked[level] = tuple(flattened(self))
        return found


def read_tools(data: bytes) -> list[Tool] | None:
    """What stands at `tools` in a body. Raises what msgspec does, whose words do not name the field."""
    return _known(data) if len(data) <= _KNOWN_SIZE else _decode(data)


@lru_cache(maxsize=_KNOWN)
def _known(data: bytes) -> KnownTools | None:
    tools = _decode(data)
    return None if tools is None else KnownTools(tools)
