"""Formulas and fibers as they travel (contract.md 6.1). Pure values; the server's routes read and write them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from moonbase.tools.tool import Formula

SEALED = "----MOONSHOT ENCRYPTED BEGIN----"
"""How an output begins that only its server can read."""


class FiberRequest(msgspec.Struct, frozen=True):
    """The body of `POST /v1/formulas/{uri}/fibers`. `arguments` is JSON text, as a model wrote it."""

    name: str
    """A function of the formula."""
    arguments: str
    """Its arguments, as JSON text."""


class FunctionBody(msgspec.Struct, frozen=True):
    name: str
    description: str
    parameters: dict[str, Any]
    strict: bool | UnsetType = UNSET
    """False where nothing can hold a model to the schema; a call is checked all the same."""


class PluginBody(msgspec.Struct, frozen=True):
    """Functions under one name: a fiber calls each `NAME.FUNCTION`."""

    name: str
    description: str
    functions: list[FunctionBody]


class ToolBody(msgspec.Struct, frozen=True):
    """A function, or with `type` `_plugin` several (contract.md 6.2)."""

    function: FunctionBody | UnsetType = UNSET
    plugin: PluginBody | UnsetType = msgspec.field(default=UNSET, name="_plugin")
    type: str = "function"


class ToolList(msgspec.Struct, frozen=True):
    """The body of `GET /v1/formulas/{uri}/tools`; each entry can be sent as it is in `tools` of a chat request."""

    tools: list[ToolBody]
    object: str = "list"


class FormulaRow(msgspec.Struct, frozen=True, kw_only=True):
    """A formula that a server offers; `aliases` are further URIs of it, `protected` says that its output is sealed."""

    id: str
    """Its URI."""
    object: str = "formula"
    protected: bool = False
    aliases: tuple[str, ...] = ()
    tools: list[ToolBody]


class FormulaList(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `GET /v1/formulas`, an extension: the hosted API has no list of them."""

    object: str = "list"
    data: list[FormulaRow]


class FiberContext(msgspec.Struct, frozen=True):
    """What went in and what came out: exactly one of `output`, `encrypted_output` and `error` is on the wire.

    The documented client asks whether the key `error` is there, so a success must not carry even a null.
    """

    input: str
    output: str | UnsetType = UNSET
    encrypted_output: str | UnsetType = UNSET
    error: str | UnsetType = UNSET


class Fiber(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one function, finished. `created_at` is in seconds of Unix time."""

    id: str
    object: str = "fiber"
    created_at: int
    lambda_id: str
    status: Literal["succeeded", "failed"]
    context: FiberContext
    formula: str
    organization_id: str
    project_id: str

    def encode(self) -> bytes:
        return msgspec.json.encode(self)


def tool_list(formula: Formula) -> ToolList:
    """The functions that `formula` declares, as a client puts them into a chat request."""
    functions = [
        FunctionBody(
            function.name,
            function.description or "",
            function.parameters or {"type": "object"},
            UNSET if function.strict is None else function.strict,
        )
        for function in formula.functions
    ]
    if title := formula.plugin:
        return ToolList([ToolBody(plugin=PluginBody(title.name, title.description, functions), type="_plugin")])
    return ToolList([ToolBody(function) for function in functions])


def formula_row(formula: Formula) -> FormulaRow:
    """`formula` as a client finds it in the list."""
    return FormulaRow(
        id=formula.uri, protected=formula.protected, aliases=formula.aliases, tools=tool_list(formula).tools
    )


def input_of(request: FiberRequest) -> str:
    """`context.input`: the request again, as JSON text inside the fiber."""
    return msgspec.json.encode(request).decode()
