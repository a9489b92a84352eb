"""A Python function's parameters as a JSON schema, and a call's arguments as the types that they are hinted with."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, cast, get_args, get_origin, get_type_hints

import msgspec

from moonbase.contract.errors import InvalidRequest, SettingsError
from moonbase.contract.mfjs import check_parameters
from moonbase.tools.bounds import bounded
from moonbase.tools.docstrings import described
from moonbase.tools.portable import Schema, portable
from moonbase.tools.tool import CallContext, ToolError

_REFERENCE = "#/$defs/{name}"
_ANYTHING = "moonbase:anything"
"""Marks a schema without words, which msgspec takes for none."""
_FOREIGN = re.compile(r"schema_hook.*\btype <class '([^']+)'> is not supported", re.DOTALL)
"""How msgspec says it of any class, for those who write encoders."""
_PRIVATE = re.compile(r"\._\w+(?=\.)")
"""A module that is nobody's business, as in pathlib._local.Path."""
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Parameters:
    """What a function takes. Raises `SettingsError` for a parameter that no schema describes; it names both."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._where = f"tool {function.__qualname__!r} of {function.__module__}"
        self._hints = self._resolved(function)
        self._contexts: list[str] = []
        self._taken: dict[str, Any] = {}
        schema: Schema = {"type": "object", "properties": {}}
        named: dict[str, Schema] = {}
        words = described(function.__doc__).parameters
        for parameter in self._signature(function):
            hint = self._hint(parameter)
            if hint is CallContext:
                self._contexts.append(parameter.name)
                continue
            self._taken[parameter.name] = hint
            schema["properties"][parameter.name] = self._described(parameter, hint, words, named)
            if parameter.default is parameter.empty:
                schema.setdefault("required", []).append(parameter.name)
        self.schema = {**schema, **({"$defs": named} if named else {})}
        self._decoded = self._struct()

    def arguments(self, context: CallContext, given: Mapping[str, Any]) -> dict[str, Any]:
        """What the function is called with: of `given`, which is valid against the schema, what it takes, converted.

        Raises `ToolError` for values that their types refuse, though the schema does not.
        """
        try:
            values = self._convert(given)
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `$")
            raise ToolError(f"arguments{path.rstrip('`')}: {_line(message)}") from None
        taken = {name: getattr(values, name) for name in self._taken if name in given}
        return taken | dict.fromkeys(self._contexts, context)

    def _convert(self, given: Mapping[str, Any]) -> Any:
        try:
            return msgspec.convert(given, self._decoded, dec_hook=_decode, str_keys=True)
        except msgspec.ValidationError:
            # To a JSON schema 3.0 is an integer, and models write it.
            return msgspec.convert(_whole(given), self._decoded, dec_hook=_decode, str_keys=True)

    def _signature(self, function: Callable[..., Any]) -> Iterable[inspect.Parameter]:
        try:
            return inspect.signature(function).parameters.values()
        except ValueError:  # some that are written in C
            raise SettingsError(
                f"{self._where} does not say what it takes; write a function around it with def"
            ) from None

    def _resolved(self, function: Callable[..., Any]) -> dict[str, Any]:
        try:
            return get_type_hints(function, include_extras=True)
        except Exception as error:  # a hint is any expression
            raise SettingsError(
                f"{self._where}: its type hints cannot be read: {error}; a name in them must be one of its module's, "
                "not only under TYPE_CHECKING"
            ) from None

    def _hint(self, parameter: inspect.Parameter) -> Any:
        if parameter.kind not in _NAMED:
            raise SettingsError(
                f"{self._where}, parameter {parameter.name!r}: {parameter.kind.description} parameters have no name in "
                "JSON; give each one a name"
            )
        if parameter.name not in self._hints:
            raise SettingsError(f"{self._where}, parameter {parameter.name!r}: it has no type hint; add one")
        hint = self._hints[parameter.name]
        try:
            return bounded(hint)
        except (TypeError, ValueError, re.error) as error:
            where = f"{self._where}, parameter {parameter.name!r}"
            raise SettingsError(f"{where}: the bounds in {_shown(hint)} cannot be used: {_line(str(error))}") from None

    def _described(
        self, parameter: inspect.Parameter, hint: Any, words: dict[str, str], named: dict[str, Schema]
    ) -> Schema:
        where = f"{self._where}, parameter {parameter.name!r}"
        schema, definitions = _schema(where, hint)
        description = _annotation(hint) or schema.get("description") or words.get(parameter.name)
        if description:
            schema["description"] = description
        if "anyOf" not in schema and "$ref" not in schema:
            schema |= _default(parameter.default)
        for name, definition in definitions.items():
            if named.setdefault(name, definition) != definition:
                raise SettingsError(f"{where}: two different types are called {name}; rename one of them")
        alone = {"type": "object", "properties": {parameter.name: schema}}
        try:
            check_parameters({**alone, "$defs": definitions} if definitions else alone)
        except InvalidRequest as error:
            message = error.message.removeprefix("Invalid request: ")
            raise SettingsError(f"{where}: its type hint makes a schema that is refused: {message}") from None
        return schema

    def _struct(self) -> Any:
        fields = [(name, hint | msgspec.UnsetType, msgspec.UNSET) for name, hint in self._taken.items()]
        return msgspec.defstruct("Arguments", fields, kw_only=True)


def _schema(where: str, hint: Any) -> tuple[Schema, dict[str, Schema]]:
    """The schema of one hint, and the named types that it refers to."""
    try:
        (schema,), named = msgspec.json.schema_components([hint], schema_hook=_model_schema, ref_template=_REFERENCE)
    except (TypeError, NotImplementedError, ValueError, NameError) as error:
        raise SettingsError(f"{where}: {_shown(hint)} cannot be a JSON schema: {_reason(error)}") from None
    named = {name: portable(definition) for name, definition in named.items()}
    schema = portable(schema)
    for definition in [schema, *list(named.values())]:
        _hoist(definition, named)
    return schema, named


def _reason(error: Exception) -> str:
    foreign = _FOREIGN.search(str(error))
    if foreign is None:
        return _line(str(error))
    name = _PRIVATE.sub("", foreign[1])
    return f"JSON has nothing like {name}; take what it has, such as str, and make one of it in the function"


def _hoist(schema: Any, named: dict[str, Schema]) -> None:
    """Move the definitions that a model brings with its own schema to the root, where references look for them, and
    take our marks away."""
    if isinstance(schema, dict):
        node = cast("Schema", schema)
        named |= node.pop("$defs", {})
        node.pop(_ANYTHING, None)
        for value in node.values():
            _hoist(value, named)
    elif isinstance(schema, list):
        for value in cast("list[Any]", schema):
            _hoist(value, named)


def _model_schema(kind: type) -> Schema:
    """The schema of a pydantic model; `object` may be any value."""
    if kind is object:
        return {_ANYTHING: True}
    if hasattr(kind, "model_json_schema"):
        return cast("Any", kind).model_json_schema()
    raise NotImplementedError


def _decode(kind: type, value: Any) -> Any:
    if hasattr(kind, "model_validate"):
        return _model(kind, value)
    return value


def _model(kind: Any, value: Any) -> Any:
    try:
        return kind.model_validate(value)
    except ValueError as error:
        if not hasattr(error, "errors"):
            raise
        first: dict[str, Any] = cast("Any", error).errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}") from None


def _default(value: Any) -> Schema:
    if value is inspect.Parameter.empty or value is None:
        return {}
    try:
        default = msgspec.to_builtins(value, str_keys=True)
        json.dumps(default, allow_nan=False)
        return {"default": default}
    except (TypeError, ValueError, NotImplementedError):
        return {}  # a value that JSON does not have; that the parameter can be left out is known without it


def _annotation(hint: Any) -> str | None:
    """The words beside a type: `Annotated[int, "how many"]`, `Doc("how many")` or anything with a description."""
    if get_origin(hint) is not Annotated:
        return None
    for note in get_args(hint)[1:]:
        text = (
            note
            if isinstance(note, str)
            else getattr(note, "documentation", None) or getattr(note, "description", None)
        )
        if isinstance(text, str) and text:
            return text
    return None


def _whole(value: Any) -> Any:
    """`value` with 3.0 as 3."""
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [_whole(item) for item in cast("list[Any]", value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _shown(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)


def _line(text: str, limit: int = 200) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
