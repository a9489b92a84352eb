"""Whether two schemas in normal form can share a value: what makes `oneOf` the same as `anyOf`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, cast

from moonbase.contract.grammar import Schema
from moonbase.contract.mfjs_report import is_object

_FOLLOWED = 8
_PLAIN_OBJECT = frozenset({"type", "properties", "required", "minProperties", "maxProperties"})
_ALL = frozenset({"null", "boolean", "object", "array", "number", "string"})


def are_disjoint(options: Sequence[Schema | bool], defs: Schema) -> bool:
    """Whether no value fits two of `options`, as far as types, constants and required constant properties show it."""
    return all(_apart(_seen(one, defs), _seen(other, defs), defs) for one, other in combinations(options, 2))


def _seen(schema: Schema | bool, defs: Schema) -> Schema | bool:
    """`schema`, or what it refers to."""
    for _ in range(_FOLLOWED):
        if not is_object(schema) or "$ref" not in schema:
            break
        schema = cast("Schema | bool", defs.get(schema["$ref"].rpartition("/")[2], True))
    return schema


def _apart(one: Schema | bool, other: Schema | bool, defs: Schema) -> bool:
    if one is False or other is False:
        return True
    if not is_object(one) or not is_object(other):
        return False
    if not _types(one) & _types(other):
        return True
    values, others = _values(one), _values(other)
    if values is not None and others is not None:
        return not values & others
    if _lacks(one, other) or _lacks(other, one):
        return True
    return any(
        _apart(_seen(one["properties"][name], defs), _seen(other["properties"][name], defs), defs)
        for name in _shared(one, other)
    )


def closed(schema: Schema | bool, defs: Schema) -> Schema | bool:
    """An object of the properties that it names and no others, where nothing else speaks of them; else as it is."""
    seen = _seen(schema, defs)
    if not is_object(seen) or _types(seen) != {"object"} or seen.keys() - _PLAIN_OBJECT:
        return schema
    return {**seen, "additionalProperties": False}


def _lacks(one: Schema, other: Schema) -> bool:
    """Whether `one` is an object that can never have a property that the object `other` always has."""
    if _types(one) != {"object"} or _types(other) != {"object"} or one.get("additionalProperties") is not False:
        return False
    allowed = one.get("properties", {})
    return "patternProperties" not in one and any(name not in allowed for name in other.get("required", ()))


def _shared(one: Schema, other: Schema) -> Iterable[str]:
    """Properties that both require, of objects that can be nothing else."""
    if _types(one) != {"object"} or _types(other) != {"object"}:
        return []
    required = set(one.get("required", ())) & set(other.get("required", ()))
    return [name for name in required if name in one.get("properties", {}) and name in other.get("properties", {})]


def _types(schema: Schema) -> set[str]:
    kind: Any = schema.get("type")
    if kind is None:
        values = _constants(schema)
        return set(_ALL) if values is None else {_type(value) for value in values}
    names: list[str] = [kind] if isinstance(kind, str) else kind
    return {"number" if name == "integer" else name for name in names}


def _values(schema: Schema) -> set[str] | None:
    """All values that it allows, as text; None where it does not list them."""
    values = _constants(schema)
    return None if values is None else {json.dumps(value, sort_keys=True) for value in values}


def _constants(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _type(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"
