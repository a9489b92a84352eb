"""Schemas in normal form, as a whole: what lies within them, what they use, and what models should write of them."""

from __future__ import annotations

from typing import Any

from moonbase.contract.grammar import Schema
from moonbase.contract.mfjs_report import is_array, is_object


def tightened(schema: Schema) -> Schema:
    """A schema in normal form without the properties that it allows and does not name: what models should write.

    Where schemas are joined (`allOf`, or keywords beside a reference or `anyOf`), one may speak of what another does
    not name, so nothing is left out.
    """
    return schema if _joins(schema) else _tight(schema)


def _joins(value: Any) -> bool:
    if is_array(value):
        return any(_joins(item) for item in value)
    if not is_object(value):
        return False
    beside = value.keys() - {"$defs", "$ref", "anyOf"}
    if "allOf" in value or (beside and ("$ref" in value or "anyOf" in value)):
        return True
    return any(_joins(schema) for schema in within(value))


def _tight(value: Any) -> Any:
    if not is_object(value):
        return value
    tight = {
        key: ({name: _tight(each) for name, each in part.items()} if key in _MAPS else _tight_part(key, part))
        for key, part in value.items()
    }
    names = value.get("properties", {})
    # Beside patterns too: what a name must be for a pattern not to match it, engines see differently (a line break).
    silent = (names or "patternProperties" in value) and "additionalProperties" not in value
    if silent and all(name in names for name in value.get("required", ())):
        tight["additionalProperties"] = False
    return tight


def _tight_part(key: str, part: Any) -> Any:
    if key in ("anyOf", "prefixItems"):
        return [_tight(each) for each in part]
    return _tight(part) if key in ("items", "additionalProperties") else part


def used(schema: Schema, defs: Schema) -> Schema:
    """Those of `defs` that `schema` leads to."""
    names: dict[str, None] = {}
    waiting: list[Any] = [schema]
    while waiting:
        value = waiting.pop()
        if is_object(value):
            name = value["$ref"].rpartition("/")[2] if "$ref" in value else None
            if name is not None and name not in names:
                names[name] = None
                waiting.append(defs[name])
            waiting += within(value)
    return {name: defs[name] for name in names}


_MAPS = ("properties", "patternProperties", "$defs")


def within(schema: Schema) -> list[Any]:
    """The subschemas right inside a schema in normal form."""
    found = [each for key in _MAPS for each in schema.get(key, {}).values()]
    found += [each for key in ("anyOf", "allOf", "prefixItems") for each in schema.get(key, ())]
    return found + [schema[key] for key in ("items", "additionalProperties") if key in schema]
