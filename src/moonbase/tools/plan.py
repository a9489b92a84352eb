"""What a request says of a loop that the server is to run: which formulas, and for how many steps.

An extension: the hosted API knows no `formulas` in a chat request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from moonbase.contract.errors import InvalidRequest, NotFound
from moonbase.contract.request import DEFAULT_STEPS, LEAST_STEPS, MOST_STEPS, ChatBody
from moonbase.contract.tools import Tool
from moonbase.tools.formula import tool_list
from moonbase.tools.tool import Formula
from moonbase.tools.toolset import Toolset

_LISTED = 30


@dataclass(frozen=True, slots=True)
class Plan:
    """The functions that the server runs, each with the URI of its formula; how often the model may be asked. `shared`:
    the client runs calls of any other function."""

    functions: Mapping[str, str]
    steps: int
    shared: bool = False


def plan_of(body: ChatBody, toolset: Toolset) -> tuple[ChatBody, Plan | None]:
    """`body` with the tools of its formulas, and the plan; None where it names no formulas, and then nothing changes.

    Raises `NotFound` for a formula that is not served, `InvalidRequest` for what does not go with a loop.
    """
    if not body.formulas:
        return body, None
    _check(body)
    functions: dict[str, str] = {}
    tools: list[Tool] = []
    for place, uri in enumerate(body.formulas):
        if uri in body.formulas[:place]:
            raise InvalidRequest(f"Invalid request: formulas[{place}] names {uri} again; name each formula once")
        formula = _formula(toolset, place, uri)
        tools += _declared(formula)
        functions |= dict.fromkeys(formula.called(), uri)
    return replace(body, tools=tools), Plan(functions, _steps(body))


def plan_beside(body: ChatBody, toolset: Toolset, uri: str) -> tuple[ChatBody, Plan | None]:
    """As `plan_of`, of the formula `uri`, whose functions stand beside the client's; None where it is not served."""
    try:
        formula = toolset.formula(uri)
    except NotFound:
        return body, None
    plan = Plan(dict.fromkeys(formula.called(), uri), DEFAULT_STEPS, shared=True)
    return replace(body, tools=[*(body.tools or ()), *_declared(formula)]), plan


def _declared(formula: Formula) -> list[Tool]:
    """Its tools, as a client would have got them and put them into `tools`."""
    return msgspec.convert(msgspec.to_builtins(tool_list(formula).tools), list[Tool])


def _check(body: ChatBody) -> None:
    if body.tools or any(message.tools for message in body.messages):
        raise InvalidRequest(
            "Invalid request: formulas cannot be sent together with tools: this server runs every call of such a "
            "request itself; send one of the two"
        )
    if body.n is not None and body.n > 1:
        raise InvalidRequest(f"Invalid request: n must be 1 when formulas is sent, got n={body.n}")
    if body.messages and body.messages[-1].role == "assistant" and body.messages[-1].partial:
        raise InvalidRequest(
            "Invalid request: formulas cannot be sent together with a partial message; leave out one of the two"
        )


def _formula(toolset: Toolset, place: int, uri: str) -> Formula:
    try:
        return toolset.formula(uri)
    except NotFound:
        known = [formula.uri for formula in toolset][:_LISTED]
        raise NotFound(
            f"formula not found: formulas[{place}] is {uri[:100]!r}; this server has {', '.join(known) or 'none'}"
        ) from None


def _steps(body: ChatBody) -> int:
    steps = DEFAULT_STEPS if body.max_steps is None else body.max_steps
    if not LEAST_STEPS <= steps <= MOST_STEPS:
        raise InvalidRequest(f"Invalid request: max_steps must be between {LEAST_STEPS} and {MOST_STEPS}, got {steps}")
    return steps
