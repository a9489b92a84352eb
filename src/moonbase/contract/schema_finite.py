"""Whether any finite value fits a schema in normal form."""

from __future__ import annotations

from typing import Any

from moonbase.contract.grammar import Schema
from moonbase.contract.mfjs_report import is_object


def is_finite(schema: Schema, defs: Schema) -> bool:
    """False where every way through `schema` needs itself. Definitions are found to be finite round by round."""
    known: set[str] = set()
    grown = True
    while grown:
        grown = False
        for name in reversed(defs):
            if name not in known and _ends(defs[name], known):
                known.add(name)
                grown = True
    return _ends(schema, known)


def _ends(schema: Any, known: set[str]) -> bool:
    if not is_object(schema):
        return schema is not False
    if "$ref" in schema and schema["$ref"].rpartition("/")[2] not in known:
        return False
    if "anyOf" in schema and not any(_ends(option, known) for option in schema["anyOf"]):
        return False
    if not all(_ends(part, known) for part in schema.get("allOf", ())):
        return False
    kind = schema.get("type")
    if kind == "object":
        members = schema.get("properties", {})
        return all(_ends(members.get(name, True), known) for name in schema.get("required", ()))
    if kind == "array":
        least, prefix = schema.get("minItems", 0), schema.get("prefixItems", [])
        needed = [*prefix[:least], *([schema.get("items", True)] if least > len(prefix) else [])]
        return all(_ends(item, known) for item in needed)
    return True
