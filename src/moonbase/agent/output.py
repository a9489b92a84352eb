"""Structured results: what form an answer is to have, and the object that it comes to."""

from __future__ import annotations

import re
import sys
from types import FunctionType
from typing import Any, Protocol, cast

import msgspec
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from moonbase.contract.errors import ApiError, InvalidRequest, SettingsError
from moonbase.tools.portable import Schema, portable

_FENCE = re.compile(r"\s*```[\w-]*\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
_LONGEST = 2000
_UNNAMED = re.compile(r"[^A-Za-z0-9_-]")
_FORM = re.compile(r"response_format|json_schema|schema", re.IGNORECASE)


class Misfit(ValueError):
    """An answer that does not fit; the text says why, for the model to read."""


class Output(Protocol):
    """What an answer is to be."""

    @property
    def form(self) -> dict[str, Any]:
        """The `response_format` that asks for it."""
        ...

    @property
    def told(self) -> str:
        """The same in words, for a server that does not take the form."""
        ...

    def read(self, text: str) -> Any:
        """The object that an answer comes to. Raises `Misfit`."""
        ...


def output_of(wanted: Any) -> Output:
    """`wanted` is a JSON schema (a dict), a pydantic model, a type that msgspec reads (a `Struct`, a dataclass, a
    TypedDict), or a list, a union and so on of those. Raises `SettingsError` for anything else."""
    if isinstance(wanted, dict):
        return _BySchema(cast("Schema", wanted))
    if hasattr(wanted, "model_json_schema") and hasattr(wanted, "model_validate_json"):
        return _ByModel(wanted)
    try:
        return _ByType(wanted)
    except SettingsError:
        if (model := _wrapping(wanted)) is None:
            raise
        return _ByWrappingModel(model)


def unwanted(error: ApiError) -> bool:
    """Whether a server refuses a request because of its response format."""
    return isinstance(error, InvalidRequest) and _FORM.search(error.message) is not None


class _Asked:
    """The two ways to ask for JSON that fits `schema`."""

    def __init__(self, name: str, schema: Schema) -> None:
        name = _UNNAMED.sub("_", name)[:64] or "answer"
        schema = portable(schema)
        self.form: dict[str, Any] = {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}
        self.told = f"Your final answer is JSON alone, without Markdown, that fits this schema: {_text(schema)}"


class _BySchema(_Asked):
    def __init__(self, schema: Schema) -> None:
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise SettingsError(f"output is not a JSON schema: {error.message[:300]}") from None
        if schema.get("type") != "object":
            raise SettingsError(f"output is a schema of type {schema.get('type')!r}; expected 'object'")
        # The empty registry keeps a `$ref` in a schema from being fetched over the network.
        self._validator = Draft202012Validator(schema, registry=Registry())
        super().__init__(str(schema.get("title", "answer")), schema)

    def read(self, text: str) -> Any:
        try:
            value = msgspec.json.decode(_bare(text))
            self._validator.validate(value)  # pyright: ignore[reportUnknownMemberType]
        except msgspec.DecodeError as error:
            raise Misfit(f"it is not JSON: {error}") from None
        except ValidationError as error:
            path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
            raise Misfit(f"${path}: {error.message[:_LONGEST]}") from None
        except Unresolvable as error:
            raise SettingsError(f"output refers to {error.ref!r}, which is not inside it") from None
        return value


class _Model(Protocol):
    """A pydantic model, by what is used of it."""

    __name__: str

    def model_json_schema(self) -> Schema: ...
    def model_validate_json(self, data: str) -> Any: ...


class _ByModel(_Asked):
    def __init__(self, model: _Model) -> None:
        self._model = model
        super().__init__(model.__name__, model.model_json_schema())

    def read(self, text: str) -> Any:
        try:
            return self._model.model_validate_json(_bare(text))
        except ValueError as error:
            raise Misfit(str(error)[:_LONGEST]) from None


class _ByWrappingModel(_ByModel):
    """A model whose one member is what is wanted."""

    def read(self, text: str) -> Any:
        return super().read(text).value


def _wrapping(kind: Any) -> Any:
    """A pydantic model around `kind`, for lists and unions of models. None where pydantic is not in use, or knows
    nothing of it either."""
    pydantic: Any = sys.modules.get("pydantic")
    if pydantic is None or isinstance(kind, str | FunctionType):
        return None
    try:
        model = pydantic.create_model("Answer", value=(kind, ...))
        model.model_json_schema()
    except (TypeError, ValueError, NameError, RuntimeError):  # pydantic's own errors are of these kinds
        return None
    return model


class _ByType(_Asked):
    def __init__(self, kind: Any) -> None:
        try:
            schema = _rooted(msgspec.json.schema(kind))
            self._wrapped = schema.get("type") != "object"
            taken = msgspec.defstruct("Answer", [("value", kind)]) if self._wrapped else kind
            self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(taken)
            schema = _rooted(msgspec.json.schema(taken))
        except (TypeError, NotImplementedError, ValueError, NameError) as error:
            reason = str(error).splitlines()[-1]  # the lines before are for those who write encoders
            raise SettingsError(
                f"output is {kind!r}, from which no JSON schema can be made: {reason}; give a pydantic model, a JSON "
                "schema, a msgspec.Struct, a dataclass or a TypedDict"
            ) from None
        super().__init__(getattr(kind, "__name__", "answer"), schema)

    def read(self, text: str) -> Any:
        try:
            value = self._decoder.decode(_bare(text))
        except msgspec.DecodeError as error:
            raise Misfit(str(error)[:_LONGEST]) from None
        return value.value if self._wrapped else value


def _rooted(schema: Schema) -> Schema:
    """`schema` with the type that it is of at its root, where there is only a reference to it."""
    named: dict[str, Schema] = schema.get("$defs", {})
    root = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if root not in named:
        return schema
    others = {name: each for name, each in named.items() if name != root or f'"#/$defs/{root}"' in _text(named)}
    return {**named[root], "$defs": others} if others else named[root]


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _bare(text: str) -> str:
    """`text` without the Markdown fence that some models put around JSON (`contract.md` 7.3)."""
    fenced = _FENCE.match(text)
    return fenced.group(1) if fenced else text
