"""Requests that must be refused with 400, as a table: the texts of contract.md 4.3, and what 1 and 7 forbid."""

from __future__ import annotations

from typing import Any, NamedTuple

from moonbase.conformance.check import Check, check
from moonbase.conformance.conversation import TOOLS, asked, call, shown, told
from moonbase.conformance.envelope import refused
from moonbase.conformance.profile import Capability
from moonbase.conformance.samples import WEATHER, function
from moonbase.conformance.session import Session, user
from moonbase.conformance.verdict import Json

_HI = user("Say hello.")
_NAME = "function name is invalid, must start with a letter"
_MFJS = "is not a valid moonshot flavored json schema"
_UNANSWERED = "insufficient tool messages following tool_calls message"
_TYPE = "field in the request (expected type"
_SVG = "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4="
_UNTYPED = {"type": "object", "properties": {"x": {"enum": ["a", "b"]}}}


class Row(NamedTuple):
    """`change` goes on top of a plain request; `text` is a part of the message, "" where none is recorded."""

    name: str
    section: str
    text: str
    change: Json
    messages: tuple[Json, ...] = (_HI,)
    needs: tuple[Capability, ...] = ()


def _format(**json_schema: Any) -> Json:
    return {"response_format": {"type": "json_schema", "json_schema": json_schema}}


def _named(name: str) -> Json:
    return {"tools": [function(name)]}


