"""Schemas of arguments as MCP servers have them, for models (contract.md 1.5, 7.4)."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from moonbase.tools.mcp.arguments import can_be_enforced, readable_arguments

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}


def objects(*members: str, **more: Any) -> Schema:
    return {"type": "object", "properties": dict.fromkeys(members, TEXT), "required": list(members), **more}


def action(name: str, *members: str) -> Schema:
    """One of several things that a tool does."""
    return {
        "type": "object",
        "properties": {"action": {"type": "string", "const": name}, **dict.fromkeys(members, TEXT)},
        "required": ["action", *members],
        "additionalProperties": False,
    }


def fits(schema: Schema, value: Schema) -> bool:
    return Draft202012Validator(schema).is_valid(value)  # pyright: ignore[reportUnknownMemberType]


ATTACHED: Schema = {"type": "object", "anyOf": [objects("name", "content"), objects("source_url")]}
"""As one of Notion's tools has it (makenotion/notion-mcp-server#340)."""
ACTIONS: Schema = {"type": "object", "anyOf": [action("create", "title"), action("delete", "id")]}
ONE_OF_TWO: Schema = {
    "type": "object",
    "properties": {"a": TEXT, "b": TEXT},
    "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
}
TYPE: Schema = {"type": "object", "$ref": "#/definitions/it", "definitions": {"it": objects("a")}}
BOTH: Schema = {"type": "object", "allOf": [objects("a"), {"properties": {"b": TEXT}}]}


@pytest.mark.parametrize(
    ("schema", "members", "required"),
    [
        (ATTACHED, ["name", "content", "source_url"], []),
        (ACTIONS, ["action", "title", "id"], ["action"]),
        (ONE_OF_TWO, ["a", "b"], []),
        (TYPE, ["a"], ["a"]),
        (BOTH, ["a", "b"], ["a"]),
        ({"anyOf": [{"$ref": "#/$defs/x"}], "$defs": {"x": objects("a")}}, ["a"], ["a"]),
        ({"type": "object", "anyOf": [3, {"properties": [], "required": [7]}]}, [], []),
        ({"$ref": "#/nowhere", "type": "object"}, [], []),
    ],
)
def test_members_stand_at_the_root(schema: Schema, members: list[str], required: list[str]) -> None:
    before = repr(schema)
    shown = readable_arguments(schema)
    assert (shown["type"], list(shown.get("properties", {})), shown.get("required", [])) == (
        "object",
        members,
        required,
    )
    assert repr(schema) == before


def test_what_needs_no_mending_stays() -> None:
    assert readable_arguments(objects("a")) == objects("a")


def test_a_member_that_is_told_of_twice_may_be_either() -> None:
    assert readable_arguments(ACTIONS)["properties"]["action"] == {"type": "string", "enum": ["create", "delete"]}
    either = {"type": "object", "anyOf": [{"properties": {"a": kind}} for kind in (TEXT, {"type": "integer"}, TEXT)]}
    assert readable_arguments(either)["properties"]["a"] == {"anyOf": [TEXT, {"type": "integer"}]}


@pytest.mark.parametrize("schema", [ATTACHED, ACTIONS, ONE_OF_TWO, TYPE, BOTH])
def test_it_allows_what_it_did(schema: Schema) -> None:
    values: list[Schema] = [
        *({}, {"a": "x"}, {"b": "x"}, {"a": "x", "b": "x"}, {"a": 1}),
        *({"name": "x"}, {"name": "x", "content": "x"}, {"source_url": "x"}, {"name": "x", "source_url": "x"}),
        *({"action": "create", "title": "x"}, {"action": "create", "id": "x"}, {"action": "drop", "id": "x"}),
    ]
    allowed = [[fits(each, value) for value in values] for each in (schema, readable_arguments(schema))]
    assert allowed[0] == allowed[1]


@pytest.mark.parametrize(
    ("schema", "enforced"),
    [
        (objects("a"), True),
        (TYPE, True),
        (ATTACHED, False),
        (ONE_OF_TWO, False),
        (objects("a", **{"not": {"required": ["b"]}}), False),
        (objects("a", **{"if": {"required": ["b"]}, "then": {"required": ["c"]}}), False),
        (objects("a", dependentRequired={"a": ["b"]}), False),
    ],
)
def test_what_can_be_enforced(schema: Schema, *, enforced: bool) -> None:
    assert can_be_enforced(readable_arguments(schema)) is enforced
