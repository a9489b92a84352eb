"""What a tool is: values and one protocol, the same for the official tools and for anyone's own.

A `Formula` is data given to a constructor: a URI, the functions that it declares, and the coroutine that runs them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moonbase.contract.tools import Function, plugin_name
from moonbase.tools.search.provider import SearchProvider

Arguments = Mapping[str, Any]
"""A call's arguments: decoded, and valid against the function's schema when a tool sees them."""


class ToolError(Exception):
    """A failure that the model may read and act on; it becomes `context.error` of a failed fiber.

    The message names what was wrong, what was expected and what to do. It never holds a path or a key of the server.
    """


@dataclass(frozen=True, slots=True)
class CallContext:
    """Who calls and within which bounds.

    `key_id` names the caller's API key and is never the key itself; stores keep callers apart by it. `deadline` is a
    time of the running event loop's clock, in seconds. `data_dir` is where a tool may keep its files, if anywhere.
    `search` is what a search of the web asks for this caller, where that is not what it asks for others.
    """

    key_id: str
    data_dir: Path | None = None
    organization_id: str = "org-local"
    project_id: str = "proj-local"
    deadline: float = math.inf
    search: SearchProvider | None = None

    def remaining(self) -> float:
        """Seconds until the deadline; never negative."""
        return max(0.0, self.deadline - asyncio.get_running_loop().time())


Run = Callable[[CallContext, str, Arguments], Awaitable[str]]
"""`run(context, function_name, arguments) -> text for the model`. Raises `ToolError` and nothing else on purpose."""


@dataclass(frozen=True, slots=True)
class PluginTitle:
    """The name of a plugin and what its functions are for, together."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Formula:
    """A tool under a URI such as `moonshot/date:latest` (contract.md 6.1).

    The output of a `protected` formula leaves the server sealed, as `encrypted_output`. `aliases` are further URIs that
    it answers to. The functions of a formula with a `plugin` are listed as one item, and each is called
    `PLUGIN.FUNCTION` (contract.md 6.2).
    """

    uri: str
    functions: tuple[Function, ...]
    run: Run
    protected: bool = False
    aliases: tuple[str, ...] = ()
    plugin: PluginTitle | None = None

    def called(self) -> dict[str, Function]:
        """The functions by the names that a fiber calls them by, which are those that `run` is given."""
        title = self.plugin
        return {
            plugin_name(title.name, function.name) if title else function.name: function for function in self.functions
        }


def shown(value: object, *, limit: int = 60) -> str:
    """`value` quoted for an error message, cut to `limit` characters so that a huge argument stays out of it."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
