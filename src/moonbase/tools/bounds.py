"""Bounds beside a type as pydantic's `Field` and `annotated_types` say them, said again as msgspec reads them."""

from __future__ import annotations

from collections.abc import Iterator
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

import msgspec

_LIBRARIES = ("annotated_types", "pydantic")
_BOUNDS = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern")


def bounded(hint: Any) -> Any:
    """`hint` with a `msgspec.Meta` for the bounds of others, also of what is in a list, a dict or a union. Raises
    `TypeError`, `ValueError` and `re.error` for those that msgspec does not have."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = dict(_bounds(arguments[1:]))
        kind = bounded(arguments[0])
        return Annotated[(_held(kind, msgspec.Meta(**bounds)) if bounds else kind, *arguments[1:])]  # pyright: ignore[reportInvalidTypeForm]
    inner = tuple(map(bounded, arguments))
    if inner == arguments or not (isinstance(origin, type) or origin is Union):
        return hint
    return _union(inner) if origin in (Union, UnionType) else GenericAlias(cast("type", origin), inner)


def _held(kind: Any, meta: msgspec.Meta) -> Any:
    """`kind` within the bounds of `meta`, which say nothing of None."""
    if get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind):
        others = _union(tuple(each for each in get_args(kind) if each is not NoneType))
        return _union((Annotated[others, meta], NoneType))
    return Annotated[kind, meta]


def _union(kinds: tuple[Any, ...]) -> Any:
    return Union[kinds]  # noqa: UP007


def _bounds(notes: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    for note in notes:
        for part in (note, *(getattr(note, "metadata", None) or ())):
            if type(part).__module__.partition(".")[0] in _LIBRARIES:
                for name in _BOUNDS:
                    value: Any = getattr(part, name, None)
                    if value is not None:
                        yield name, getattr(value, "pattern", value)
