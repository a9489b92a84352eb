"""The tools of `POST /v1/responses`, and the functions that the model sees for them.

The model knows functions alone. A tool of a namespace is a function whose name begins with that; `apply_patch`, which
takes free text, is a function with one argument, the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from moonbase.contract.compact import compact_json
from moonbase.contract.errors import InvalidRequest, missing_field
from moonbase.contract.tools import Function, MessageTool

WEB_SEARCH = "web_search"
_PATCH = "apply_patch"
_TEXT = "input"
"""The one argument of a function that stands for a tool of free text."""
_KINDS = ("function", "custom", "namespace", WEB_SEARCH)
_MOST_DOMAINS = 100
_DOMAIN = re.compile(r"[^\s()/:@]{1,253}\Z")
_UNSUPPORTED = ("search_context_size", "blocked_domains")


class ToolGrammar(msgspec.Struct, frozen=True):
    """What the text of a `custom` tool looks like."""

    type: str
    syntax: str | None = None
    definition: str | None = None


class SearchFilters(msgspec.Struct, frozen=True):
    allowed_domains: list[str] | None = None
    """Up to 100: only results of one of them, or of a domain below it."""
    blocked_domains: list[str] | None = None


class ResponsesTool(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool. Which members count depends on its type."""

    type: str
    """`function`; `custom`, which is `apply_patch` alone; `namespace`, with tools of its own; or `web_search`, which
    the server runs."""
    name: str | None = None
    description: str | None = None
    """What it does and when to call it, for the model to read."""
    parameters: dict[str, Any] | None = None
    """Of a function: a JSON schema of its arguments (Moonshot flavored), an object."""
    strict: bool | None = None
    """Of a function: with false the arguments are only promised to be a JSON object. True unless told otherwise."""
    format: ToolGrammar | None = None
    """Of a custom tool: the grammar of its text, in Lark."""
    tools: list[ResponsesTool] | None = None
    """Of a namespace."""
    filters: SearchFilters | None = None
    """Of a web search."""
    search_content_types: list[str] | None = None
    """Of a web search: what to look for. Only text is found here."""
    search_context_size: Any = None
    blocked_domains: Any = None
    defer_loading: bool | None = None


class Called(NamedTuple):
    """What a call of the model is to the client. `kind`: the type of the tool."""

    name: str
    namespace: str | None = None
    kind: str = "function"


def declared(tools: Sequence[ResponsesTool], place: str, namespace: str | None = None) -> Iterator[MessageTool]:
    """The functions that the model sees for `tools`, but for a web search; raises `InvalidRequest`."""
    searches = [index for index, tool in enumerate(tools) if tool.type == WEB_SEARCH]
    if len(searches) > 1:
        raise InvalidRequest(f"Invalid request: {place}[{searches[1]}] is a second web_search; at most one is allowed")
    for index, tool in enumerate(tools):
        at = f"{place}[{index}]"
        if tool.defer_loading:
            raise InvalidRequest(f"{place}.{index}.defer_loading is not supported")
        if tool.type == WEB_SEARCH and namespace is None:
            _check_search(tool, at)
            continue
        if tool.type not in _KINDS[:2] and (tool.type != "namespace" or namespace is not None):
            kinds = _KINDS if namespace is None else _KINDS[:2]
            raise InvalidRequest(f"Invalid request: {at}.type is {tool.type!r}; expected {', '.join(kinds)}")
        if tool.name is None:
            raise missing_field(f"{at}.name")
        if tool.type == "namespace":
            if tool.tools is None:
                raise missing_field(f"{at}.tools")
            yield from declared(tool.tools, f"{at}.tools", tool.name)
        elif tool.type == "custom":
            yield _free_text(tool, at, namespace)
        else:
            function = Function(joined(tool.name, namespace), tool.description, tool.parameters, tool.strict)
            yield MessageTool(function, type="function")


def called_by(tools: Sequence[ResponsesTool], namespace: str | None = None) -> dict[str, Called]:
    """What is called, by the name that the model knows it by; of tools that `declared` took."""
    called: dict[str, Called] = {}
    for tool in tools:
        if tool.type == "namespace":
            called |= called_by(tool.tools or (), tool.name)
        elif tool.type == WEB_SEARCH:
            called[WEB_SEARCH] = Called(WEB_SEARCH, kind=WEB_SEARCH)
        elif tool.name is not None:
            called[joined(tool.name, namespace)] = Called(tool.name, namespace, tool.type)
    return called


def joined(name: str, namespace: str | None) -> str:
    """What the model calls a function of a namespace."""
    if namespace is None:
        return name
    return f"{namespace}{name}" if namespace.endswith("__") else f"{namespace}__{name}"


def text_arguments(text: str) -> str:
    """The arguments of a call of a function that stands for a tool of free text."""
    return compact_json({_TEXT: text})


def argument_text(arguments: str) -> str:
    """The free text in the arguments of such a call; what the model wrote instead, where there is none in them."""
    try:
        found = msgspec.json.decode(arguments, type=dict[str, Any]).get(_TEXT)
    except (msgspec.DecodeError, RecursionError):
        return arguments
    return found if isinstance(found, str) else arguments


def _free_text(tool: ResponsesTool, at: str, namespace: str | None) -> MessageTool:
    if tool.name != _PATCH:
        raise InvalidRequest(
            f"Invalid request: {at}.name is {tool.name!r}; of the custom tools only {_PATCH} is known; declare it as a "
            "function"
        )
    grammar = tool.format
    if grammar is None:
        raise missing_field(f"{at}.format")
    if grammar.type != "grammar" or grammar.syntax != "lark" or grammar.definition is None:
        raise InvalidRequest(
            f"Invalid request: {at}.format must have the type grammar, the syntax lark and a definition"
        )
    said = f"{tool.description}\n\n" if tool.description else ""
    told = f"{said}The text follows this grammar, which is written in Lark:\n{grammar.definition}"
    schema = {
        "type": "object",
        "properties": {_TEXT: {"type": "string", "description": "The whole text."}},
        "required": [_TEXT],
        "additionalProperties": False,
    }
    return MessageTool(Function(joined(_PATCH, namespace), told, schema), type="function")


def _check_search(tool: ResponsesTool, at: str) -> None:
    for name in _UNSUPPORTED:
        if getattr(tool, name) is not None:
            raise InvalidRequest(f"Invalid request: {at}.{name} is not supported")
    filters = tool.filters or SearchFilters()
    if filters.blocked_domains is not None:
        raise InvalidRequest(f"Invalid request: {at}.filters.blocked_domains is not supported")
    if len(filters.allowed_domains or ()) > _MOST_DOMAINS:
        raise InvalidRequest(f"Invalid request: {at}.filters.allowed_domains must have at most {_MOST_DOMAINS} entries")
    for index, domain in enumerate(filters.allowed_domains or ()):
        if not _DOMAIN.match(domain):
            raise InvalidRequest(
                f"Invalid request: {at}.filters.allowed_domains[{index}] is {domain[:100]!r}; expected a domain such "
                "as example.org"
            )
    if any(kind != "text" for kind in tool.search_content_types or ()):
        raise InvalidRequest(f"Invalid request: {at}.search_content_types can only have text here")
