"""Answers that keep what was promised: the grammar of each request, and a last look at what came of it."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
from jsonschema import Draft202012Validator, ValidationError

from moonbase.contract.errors import InvalidRequest, UnexpectedOutput
from moonbase.contract.events import ArgumentsDelta, ContentDelta, Event, Failed, Finished, ToolCallOpened
from moonbase.contract.formats import OutputFormat
from moonbase.contract.grammar import Grammar, Schema
from moonbase.contract.mfjs_report import is_array, is_object
from moonbase.contract.prompts import Opening
from moonbase.contract.request import ChatRequest
from moonbase.prompt.grammar import grammar_of

_REMEMBERED = 256
_LONGEST_NUMBER = 300
_encode = msgspec.json.Encoder().encode
Made = TypeVar("Made")


class Constraints:
    """Makes grammars and checks answers; remembers what it has made, by the content of what it was made of."""

    def __init__(self, output: OutputFormat) -> None:
        self._output = output
        self._grammars: _Memory[Grammar | None] = _Memory()
        self._validators: _Memory[Draft202012Validator] = _Memory()

    def grammar(self, request: ChatRequest, opening: Opening) -> Grammar | None:
        """See `prompt.grammar.grammar_of`; raises `InvalidRequest`."""
        if request.response_format is None and not request.declared:
            return None
        wanted = (request.declared, request.tool_choice, request.response_format, request.thinking.enabled, opening)
        try:
            grammar = self._grammars.get(wanted, lambda: grammar_of(request, opening, self._output))
        except UnicodeEncodeError:
            raise InvalidRequest("Invalid request: the text has half a surrogate pair, which is no character") from None
        return grammar and msgspec.structs.replace(grammar, calls_made=request.calls_made)

    def validate(self, value: Any, schema: Schema) -> None:
        """Raise `ValidationError` where `value` does not fit `schema`, which is in normal form."""
        validator = self._validators.get(schema, lambda: Draft202012Validator(checkable(schema)))
        validator.validate(value)  # pyright: ignore[reportUnknownMemberType]


class AnswerCheck:
    """Looks at one answer. It fails an answer that ended by itself and breaks its grammar, which the engine should have
    made impossible."""

    def __init__(self, constraints: Constraints, grammar: Grammar, *, forced: bool) -> None:
        self._constraints, self._grammar, self._forced = constraints, grammar, forced
        self._content: list[str] = []
        self._calls: list[tuple[str, list[str]]] = []

    def take(self, event: Event) -> None:
        match event:
            case ContentDelta():
                self._content.append(event.text)
            case ToolCallOpened():
                self._calls.append((event.name, []))
            case ArgumentsDelta():
                self._calls[event.index][1].append(event.text)
            case _:
                pass

    def failure(self, end: Finished, *, cut: bool) -> Failed | None:
        """What to end with instead of `end`. `cut`: a stop sequence ended the content, wherever it was."""
        if cut or end.finish_reason not in ("stop", "tool_calls"):
            return None
        fault = self._fault()
        if fault is None:
            return None
        return Failed(UnexpectedOutput(f"invalid state transition: the engine's answer breaks its grammar: {fault}"))

    def _fault(self) -> str | None:
        for name, text in self._calls:
            if name not in self._grammar.calls:
                return f"no function {name!r} is declared"
            if fault := self._misfit("".join(text), self._grammar.calls[name]):
                return f"the arguments of {name}: {fault}"
        if self._calls:
            return None
        if self._forced:
            return "it has no tool call"
        return None if self._grammar.content is None else self._misfit("".join(self._content), self._grammar.content)

    def _misfit(self, text: str, schema: Schema) -> str | None:
        try:
            value = json.loads(text, parse_int=_integer)
            self._constraints.validate(value, schema)
        except ValidationError as error:
            return error.message[:200]
        except ValueError as problem:
            return str(problem)[:200]
        except RecursionError:
            return None  # Too deep to be looked at; the grammar has held it all the same.
        return None


def checkable(schema: Any) -> Any:
    """A schema in normal form without what only the grammar judges: regular expressions mean different things to
    different engines, and a hostile one can take Python's for ever."""
    if is_array(schema):
        return [checkable(item) for item in schema]
    if not is_object(schema):
        return schema
    kept: Schema = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            kept[key] = {name: checkable(each) for name, each in value.items()}
        elif key in ("enum", "const"):
            kept[key] = value
        elif key not in ("pattern", "format", "patternProperties"):
            kept[key] = checkable(value)
    if "patternProperties" in schema:
        kept.pop("additionalProperties", None)
    return kept


def _integer(digits: str) -> int:
    """A number of thousands of digits would take Python long; one of hundreds tells as much here."""
    return int(digits if len(digits) <= _LONGEST_NUMBER else digits[:_LONGEST_NUMBER])


class _Memory(Generic[Made]):
    """Least recently used first out."""

    def __init__(self) -> None:
        self._made: OrderedDict[bytes, Made] = OrderedDict()

    def get(self, content: object, make: Callable[[], Made]) -> Made:
        key = hashlib.sha256(_encode(content)).digest()
        if key not in self._made:
            self._made[key] = make()
            if len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return self._made[key]
