"""MFJS, the JSON schemas that the API takes: tool parameters and response schemas (contract.md 1.5, 7.3, 7.4).

`strict` is the default: it refuses what the hosted API is recorded to refuse, in its words, and accepts what it is
known to let through, such as `$schema`, `format` and `oneOf`. docs/schemas.md has every keyword and rule by level.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import msgspec

from moonbase.contract import mfjs_rules as rules
from moonbase.contract.errors import InvalidRequest, missing_field
from moonbase.contract.mfjs_keywords import check_keywords
from moonbase.contract.mfjs_refs import check_finite, check_reference
from moonbase.contract.mfjs_report import ROOT, Judge, Node, SchemaProblem, is_object
from moonbase.contract.mfjs_rules import LEVELS, Level
from moonbase.contract.mfjs_ultra import EnumCount, check_placement, check_support
from moonbase.contract.mfjs_walk import measure, nodes

__all__ = [
    "LEVELS",
    "Level",
    "SchemaProblem",
    "check_parameters",
    "check_response_format",
    "check_response_schema",
    "check_schema",
]

NOT_OBJECT = "schema must be a dict"
_KNOWN_SIZE = 16 * 1024
"""Bytes of JSON up to which an accepted schema is remembered."""
_FORMATS = ("text", "json_object", "json_schema")


def check_schema(schema: object, *, level: Level = "strict") -> None:
    """Raise `SchemaProblem` where `schema` is not MFJS at `level`.

    `schema` is a mapping as JSON gives it; anything else is a problem too. Bounded for any input: the size is measured
    first, nothing recurses, and every reference is followed once.
    """
    judge = Judge(level)
    if not isinstance(schema, Mapping):
        raise SchemaProblem(str(ROOT), NOT_OBJECT)
    root = dict(cast("Mapping[str, Any]", schema))
    measure(judge, root)
    if level == "loose":
        return
    found: list[Node] = []
    enums = EnumCount()
    for node in nodes(judge, root):
        check_support(judge, node)
        check_keywords(judge, node)
        if judge.applies(rules.MISPLACED):
            check_placement(judge, node)
        check_reference(judge, node, root)
        enums.add(judge, node)
        found.append(node)
    check_finite(judge, found, root)


def check_parameters(parameters: object, *, level: Level = "strict") -> None:
    """Check the `parameters` of a function; absent is allowed. Raises `InvalidRequest`."""
    field = "tools.function.parameters"
    if parameters is None:
        return
    schema = _object(parameters, field)
    _check(schema, field, level)
    types = Node(schema, ROOT).types()
    if level not in ("loose", "lite") and types and "object" not in types:
        raise InvalidRequest(f'Invalid request: {field}.type is required and must be "object"')


def check_response_schema(schema: object, *, level: Level = "strict") -> None:
    """Check `response_format.json_schema.schema`. Raises `InvalidRequest`."""
    _check(_object(schema, "response_format.json_schema.schema"), "response_format.json_schema", level)


def check_response_format(value: object, *, level: Level = "strict") -> None:
    """Check the whole `response_format` member as it came, its schema too (contract.md 7.3). Raises `InvalidRequest`.

    With `strict` false the schema constrains nothing, so only its size is checked.
    """
    if value is None:
        return
    form = _object(value, "response_format", "object")
    kind = _needed(form, "response_format", "type")
    if kind not in _FORMATS:
        raise _illegal("response_format.type", "one of text, json_object and json_schema", _shown(kind))
    if kind != "json_schema":
        return
    inner = _object(_needed(form, "response_format", "json_schema"), "response_format.json_schema", "object")
    if not isinstance(name := _needed(inner, "response_format.json_schema", "name"), str):
        raise _illegal("response_format.json_schema.name", "type string", _named(name))
    strict = inner.get("strict")
    if strict is not None and not isinstance(strict, bool):
        raise _illegal("response_format.json_schema.strict", "type bool", _named(strict))
    schema = _needed(inner, "response_format.json_schema", "schema")
    check_response_schema(schema, level="loose" if strict is False else level)


def _check(schema: dict[str, Any], field: str, level: Level) -> None:
    try:
        if 0 < len(data := _encoded(schema)) <= _KNOWN_SIZE:
            _accepted(data, level)
        else:
            check_schema(schema, level=level)
    except SchemaProblem as problem:
        raise InvalidRequest(
            f"Invalid request: {field} is not a valid moonshot flavored json schema, details: <{problem}>"
        ) from None


@lru_cache(maxsize=512)
def _accepted(data: bytes, level: Level) -> None:
    """Agents send the same tools with every request: a schema that has been accepted is known again by its JSON.
    What is refused is not kept."""
    check_schema(msgspec.json.decode(data), level=level)


def _encoded(schema: dict[str, Any]) -> bytes:
    """Its JSON; empty for what has none."""
    try:
        return msgspec.json.encode(schema)
    except (TypeError, ValueError, RecursionError):
        return b""


def _object(value: object, field: str, expected: str = "dict[string,interface]") -> dict[str, Any]:
    if not is_object(value):
        raise _illegal(field, f"type {expected}", _named(value))
    return value


def _needed(value: dict[str, Any], field: str, name: str) -> Any:
    """The member `name`; null and the empty string are the same as absent."""
    found = value.get(name)
    if found is None or found == "":
        raise missing_field(f"{field}.{name}")
    return found


def _illegal(field: str, expected: str, got: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid request: the `{field}` field in the request (expected {expected}) is illegal, "
        f"and {got} is not acceptable"
    )


def _shown(value: object) -> str:
    """A word that is not one of the allowed ones, or the JSON type of what is no word."""
    return ascii(value[:40]) if isinstance(value, str) else _named(value)


def _named(value: object) -> str:
    """The JSON type of `value`."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list() | tuple():
            return "array"
        case _:
            return "object"
