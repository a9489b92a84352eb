"""JSON schemas in one normal form, in which a decoder can enforce them; what nobody can enforce is refused by name.

The normal form: only keywords that constrain; every `$ref` is `#/$defs/NAME`, and `$defs` stand at the root, each of
them used; `items` is one schema (`prefixItems` for tuples); no `oneOf`. Every value that it allows fits the schema that
it was made of. Not every value that fits that one is allowed: bounds on arrays too large to write down are tightened,
options of `oneOf` may lose their unnamed properties, and some patterns of SDKs are narrower (`schema_patterns`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from moonbase.contract.grammar import Schema
from moonbase.contract.mfjs_report import ROOT, Place, SchemaProblem, is_array, is_number, is_object
from moonbase.contract.schema_finite import is_finite
from moonbase.contract.schema_patterns import enforceable_pattern
from moonbase.contract.schema_targets import Targets
from moonbase.contract.schema_tight import used
from moonbase.contract.schema_unions import are_disjoint, closed

MAX_DEPTH = 40
"""Levels of subschemas within each other, references not followed."""
MAX_NODES = 10_000
MAX_DEFINITIONS = 300
MAX_ITEMS = 1024
"""The longest array that is asked for; larger bounds above are tightened to it."""
MAX_OPTIONAL = 400
"""Optional properties of one object; a decoder considers all that may come next at every character."""

_TYPES = frozenset({"null", "boolean", "object", "array", "number", "integer", "string"})
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
"""Formats that are enforced. Any other is a remark, as JSON Schema has it."""
_NEVER = (
    "if", "then", "else", "dependentSchemas", "dependentRequired", "dependencies", "contains", "minContains",
    "maxContains", "unevaluatedItems", "$dynamicRef", "$recursiveRef",
)  # fmt: skip
_ADVICE = "; leave it out, or set strict to false to be promised a JSON object only"


def normalise(schema: Schema) -> Schema:
    """The normal form of `schema`; raises `SchemaProblem` with the path and the keyword that cannot be enforced."""
    return _Normaliser(schema).result()


class _Normaliser:
    """One schema on its way. `_defs`: what references lead to, by name; `_waiting`: those not yet looked at.

    `_choices`: the places of `oneOf`, judged when all definitions are known.
    """

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._targets = Targets(root)
        self._names: dict[int, str] = {}
        self._defs: Schema = {}
        self._waiting: list[tuple[str, Schema, Place]] = []
        self._choices: list[tuple[list[Any], Place]] = []
        self._nodes = 0

    def result(self) -> Schema:
        normal = self._schema(self._root, ROOT, 0)
        while self._waiting:
            name, target, place = self._waiting.pop()
            self._defs[name] = self._schema(target, place, 0)
        for options, place in self._choices:
            self._separate(options, place)
        if not is_object(normal):
            raise SchemaProblem("root", "no value is allowed")
        if normal.keys() == {"$ref"} and is_object(inner := self._defs[normal["$ref"].rpartition("/")[2]]):
            normal, self._defs = inner, used(inner, self._defs)
        if not is_finite(normal, self._defs):
            raise SchemaProblem("root", "no finite value is allowed: every way through the schema needs itself")
        return {**normal, "$defs": self._defs} if self._defs else normal

    def _separate(self, options: list[Any], place: Place) -> None:
        """Make `options` share no value, by closing objects where that is enough."""
        if are_disjoint(options, self._defs):
            return
        options[:] = [closed(option, self._defs) for option in options]
        if not are_disjoint(options, self._defs):
            raise SchemaProblem(
                str(place), "keyword oneOf cannot be enforced where a value could fit two of its options; use anyOf"
            )

    def _schema(self, schema: object, place: Place, depth: int) -> Schema | bool:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise SchemaProblem(str(place), "the schema is too deep or too large to be enforced")
        if isinstance(schema, bool):
            return schema
        if not is_object(schema):
            raise SchemaProblem(str(place), "expected a schema (an object)")
        if schema == {"not": {}}:
            return False
        for keyword in _NEVER:
            if keyword in schema:
                raise _refused(place, keyword)
        normal: Schema = {}
        for keyword, handle in _HANDLERS.items():
            if keyword in schema:
                handle(self, normal, schema, place.child(keyword), depth)
        _check_bounds(normal, place)
        return normal

    def reference(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        target = self._targets.find(schema["$ref"])
        if not is_object(target):
            raise SchemaProblem(str(place), f"the reference {schema['$ref']!r} leads nowhere in this schema")
        name = self._names.get(id(target))
        if name is None:
            if len(self._names) == MAX_DEFINITIONS:
                raise SchemaProblem(str(place), f"more than {MAX_DEFINITIONS} definitions are referred to")
            name = self._names[id(target)] = f"d{len(self._names)}"
            self._waiting.append((name, target, place))
        normal["$ref"] = f"#/$defs/{name}"

    def union(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        options = _schemas(schema["anyOf"], place)
        normal["anyOf"] = [self._schema(option, place, depth + 1) for option in options]

    def one_of(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        """As `anyOf`, where no value can fit two of the options."""
        if "anyOf" in normal:
            raise _refused(place, "oneOf")
        normal["anyOf"] = [self._schema(option, place, depth + 1) for option in _schemas(schema["oneOf"], place)]
        self._choices.append((normal["anyOf"], place))

    def every(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        options = [self._schema(option, place, depth + 1) for option in _schemas(schema["allOf"], place)]
        only = options[0]
        # How older generators attach a remark to a reference.
        if len(options) == 1 and is_object(only) and not normal.keys() & only.keys():
            normal.update(only)
        else:
            normal["allOf"] = options

    def types(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        kind = schema["type"]
        names = kind if is_array(kind) else [kind]
        for name in names:
            if not isinstance(name, str) or name not in _TYPES:
                raise SchemaProblem(str(place), f"unknown type {name!r}")
        if not names:
            raise SchemaProblem(str(place), "type names no type")
        normal["type"] = kind if isinstance(kind, str) else list(dict.fromkeys(cast("list[str]", list(names))))

    def values(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        if not is_array(schema["enum"]) or not schema["enum"]:
            raise SchemaProblem(str(place), "enum must be a list of at least one value")
        normal["enum"] = list(schema["enum"])

    def constant(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        normal["const"] = schema["const"]

    def properties(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        members = schema["properties"]
        if not is_object(members):
            raise SchemaProblem(str(place), "properties must be an object")
        normal["properties"] = {
            name: self._schema(member, place.child(name), depth + 1) for name, member in members.items()
        }

    def required(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        names = schema["required"]
        if not is_array(names) or not all(isinstance(name, str) for name in names):
            raise SchemaProblem(str(place), "required must be a list of names")
        normal["required"] = list(dict.fromkeys(cast("list[str]", list(names))))

    def additional(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        normal["additionalProperties"] = self._schema(schema["additionalProperties"], place, depth + 1)

    def unevaluated(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        """The same as `additionalProperties` where no other schema speaks of the object."""
        rest = self._schema(schema["unevaluatedProperties"], place, depth + 1)
        if rest is True or rest == {}:
            return
        if {"$ref", "anyOf", "allOf"} & normal.keys() or "oneOf" in schema:
            raise _refused(place, "unevaluatedProperties")
        normal.setdefault("additionalProperties", rest)

    def by_pattern(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        members = schema["patternProperties"]
        if not is_object(members):
            raise SchemaProblem(str(place), "patternProperties must be an object")
        normal["patternProperties"] = {
            _pattern(pattern, place): self._schema(member, place.child(pattern), depth + 1)
            for pattern, member in members.items()
        }

    def names(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        """Records: what the names are becomes what the properties are."""
        names = self._schema(schema["propertyNames"], place, depth + 1)
        if names is True or (
            is_object(names) and not names.keys() - {"type"} and names.get("type", "string") == "string"
        ):
            return
        plain = is_object(names) and not {"properties", "patternProperties"} & normal.keys()
        rest = normal.get("additionalProperties", True)
        if plain and is_object(names) and "enum" in names and not names.keys() - {"type", "enum"}:
            normal["properties"] = {name: rest for name in names["enum"] if isinstance(name, str)}
        elif plain and is_object(names) and "pattern" in names and not names.keys() - {"type", "pattern"}:
            normal["patternProperties"] = {names["pattern"]: rest}
        else:
            raise _refused(place, "propertyNames")
        normal["additionalProperties"] = False

    def items(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        if not is_array(schema["items"]):
            normal["items"] = self._schema(schema["items"], place, depth + 1)
            return
        # Draft 7 and before wrote tuples so.
        normal["prefixItems"] = [self._schema(item, place, depth + 1) for item in schema["items"]]
        if "additionalItems" in schema:
            normal["items"] = self._schema(schema["additionalItems"], place, depth + 1)

    def prefix(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        normal["prefixItems"] = [
            self._schema(item, place, depth + 1) for item in _schemas(schema["prefixItems"], place)
        ]

    def pattern(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        normal["pattern"] = _pattern(schema["pattern"], place)

    def format(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        # A pattern beside a format says the same more closely; together they are slow to enforce.
        if isinstance(schema["format"], str) and schema["format"] in _FORMATS and "pattern" not in normal:
            normal["format"] = schema["format"]

    def unique(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        if schema["uniqueItems"] is not False and normal.get("maxItems") not in (0, 1):
            raise _refused(place, "uniqueItems")

    def negation(self, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        raise _refused(place, "not")


def _refused(place: Place, keyword: str) -> SchemaProblem:
    path = str(place) if place.part == keyword else str(place.child(keyword))
    return SchemaProblem(path, f"keyword {keyword} cannot be enforced{_ADVICE}")


def _pattern(value: object, place: Place) -> str:
    if not isinstance(value, str):
        raise SchemaProblem(str(place), "pattern must be a string")
    pattern = enforceable_pattern(value)
    if pattern is None:
        raise SchemaProblem(
            str(place), f"keyword pattern cannot be enforced where it looks ahead, behind or back{_ADVICE}"
        )
    return pattern


def _schemas(value: object, place: Place) -> list[Any]:
    if not is_array(value) or not value:
        raise SchemaProblem(str(place), f"{place.part} must be a list of at least one schema")
    return list(value)


def _count(name: str) -> Callable[[_Normaliser, Schema, Schema, Place, int], None]:
    """A keyword whose value counts something."""

    def handle(self: _Normaliser, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        value = schema[name]
        if not is_number(value) or value < 0 or value != int(value):
            raise SchemaProblem(str(place), f"{name} must be a whole number of at least 0")
        normal[name] = int(value)

    return handle


def _number(name: str) -> Callable[[_Normaliser, Schema, Schema, Place, int], None]:
    """A keyword whose value is a number; `exclusiveMinimum: true` is how draft 4 wrote it."""

    def handle(self: _Normaliser, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
        value = schema[name]
        inclusive = name.replace("exclusiveM", "m")
        if isinstance(value, bool) and inclusive != name:
            if value and inclusive in normal:
                normal[name] = normal.pop(inclusive)
            return
        if not is_number(value) or value in (float("inf"), float("-inf")):
            raise SchemaProblem(str(place), f"{name} must be a number")
        normal[name] = value

    return handle


def _multiple(self: _Normaliser, normal: Schema, schema: Schema, place: Place, depth: int) -> None:
    value = schema["multipleOf"]
    if not is_number(value) or not 0 < value <= 1000 or (value < 1 and round(1 / value) > 1000):
        raise SchemaProblem(str(place), f"keyword multipleOf can be enforced from 0.001 to 1000{_ADVICE}")
    normal["multipleOf"] = value


def _check_bounds(normal: Schema, place: Place) -> None:
    """Tighten what would be too much to write down; refuse what asks for it."""
    if normal.get("minItems", 0) > MAX_ITEMS:
        raise SchemaProblem(str(place.child("minItems")), f"minItems can be enforced up to {MAX_ITEMS}")
    if normal.get("maxItems", 0) > MAX_ITEMS:
        normal["maxItems"] = MAX_ITEMS
    optional = len(normal.get("properties", ())) - len(normal.get("required", ()))
    if optional > MAX_OPTIONAL:
        raise SchemaProblem(str(place.child("properties")), f"more than {MAX_OPTIONAL} optional properties")


_Handler = Callable[[_Normaliser, Schema, Schema, Place, int], None]
# In this order: some look at what stands in the normal form already.
_HANDLERS: dict[str, _Handler] = {
    "type": _Normaliser.types,
    "$ref": _Normaliser.reference,
    "enum": _Normaliser.values,
    "const": _Normaliser.constant,
    "properties": _Normaliser.properties,
    "required": _Normaliser.required,
    "additionalProperties": _Normaliser.additional,
    "patternProperties": _Normaliser.by_pattern,
    "propertyNames": _Normaliser.names,
    "minProperties": _count("minProperties"),
    "maxProperties": _count("maxProperties"),
    "items": _Normaliser.items,
    "prefixItems": _Normaliser.prefix,
    "minItems": _count("minItems"),
    "maxItems": _count("maxItems"),
    "uniqueItems": _Normaliser.unique,
    "minLength": _count("minLength"),
    "maxLength": _count("maxLength"),
    "pattern": _Normaliser.pattern,
    "format": _Normaliser.format,
    "minimum": _number("minimum"),
    "maximum": _number("maximum"),
    "exclusiveMinimum": _number("exclusiveMinimum"),
    "exclusiveMaximum": _number("exclusiveMaximum"),
    "multipleOf": _multiple,
    "anyOf": _Normaliser.union,
    "oneOf": _Normaliser.one_of,
    "allOf": _Normaliser.every,
    "unevaluatedProperties": _Normaliser.unevaluated,
    "not": _Normaliser.negation,
}
