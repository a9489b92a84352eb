"""JSON into typed values, with the hosted API's words for what is wrong (contract.md 4.3).

msgspec names the mismatch and its path; here its words become "the `field` field in the request (expected type T) is
illegal, and U is not acceptable"; where only some words are allowed, "… is illegal: 'x' is not one of a, b".
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from moonbase.contract.errors import InvalidRequest, missing_field

T = TypeVar("T")

_PATH = re.compile(r" - at `\$\.?(.*)`\Z")
_EXPECTED = re.compile(r"Expected `([^`]+)`(.*)\Z")
_GOT = re.compile(r", got `([^`]+)`\Z")
_ENUM = re.compile(r"Invalid enum value (?P<value>.*)\Z", re.DOTALL)
_STEP = re.compile(r"([^.\[\]]+)|\[[^\]]*\]")
_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_EXPECTED_NAMES = {
    "str": "string",
    "float": "number",
    "bool": "bool",
    "int": "int",
    "array": "array",
    "object": "object",
}
_GOT_NAMES = {"str": "string", "float": "number", "int": "number", "bool": "bool"}


@lru_cache(maxsize=64)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode(data: bytes, kind: type[T]) -> T:
    """Decode JSON `data` as `kind`; raises `InvalidRequest`."""
    try:
        return _decoder(kind).decode(data)
    except msgspec.ValidationError as error:
        raise InvalidRequest(explain(str(error), kind=kind)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"Invalid request: the body is not valid JSON: {_malformed(data, error)}") from None


def convert(value: object, kind: type[T], *, field: str) -> T:
    """Convert plain data found at `field` to `kind`; raises `InvalidRequest`."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(explain(str(error), inside=field, kind=kind)) from None


def _malformed(data: bytes, error: Exception) -> str:
    if not data.strip():
        return "it is empty"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "a string in it is not UTF-8"
    return str(error)


def explain(message: str, *, inside: str = "", kind: Any = None) -> str:
    """The hosted API's sentence for a msgspec validation message about a value that should have been of `kind`."""
    path = ""
    if found := _PATH.search(message):
        path, message = found.group(1), message[: found.start()]
    if found := _MISSING.match(message):
        field = ".".join(filter(None, (inside, path, found.group(1))))
        return missing_field(field).message
    field = ".".join(filter(None, (inside, path))) or "body"
    got = ""
    if found := _GOT.search(message):
        got, message = found.group(1), message[: found.start()]
    if found := _EXPECTED.match(message):
        names = [_EXPECTED_NAMES.get(name, name) for name in found.group(1).split(" | ") if name != "null"]
        expected = " or ".join(names) + found.group(2)
        reason = f"{_GOT_NAMES.get(got, got)} is not acceptable" if got else "the value sent is not acceptable"
        return (
            f"Invalid request: the `{field}` field in the request (expected type {expected}) is illegal, and {reason}"
        )
    if (found := _ENUM.match(message)) and (allowed := _allowed(kind, path)):
        message = f"{_brief(found.group('value'))} is not one of {', '.join(allowed)}"
    return f"Invalid request: the `{field}` field in the request is illegal: {message}"


def _brief(text: str, limit: int = 60) -> str:
    """A client's value is quoted, but not without end."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _allowed(kind: Any, path: str) -> list[str]:
    """The words that may stand at `path` of a value of `kind`; none where that is no choice of words."""
    found = _alternatives(kind)
    for step in _STEP.finditer(path):
        found = [one for outer in found for inner in _inside(outer, step.group(1)) for one in _alternatives(inner)]
    return [str(value) for one in found if get_origin(one) is Literal for value in get_args(one)]


def _alternatives(kind: Any) -> list[Any]:
    return list(get_args(kind)) if get_origin(kind) in (Union, UnionType) else [kind]


def _inside(kind: Any, member: str | None) -> list[Any]:
    """The type of a struct's `member`; where it is None, of a list's items."""
    if member is None:
        return list(get_args(kind)[:1]) if get_origin(kind) is list else []
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [hint for name, hint in get_type_hints(kind).items() if name == member]
    return []
