"""What a request was promised of its answer, and whether the answer keeps it (contract.md 1.5, 1.6, 7.2, 7.3)."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from moonbase.contract.events import ArgumentsDelta, ContentDelta, Event, Finished, ToolCallOpened
from moonbase.contract.grammar import Schema
from moonbase.contract.mfjs_report import is_array, is_object
from moonbase.contract.promised import promised_calls, promised_content
from moonbase.contract.request import ChatRequest

_REMEMBERED = 256
_LONGEST_NUMBER = 300
_encode = msgspec.json.Encoder().encode
Made = TypeVar("Made")


class Promises(msgspec.Struct, frozen=True):
    """`content`: the schema of the content, None where it is free text. `calls`: the schema of the arguments of every
    function that may be called. `forced`: there must be a call."""

    content: Schema | None = None
    calls: Mapping[str, Schema] = {}
    forced: bool = False


def promised(request: ChatRequest) -> Promises | None:
    """What must hold of an answer to `request` whichever engine gives it; None where nothing can be broken."""
    content, calls = promised_content(request), promised_calls(request)
    if content is None and not calls and not request.declared:
        return None
    return Promises(
        # A stop sequence may have cut the content anywhere.
        content=None if content is None or request.stop else content.schema,
        calls={name: {"type": "object", **each.schema} for name, each in calls.items()},
        forced=request.tool_choice not in ("auto", "none"),
    )


def keeps_all(request: ChatRequest, events: Sequence[Event]) -> bool:
    """Whether `events` are a whole answer that keeps any promise: free text, which nothing was asked of."""
    form = request.response_format
    free = request.tool_choice in ("auto", "none") and (form is None or form.type == "text")
    return free and isinstance(events[-1], Finished) and not any(isinstance(one, ToolCallOpened) for one in events)


class Look:
    """Looks at one answer: `take` its events, then ask for the `fault`."""

    def __init__(self, promises: Promises, validators: Validators) -> None:
        self._promises, self._validators = promises, validators
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

    @property
    def calls(self) -> bool:
        """Whether it has any tool call."""
        return bool(self._calls)

    def fault(self) -> str | None:
        """What is wrong with the whole answer; None where it keeps what was promised."""
        for name, text in self._calls:
            if name not in self._promises.calls:
                return f"no function {name[:100]!r} may be called"
            if fault := self._validators.misfit("".join(text), self._promises.calls[name]):
                return f"the arguments of {name}: {fault}"
        if self._calls:
            return None
        if self._promises.forced:
            return "it has no tool call"
        content = self._promises.content
        return None if content is None else self._validators.misfit("".join(self._content), content)


class Validators:
    """Says how JSON text fails to fit a schema; remembers what it has made of schemas."""

    def __init__(self) -> None:
        self._made: Memory[Draft202012Validator] = Memory()

    def misfit(self, text: str, schema: Schema) -> str | None:
        """Why `text` does not fit; None where it does."""
        try:
            self._validate(json.loads(text, parse_int=_integer), schema)
        except ValidationError as error:
            return error.message[:200]
        except Unresolvable:
            return None  # A reference out of the schema promises nothing.
        except ValueError as problem:
            return str(problem)[:200]
        except RecursionError:
            return None  # Too deep to be looked at.
        return None

    def _validate(self, value: Any, schema: Schema) -> None:
        made = self._made.get(schema, lambda: Draft202012Validator(checkable(schema), registry=Registry()))
        made.validate(value)  # pyright: ignore[reportUnknownMemberType]


def checkable(schema: Any) -> Any:
    """A schema without regular expressions: they mean different things to different engines, and a hostile one can take
    Python's for ever."""
    if is_array(schema):
        return [checkable(item) for item in schema]
    if not is_object(schema):
        return schema
    kept: Schema = {}
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions") and is_object(value):
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


class Memory(Generic[Made]):
    """What was made of values, by their content; least recently used first out."""

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
