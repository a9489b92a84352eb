"""The schema of a tool's arguments, as its server gives it, to one that models can read; and whether they can be held
to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moonbase.contract.errors import InvalidRequest
from moonbase.contract.mfjs import check_parameters
from moonbase.contract.mfjs_report import SchemaProblem, is_array, is_object
from moonbase.contract.schema_normal import normalise
from moonbase.contract.schema_targets import Targets
from moonbase.tools.portable import Schema, portable

_DEEPEST = 8
"""Options within options that are looked into."""


def readable_arguments(schema: Schema) -> Schema:
    """`schema` in the API's words. Where its root chooses between objects, or refers to one, their members stand at the
    root too: many chat templates show those alone. It allows what it did."""
    targets = Targets(schema)
    schema = _followed(schema, targets)
    if {"anyOf", "oneOf", "allOf"} & schema.keys():
        properties, required = _members(schema, targets, _DEEPEST)
        schema = {**schema, "properties": properties, "required": [name for name in properties if name in required]}
    return portable({"type": "object", **schema})


def can_be_enforced(schema: Schema) -> bool:
    """Whether the API takes it, and a decoder can keep to it; else it is advice (contract.md 1.5)."""
    try:
        check_parameters(schema)
        normalise(schema)
    except (InvalidRequest, SchemaProblem):
        return False
    return True


def _followed(schema: Schema, targets: Targets) -> Schema:
    """What a root that is a reference leads to."""
    for _ in range(_DEEPEST):
        target = targets.find(schema.get("$ref"))
        if not is_object(target):
            break
        schema = {**{key: value for key, value in schema.items() if key != "$ref"}, **target}
    return schema


def _members(schema: object, targets: Targets, depth: int) -> tuple[dict[str, Any], set[str]]:
    """The properties of an object, those of its options among them, and what it must have whichever it is."""
    if not is_object(schema):
        return {}, set()
    own, needed = schema.get("properties"), schema.get("required")
    properties: dict[str, Any] = dict(own) if is_object(own) else {}
    required = {name for name in needed if isinstance(name, str)} if is_array(needed) else set[str]()
    if not depth:
        return properties, required
    for part in _parts(schema, targets):
        more, also = _members(part, targets, depth - 1)
        _join(properties, more)
        required |= also
    for keyword in ("anyOf", "oneOf"):
        options = [_members(each, targets, depth - 1) for each in _listed(schema, keyword)]
        for more, _ in options:
            _join(properties, more)
        if options:
            required |= options[0][1].intersection(*(also for _, also in options))
    return properties, required


def _parts(schema: Schema, targets: Targets) -> Iterator[object]:
    """What holds of the object beside its own words."""
    yield from _listed(schema, "allOf")
    if "$ref" in schema:
        yield targets.find(schema["$ref"])


def _listed(schema: Schema, keyword: str) -> list[Any]:
    found = schema.get(keyword)
    return list(found) if is_array(found) else []


def _join(properties: dict[str, Any], more: dict[str, Any]) -> None:
    """Add `more` to `properties`; one that is told of twice may be either."""
    for name, schema in more.items():
        known = properties.setdefault(name, schema)
        if schema == known:
            continue
        values, others = _values(known), _values(schema)
        if values and others:
            properties[name] = {"enum": [*values, *(value for value in others if value not in values)]}
            continue
        options = known["anyOf"] if is_object(known) and known.keys() == {"anyOf"} else [known]
        if schema not in options:
            properties[name] = {"anyOf": [*options, schema]}


def _values(schema: object) -> list[Any]:
    """Those that a schema lists; none of one that does not."""
    if not is_object(schema):
        return []
    return [schema["const"]] if "const" in schema else _listed(schema, "enum")
