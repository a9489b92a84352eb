"""Tool declarations and tool_choice (contract.md 1.5, 1.6)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from moonbase.contract.decoding import convert
from moonbase.contract.errors import InvalidRequest
from moonbase.contract.mfjs import Level, check_parameters

# The widest of the published patterns; a digit first is refused everywhere (contract.md 1.5, 11.1).
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,255}\Z")
_BUILTIN_NAME = re.compile(r"\$[A-Za-z_][A-Za-z0-9_-]{0,254}\Z")

WEB_SEARCH = "$web_search"
"""The platform's own web search (contract.md 6.3)."""


class Function(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function that the model may call. `parameters` is a JSON schema of an object."""

    name: str
    """A letter or underscore, then letters, digits, underscores and dashes; a `$` before it is for built-in tools."""
    description: str | None = None
    """What it does and when to call it, for the model to read."""
    parameters: dict[str, Any] | None = None
    """A JSON schema of its arguments (Moonshot flavored): an object."""
    strict: bool | None = None
    """With false the arguments are only promised to be a JSON object. True unless told otherwise."""


class Plugin(msgspec.Struct, frozen=True, omit_defaults=True):
    """Functions under one name, as the excel formula declares them; the model calls each `NAME.FUNCTION`."""

    name: str
    """As a function's."""
    functions: list[Function]
    """Their names are their own, without the plugin's."""
    description: str | None = None
    """What they are for, together."""


class Tool(msgspec.Struct, frozen=True, omit_defaults=True):
    function: Function | None = None
    type: str = "function"
    plugin: Plugin | None = msgspec.field(default=None, name="_plugin")
    """With `type` `_plugin`: functions that belong together (contract.md 1.5, 6.2)."""

    def declaration(self) -> dict[str, Any]:
        """The tool as the prompt declares it: name, description and parameters, nothing else."""
        function: dict[str, Any] = {}
        if self.function is not None:
            function = {"name": self.function.name}
            if self.function.description is not None:
                function["description"] = self.function.description
            if self.function.parameters is not None:
                function["parameters"] = self.function.parameters
        return {"type": self.type, "function": function}


class MessageTool(Tool, frozen=True, kw_only=True, omit_defaults=True):
    """A tool that a message brings: there `type` must be sent (contract.md 1.7)."""

    type: str  # pyright: ignore[reportGeneralTypeIssues]  (keyword-only, so it may follow a default)


class NamedFunction(msgspec.Struct, frozen=True):
    name: str


class NamedChoice(msgspec.Struct, frozen=True):
    """`tool_choice` that names one function."""

    type: Literal["function"]
    function: NamedFunction


ToolChoice = Literal["auto", "none", "required"] | NamedChoice


def check_tools(tools: list[Tool], *, level: Level = "strict") -> None:
    """Raise `InvalidRequest` for a malformed, misnamed or duplicated tool, or a schema that is refused at `level`."""
    names: set[str] = set()
    for index, tool in enumerate(tools):
        for name, function in _declared(index, tool):
            if name in names:
                raise InvalidRequest(f"Invalid request: function name {name} is duplicated")
            names.add(name)
            # Without strict the arguments are only promised to be an object, so the schema is advice to the model.
            check_parameters(function.parameters, level="loose" if function.strict is False else level)


def _declared(index: int, tool: Tool) -> Iterator[tuple[str, Function]]:
    """The functions that `tool` declares, with the names that the model calls; raises `InvalidRequest`."""
    if tool.type == "_plugin":
        if tool.plugin is None:
            raise InvalidRequest(f"Invalid request: tools[{index}]._plugin is required")
        _check_name(tool.plugin.name, _NAME)
        for function in tool.plugin.functions:
            _check_name(function.name, _NAME)
            yield plugin_name(tool.plugin.name, function.name), function
        return
    if tool.type not in ("function", "builtin_function"):
        raise InvalidRequest(
            f"Invalid request: tools[{index}].type is {tool.type!r}; expected function, builtin_function or _plugin"
        )
    if tool.function is None:
        raise InvalidRequest(f"Invalid request: tools[{index}].function is required")
    _check_name(tool.function.name, _BUILTIN_NAME if tool.type == "builtin_function" else _NAME)
    yield tool.function.name, tool.function


def is_function_name(name: str) -> bool:
    """Whether the API takes a function of this name (contract.md 6.4)."""
    return _NAME.match(name) is not None


def _check_name(name: str, pattern: re.Pattern[str]) -> None:
    if not pattern.match(name):
        raise InvalidRequest(
            "Invalid request: function name is invalid, must start with a letter and can contain letters, "
            "numbers, underscores, and dashes"
        )


def plugin_name(plugin: str, function: str) -> str:
    """What the model, and a fiber, call a plugin's function (contract.md 6.2)."""
    return f"{plugin}.{function}"


def flattened(tools: Iterable[Tool]) -> list[Tool]:
    """Each function as a tool of its own, a plugin's under the name that it is called by. `tools` have been checked."""
    flat: list[Tool] = []
    for tool in tools:
        if tool.plugin is None or tool.type != "_plugin":
            flat.append(tool)
            continue
        for function in tool.plugin.functions:
            name = plugin_name(tool.plugin.name, function.name)
            flat.append(Tool(msgspec.structs.replace(function, name=name)))
    return flat


def resolve_tool_choice(
    value: str | dict[str, Any] | None, tools: Sequence[Tool], *, thinking: bool, requires_while_thinking: bool = False
) -> ToolChoice:
    """The matrix of contract.md 1.6; `tools` are all that the request declares. Raises `InvalidRequest`."""
    choice = _parse_choice(value)
    if choice == "auto" or choice == "none":
        return choice
    if thinking and not (requires_while_thinking and choice == "required"):
        word = choice if isinstance(choice, str) else "specified"
        raise InvalidRequest(f"tool_choice '{word}' is incompatible with thinking enabled")
    if not tools:
        raise InvalidRequest("Invalid request: tool_choice needs tools, but the request has none")
    if isinstance(choice, NamedChoice):
        declared = {tool.function.name for tool in tools if tool.function}
        if choice.function.name not in declared:
            raise InvalidRequest(
                f"Invalid request: tool_choice names the function {choice.function.name!r}, which is not in tools"
            )
    return choice


def _parse_choice(value: str | dict[str, Any] | None) -> ToolChoice:
    if value is None:
        return "auto"
    if isinstance(value, dict):
        return convert(value, NamedChoice, field="tool_choice")
    if value == "auto" or value == "none" or value == "required":
        return value
    raise InvalidRequest(
        f"Invalid request: tool_choice is {value!r}; expected auto, none, required or an object that names a function"
    )
