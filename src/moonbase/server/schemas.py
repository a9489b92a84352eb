"""JSON schemas of the types that travel, from the types themselves: msgspec's, with what the types cannot say added."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from types import ModuleType
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec import inspect as types

Schema = dict[str, Any]

_REF = "#/components/schemas/{name}"
_CITATION = re.compile(r"\s*\([^()]*\bcontract\.md\b[^()]*\)|;? *contract\.md [\d., and]+\d")


def components(
    inputs: Iterable[type], outputs: Iterable[type], shapes: Mapping[type, type]
) -> tuple[dict[type, Schema], dict[str, Schema]]:
    """A schema for each type, and the named ones that those refer to.

    `shapes`: for a type that accepts more than the API does, since words of our own refuse the rest, a struct with the
    API's types of such fields; those without a default are required. What the server only writes is described as it is
    written: members that are never left out are required.
    """
    inputs, outputs = list(inputs), list(outputs)
    wanted = [*inputs, *outputs]
    found, named = msgspec.json.schema_components([*wanted, *shapes.values()], schema_hook=_any, ref_template=_REF)
    read, written = structs([*inputs, *shapes.values()]), structs(outputs)
    docs = FieldDocs()
    for cls in {**read, **written}:
        schema = named[cls.__name__]
        _describe(schema, docs.of(cls))
        if cls not in read:
            _as_written(schema, cls)
        if cls in shapes:
            shape = named[shapes[cls].__name__]
            schema["properties"] = _narrowed(schema["properties"], shape["properties"])
            schema["required"] = [
                name for name in schema["properties"] if name in schema["required"] + shape["required"]
            ]
    return dict(zip(wanted, found, strict=False)), named


def _narrowed(wide: Schema, narrow: Schema) -> Schema:
    """The members of `wide`, each described as there, with the types of `narrow` where it has them."""
    kept = {name: {key: text for key, text in member.items() if key == "description"} for name, member in wide.items()}
    return {name: {**narrow[name], **kept[name]} if name in narrow else wide[name] for name in wide}


def structs(kinds: Iterable[Any]) -> dict[type[msgspec.Struct], types.StructType]:
    """Every struct that the types `kinds` are made of."""
    found: dict[type[msgspec.Struct], types.StructType] = {}
    waiting: list[types.Type] = list(types.multi_type_info(kinds))
    while waiting:
        info = waiting.pop()
        if isinstance(info, types.StructType):
            if info.cls in found:
                continue
            found[info.cls] = info
        waiting += _inner(info)
    return found


def _inner(info: types.Type) -> Iterator[types.Type]:
    match info:
        case types.StructType():
            yield from (field.type for field in info.fields)
        case types.UnionType():
            yield from info.types
        case types.Metadata():
            yield info.type
        case types.DictType():
            yield info.value_type
        case types.ListType() | types.VarTupleType():
            yield info.item_type
        case _:
            pass


def _any(kind: type) -> Schema:
    """`object` may be any JSON value."""
    if kind is object:
        return {"description": "Any value."}
    raise NotImplementedError


def _describe(schema: Schema, docs: dict[str, str]) -> None:
    if "description" in schema:
        schema["description"] = plain(schema["description"])
    for name, member in schema["properties"].items():
        if member.get("default", "") is None:
            del member["default"]
        if name in docs:
            member["description"] = plain(docs[name])


def _as_written(schema: Schema, cls: type[msgspec.Struct]) -> None:
    """What a decoder may miss an encoder writes: members with a default, and those that only say what an object is."""
    omits = cls.__struct_config__.omit_defaults
    for field in msgspec.structs.fields(cls):
        member = schema["properties"][field.encode_name]
        default = member.pop("default", None)
        if field.name in ("object", "type") and isinstance(default, str):
            member["const"] = default
        if not field.required and not omits and field.default is not UNSET:
            schema["required"].append(field.encode_name)


class FieldDocs:
    """The docstrings of fields, which only the source has; each module's is read once."""

    def __init__(self) -> None:
        self._modules: dict[str, dict[str, ast.ClassDef]] = {}

    def of(self, cls: type) -> dict[str, str]:
        """By field; empty where the source is not at hand."""
        if cls.__module__ not in self._modules:
            self._modules[cls.__module__] = _classes(sys.modules[cls.__module__])
        tree = self._modules[cls.__module__].get(cls.__name__)
        docs: dict[str, str] = {}
        for field, doc in pairwise(tree.body if tree else []):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and (text := _text(doc)):
                docs[field.target.id] = text
        return docs


def _classes(module: ModuleType) -> dict[str, ast.ClassDef]:
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return {}
    return {statement.name: statement for statement in tree.body if isinstance(statement, ast.ClassDef)}


def _text(statement: ast.stmt) -> str | None:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def plain(doc: str) -> str:
    """A docstring as the documentation has it: paragraphs in one line each, without our citations."""
    paragraphs = [" ".join(text.split()) for text in _CITATION.sub("", inspect.cleandoc(doc)).split("\n\n")]
    return "\n\n".join(filter(None, paragraphs))