ROWS = (
    Row("no-messages", "4.3", "Invalid request: messages must not be empty", {}, ()),
    Row("no-model", "1.1", "model", {"model": None}),
    Row(
        "empty-assistant",
        "4.3",
        "the message at position 1 with role 'assistant' must not be empty",
        {},
        (_HI, {"role": "assistant", "content": ""}, _HI),
    ),
    Row(
        "empty-text-part",
        "4.3",
        "text content is empty",
        {},
        ({"role": "user", "content": [{"type": "text", "text": ""}]},),
    ),
    Row("unknown-role", "1.4", "", {}, ({"role": "robot", "content": "hello"},)),
    Row("unknown-part", "1.4", "", {}, ({"role": "user", "content": [{"type": "smell", "smell": "x"}]},)),
    Row("tool-no-id", "4.3", "tool_call_id  is not found", {}, (_HI, {"role": "tool", "content": "x"})),
    Row("tool-wrong-id", "4.3", "tool_call_id nope is not found", {}, (_HI, told("nope"))),
    Row("call-unanswered", "4.3", _UNANSWERED, dict(TOOLS), (_HI, asked())),
    Row(
        "call-answered-late",
        "4.3",
        _UNANSWERED,
        dict(TOOLS),
        (_HI, asked(), _HI, told()),
    ),
    Row(
        "call-duplicate-id",
        "4.3",
        "tool call id c1 is duplicated",
        dict(TOOLS),
        (_HI, asked(call("c1")), told("c1"), _HI, asked(call("c1")), told("c1")),
    ),
    Row("function-duplicate", "4.3", "function name f is duplicated", {"tools": [function("f"), function("f")]}),
    Row("function-digit-first", "1.5", _NAME, _named("1f")),
    Row("function-bad-sign", "1.5", _NAME, _named("bad@name")),
    Row("function-empty-name", "1.5", _NAME, _named("")),
    Row("function-long-name", "1.5", _NAME, _named("f" * 257)),
    Row("tool-unknown-type", "1.5", "", {"tools": [{"type": "gadget", "function": {"name": "f"}}]}),
    Row("tool-no-function", "1.5", "", {"tools": [{"type": "function"}]}),
    Row(
        "parameters-not-mfjs",
        "4.3",
        f"tools.function.parameters {_MFJS}, details: <At path 'properties.x': type is not defined>",
        {"tools": [function("f", _UNTYPED)]},
    ),
    Row("schema-not-mfjs", "4.3", f"response_format.json_schema {_MFJS}", _format(name="a", schema=_UNTYPED)),
    Row(
        "schema-not-object",
        "4.3",
        "the `response_format.json_schema.schema` field in the request",
        _format(name="a", schema=[]),
    ),
    Row("schema-no-name", "7.3", "", _format(schema={"type": "object", "properties": {}})),
    Row("schema-no-schema", "7.3", "", _format(name="a")),
    Row("schema-strict-number", "7.3", "", _format(name="a", schema={"type": "object", "properties": {}}, strict=1)),
    Row("format-no-schema", "7.3", "", {"response_format": {"type": "json_schema"}}),
    Row("format-unknown", "7.3", "", {"response_format": {"type": "yaml"}}),
    Row("stops-six", "4.3", "maximum length 5", {"stop": list("uvwxyz")}),
    Row("stop-long", "4.3", "must not be longer than 32", {"stop": "q" * 33}),
    Row(
        "thinking-bool",
        "4.3",
        f"the `thinking` {_TYPE} object) is illegal, and bool is not acceptable",
        {"thinking": True},
        needs=("k2",),
    ),
    Row("thinking-no-type", "1.3", "", {"thinking": {}}, needs=("k2",)),
    Row("thinking-unknown-type", "1.3", "", {"thinking": {"type": "sometimes"}}, needs=("k2",)),
    Row(
        "both-thinking-controls",
        "11.1",
        "cannot specify both 'thinking' and 'reasoning_effort'",
        {"thinking": {"type": "enabled"}, "reasoning_effort": "high"},
        needs=("k2",),
    ),
    Row(
        "effort-number",
        "4.3",
        f"the `reasoning_effort` {_TYPE} string) is illegal, and number is not acceptable",
        {"reasoning_effort": 3},
    ),
    Row("wrong-type", "4.3", f"the `temperature` {_TYPE}", {"temperature": "hot"}),
    Row("budget-string", "4.3", f"the `max_completion_tokens` {_TYPE}", {"max_completion_tokens": "many"}),
    Row("messages-object", "4.3", f"the `messages` {_TYPE}", {"messages": {}}),
    Row("top-logprobs-alone", "4.3", "logprobs must be set to true if top_logprobs is used", {"top_logprobs": 2}),
    Row("choice-unknown", "1.6", "", {**TOOLS, "tool_choice": "perhaps"}),
    Row("choice-required-no-tools", "1.6", "", {"tool_choice": "required"}),
    Row("image-by-http", "4.3", "unsupported image url", {}, (shown("https://example.com/a.png"),), ("images",)),
    Row("image-bad-bytes", "4.3", "unsupported image format", {}, (shown("data:image/png;base64,AAAA"),), ("images",)),
    Row("image-svg", "1.4", "", {}, (shown(_SVG),), ("images",)),
    Row("image-no-file", "1.4", "", {}, (shown("ms://no-such-file"),), ("images",)),
    Row("image-blind", "1.4", "", {}, (shown("data:image/png;base64,AAAA"),), ("blind",)),
    Row(
        "dynamic-tools", "1.7", "tokenization failed", {}, ({"role": "system", "tools": [dict(WEATHER)]}, _HI), ("k2",)
    ),
    Row(
        "dynamic-tools-content",
        "1.7",
        "cannot be used with content",
        {},
        ({"role": "system", "content": "x", "tools": [dict(WEATHER)]}, _HI),
        ("k3",),
    ),
    Row("dynamic-tools-user", "1.7", "", {}, ({"role": "user", "tools": [dict(WEATHER)]}, _HI), ("k3",)),
)


def _refuses(row: Row) -> Check:
    async def run(session: Session) -> None:
        payload = {**session.body(*row.messages, max_completion_tokens=16), **row.change}
        await refused(session, {name: value for name, value in payload.items() if value is not None}, text=row.text)

    run.__doc__ = f"{row.name.replace('-', ' ').capitalize()}: 400{f', “{row.text}”' if row.text else ''}."
    return check(f"refuses-{row.name}", row.section, needs=row.needs)(run)


CHECKS = tuple(_refuses(row) for row in ROWS)
