"""Schemas in normal form: what is kept, what is rewritten, and what is refused by name (contract.md 7.3, 7.4)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from moonbase.contract.mfjs_report import SchemaProblem
from moonbase.contract.schema import minimal_value
from moonbase.contract.schema_normal import MAX_ITEMS, normalise
from moonbase.contract.schema_tight import tightened
from tests.schemas import collected

REFUSED = {
    "mcp: made from OpenAPI: a nullable enum": "uniqueItems",
    "pydantic: tuple and set fields": "uniqueItems",
    "servers: notion-mcp-server@2.5.2: API-post-page": "oneOf",
    "typebox: conditions on a chain item": "if",
    "zod3: intersection": "unevaluatedProperties",
    "zod4: object of primitives": "pattern",
}
"""What the collected schemas ask for that nobody can enforce."""


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def test_of_all_collected_schemas_few_are_refused_and_each_by_its_keyword() -> None:
    refused: dict[str, str] = {}
    for row in collected():
        try:
            normalise(row.schema)
        except SchemaProblem as problem:
            assert f"keyword {REFUSED.get(row.name)} " in problem.message
            assert problem.path.endswith(REFUSED[row.name])
            refused[row.name] = problem.path
    assert refused.keys() == REFUSED.keys()


@pytest.mark.parametrize("row", [row for row in collected() if row.name not in REFUSED], ids=lambda row: row.name)
def test_what_the_normal_form_allows_fits_the_schema(row: Any) -> None:
    normal = normalise(row.schema)
    Draft202012Validator.check_schema(normal)
    assert normalise(normal).keys() == normal.keys(), "once is enough"
    if not re.search('"(pattern|format|exclusiveM|oneOf|allOf|const)', json.dumps(normal)):
        value = minimal_value(normal)
        Draft202012Validator(row.schema).validate(value)  # pyright: ignore[reportUnknownMemberType]
        Draft202012Validator(tightened(normal)).validate(value)  # pyright: ignore[reportUnknownMemberType]


NORMAL: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "remarks go": (
        {"$schema": "s", "$id": "i", "title": "t", "type": "string", "default": "", "x-a": 1, "nullable": True},
        {"type": "string"},
    ),
    "a property may have any name": (
        object_of(title={"type": "string", "title": "T"}, **{"$id": {"type": "null"}}),
        object_of(title={"type": "string"}, **{"$id": {"type": "null"}}),
    ),
    "a pointer": (
        {"components": {"A": {"type": "null"}, "B": {}}, **object_of(a={"$ref": "#/components/A"})},
        {**object_of(a={"$ref": "#/$defs/d0"}), "$defs": {"d0": {"type": "null"}}},
    ),
    "an anchor": (
        {"$defs": {"x": {"$anchor": "here", "type": "null"}}, **object_of(a={"$ref": "#here"})},
        {**object_of(a={"$ref": "#/$defs/d0"}), "$defs": {"d0": {"type": "null"}}},
    ),
    "an $id": (
        {"$defs": {"x": {"$id": "https://e.com/x", "type": "null"}}, **object_of(a={"$ref": "https://e.com/x"})},
        {**object_of(a={"$ref": "#/$defs/d0"}), "$defs": {"d0": {"type": "null"}}},
    ),
    "the root by reference": (
        {"$ref": "#/$defs/n", "$defs": {"n": {"type": "array", "items": {"$ref": "#/$defs/n"}}}},
        {
            "type": "array",
            "items": {"$ref": "#/$defs/d0"},
            "$defs": {"d0": {"type": "array", "items": {"$ref": "#/$defs/d0"}}},
        },
    ),
    "allOf of one": ({"allOf": [{"type": "string"}], "description": "d"}, {"type": "string"}),
    "a tuple of draft 7": (
        {"type": "array", "items": [{"type": "null"}], "additionalItems": False},
        {"type": "array", "prefixItems": [{"type": "null"}], "items": False},
    ),
    "a bound of draft 4": (
        {"type": "integer", "minimum": 3, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": False},
        {"type": "integer", "exclusiveMinimum": 3, "maximum": 9},
    ),
    "never": (object_of() | {"additionalProperties": {"not": {}}}, object_of() | {"additionalProperties": False}),
    "names of a record": (
        {"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": {"type": "null"}},
        {"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}}, "additionalProperties": False},
    ),
    "any names of a record": (
        {"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {"type": "null"}},
        {"type": "object", "additionalProperties": {"type": "null"}},
    ),
    "oneOf of two types": (
        {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    ),
    "oneOf by a constant": (
        {"oneOf": [object_of(k={"const": "a"}), object_of(k={"enum": ["b", "c"]})]},
        {"anyOf": [object_of(k={"const": "a"}), object_of(k={"enum": ["b", "c"]})]},
    ),
    "oneOf by what is required": (
        {"oneOf": [object_of(a={"type": "null"}), object_of(b={"type": "null"})]},
        {
            "anyOf": [
                object_of(a={"type": "null"}) | {"additionalProperties": False},
                object_of(b={"type": "null"}) | {"additionalProperties": False},
            ]
        },
    ),
    "a long array": ({"type": "array", "maxItems": 10**9}, {"type": "array", "maxItems": MAX_ITEMS}),
    "a format that is a remark": ({"type": "string", "format": "uri"}, {"type": "string"}),
    "a format that is enforced": ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
}


@pytest.mark.parametrize("name", NORMAL)
def test_the_normal_form(name: str) -> None:
    schema, normal = NORMAL[name]
    assert normalise(schema) == normal


UNENFORCEABLE: list[tuple[dict[str, Any], str, str]] = [
    (object_of(a={"not": {"type": "null"}}), "properties.a.not", "keyword not"),
    ({"type": "array", "items": {"if": {}, "then": {}}}, "items.if", "keyword if"),
    (object_of(a={"type": "array", "uniqueItems": True}), "properties.a.uniqueItems", "keyword uniqueItems"),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "oneOf", "use anyOf"),
    ({"type": "string", "pattern": "^(?=a)b"}, "pattern", "looks ahead"),
    ({"type": "string", "pattern": 3}, "pattern", "must be a string"),
    ({"type": "array", "minItems": 10**6}, "minItems", "up to"),
    ({"type": "number", "multipleOf": 999983}, "multipleOf", "from 0.001 to 1000"),
    ({"type": "str"}, "type", "unknown type 'str'"),
    ({"$ref": "#/$defs/x"}, "$ref", "leads nowhere"),
    ({"$ref": "https://example.com/x"}, "$ref", "leads nowhere"),
    ({"anyOf": {}}, "anyOf", "a list of at least one schema"),
    ({"anyOf": ["string"]}, "anyOf", "expected a schema"),
    ({"type": "object", "properties": []}, "properties", "must be an object"),
    ({"type": "string", "maxLength": -1}, "maxLength", "whole number"),
    ({"$defs": {"a": object_of(a={"$ref": "#/$defs/a"})}, "$ref": "#/$defs/a"}, "root", "needs itself"),
    ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "root", "needs itself"),
    ({"type": "object", "properties": {f"p{n}": {} for n in range(500)}}, "properties", "optional properties"),
]


@pytest.mark.parametrize(("schema", "path", "word"), UNENFORCEABLE)
def test_what_cannot_be_enforced_is_refused_by_path_and_keyword(schema: Any, path: str, word: str) -> None:
    with pytest.raises(SchemaProblem) as caught:
        normalise(schema)
    assert caught.value.path == path
    assert word in caught.value.message


def test_a_schema_of_great_depth_is_refused() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        schema = object_of(a=schema)
    with pytest.raises(SchemaProblem, match="too deep"):
        normalise(schema)


def test_a_chain_of_references_is_no_depth() -> None:
    links = {f"a{n}": object_of(x={"$ref": f"#/$defs/a{n + 1}"}) for n in range(200)}
    normal = normalise({"$defs": links | {"a200": {"type": "null"}}, "$ref": "#/$defs/a0"})
    assert len(normal["$defs"]) == 200


def test_models_write_the_properties_that_are_named() -> None:
    schema = object_of(a=object_of(b={"type": "null"}))
    assert tightened(schema)["additionalProperties"] is False
    assert tightened(schema)["properties"]["a"]["additionalProperties"] is False
    for other in (
        {**object_of(a={"type": "null"}), "additionalProperties": True},
        {"type": "object"},
        {"allOf": [schema, object_of(c={"type": "null"})]},
        {**schema, "required": ["z"], "properties": {"a": {"type": "null"}}},
    ):
        assert tightened(other) == other


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYWORDS = st.sampled_from(
    [
        "type",
        "$ref",
        "enum",
        "const",
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minLength",
        "pattern",
        "format",
        "minimum",
        "exclusiveMinimum",
        "multipleOf",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "$defs",
        "$id",
        "$anchor",
        "additionalItems",
        "unevaluatedProperties",
    ]
)
SCHEMAS = st.recursive(
    st.dictionaries(KEYWORDS, VALUES, max_size=3),
    lambda inner: st.dictionaries(KEYWORDS, inner | st.lists(inner, max_size=3) | VALUES, max_size=4),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(SCHEMAS)
def test_anything_at_all_is_normalised_or_refused(schema: dict[str, Any]) -> None:
    try:
        normal = normalise(schema)
    except SchemaProblem:
        return
    json.dumps(normal)
    tightened(normal)
