"""Reading tool calls out of a model's text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Protocol, cast

from moonbase.contract.cards import CallIdForm
from moonbase.contract.compact import compact_json, encodable
from moonbase.contract.events import ArgumentsDelta, Event, ToolCallOpened
from moonbase.contract.formats import CallMarks

_KIMI_ID = re.compile(r"(?:functions\.)?(?P<name>.+?)(?::\d+)?\Z", re.DOTALL)


class CallIds:
    """Names the calls of one answer. `made` calls stand in the conversation already; ids count on from there, so that
    a client that replays them never sends one twice (contract.md 2.3)."""

    def __init__(self, form: CallIdForm, made: int) -> None:
        self._separator = ":" if form == "name:index" else "_"
        self._next = made

    def issue(self, name: str) -> str:
        index, self._next = self._next, self._next + 1
        return f"{name}{self._separator}{index}"


class CallReader(Protocol):
    """Takes the text between an opening mark and the end of the calls; `reading` is False outside of them."""

    opened: int

    @property
    def reading(self) -> bool: ...

    def mark(self, mark: str) -> list[Event]: ...

    def text(self, text: str) -> list[Event]: ...

    def close(self) -> list[Event]: ...


class _Kimi(Enum):
    OUTSIDE = auto()  # no section is open
    SECTION = auto()  # between two calls
    CALL_ID = auto()  # after the call's opening mark
    ARGUMENTS = auto()  # streaming the JSON text


class KimiCallReader:
    """Kimi's sections: arguments stream as they come."""

    def __init__(self, marks: CallMarks, ids: CallIds, choice: int) -> None:
        self._marks, self._ids, self._choice = marks, ids, choice
        self._state = _Kimi.OUTSIDE
        self._id = ""
        self._space = ""
        self._wrote = False
        self.opened = 0

    @property
    def reading(self) -> bool:
        return self._state is not _Kimi.OUTSIDE

    def mark(self, mark: str) -> list[Event]:
        marks = self._marks
        events = self._finish_arguments() if mark != marks.arguments else []
        if mark == marks.section:
            self._state = _Kimi.SECTION
        elif mark == marks.section_end:
            self._state = _Kimi.OUTSIDE
        elif mark == marks.open:
            self._state, self._id = _Kimi.CALL_ID, ""
        elif mark == marks.arguments and self._state is _Kimi.CALL_ID:
            self._state = _Kimi.ARGUMENTS
            return [self._open()]
        elif mark == marks.close:
            self._state = _Kimi.SECTION
        return events

    def text(self, text: str) -> list[Event]:
        if self._state is _Kimi.CALL_ID:
            self._id += text
        elif self._state is _Kimi.ARGUMENTS:
            return self._arguments(text)
        return []

    def close(self) -> list[Event]:
        self._state = _Kimi.OUTSIDE
        return []

    def _open(self) -> Event:
        found = _KIMI_ID.match(self._id.strip())
        name = found.group("name") if found else self._id
        self._wrote, self._space = False, ""
        self.opened += 1
        return ToolCallOpened(self.opened - 1, self._ids.issue(name), name, choice=self._choice)

    def _arguments(self, text: str) -> list[Event]:
        """Space around the JSON text is not part of it: leading space is dropped, trailing held back."""
        text = self._space + text
        stripped = text.rstrip() if self._wrote else text.strip()
        self._space = text[len(text.rstrip()) :] if stripped else ""
        if not stripped:
            self._space = text if self._wrote else ""
            return []
        self._wrote = True
        return [ArgumentsDelta(self.opened - 1, stripped, choice=self._choice)]

    def _finish_arguments(self) -> list[Event]:
        if self._state is not _Kimi.ARGUMENTS or self._wrote:
            return []
        self._wrote = True
        return [ArgumentsDelta(self.opened - 1, "{}", choice=self._choice)]


class JsonCallReader:
    """Calls written as JSON objects between marks: each is known only when it is whole."""

    def __init__(self, marks: CallMarks, ids: CallIds, choice: int) -> None:
        self._marks, self._ids, self._choice = marks, ids, choice
        self._inside = False
        self._text = ""
        self.opened = 0

    @property
    def reading(self) -> bool:
        return self._inside

    def mark(self, mark: str) -> list[Event]:
        events = self._read() if self._inside else []
        self._inside = mark == self._marks.open
        return events

    def text(self, text: str) -> list[Event]:
        self._text += text
        return []

    def close(self) -> list[Event]:
        events = self._read() if self._inside else []
        self._inside = False
        return events

    def _read(self) -> list[Event]:
        text, self._text = self._text.strip(), ""
        try:
            value: Any = json.loads(text)
        except (ValueError, RecursionError):
            return []
        calls = cast("list[Any]", value) if isinstance(value, list) else [value]
        return [event for call in calls for event in self._call(call)]

    def _call(self, written: Any) -> list[Event]:
        if not isinstance(written, dict):
            return []
        call = cast("dict[str, Any]", written)
        if isinstance(call.get("function"), dict):
            call = cast("dict[str, Any]", call["function"])
        name = call.get("name") or call.get("tool_name") or call.get("function")
        if not isinstance(name, str):
            return []
        name = encodable(name)
        value = call.get("arguments", call.get("parameters")) or cast("dict[str, Any]", {})
        arguments = encodable(value) if isinstance(value, str) else compact_json(value)
        index, self.opened = self.opened, self.opened + 1
        opened = ToolCallOpened(index, self._ids.issue(name), name, choice=self._choice)
        return [opened, ArgumentsDelta(index, arguments, choice=self._choice)]


READERS: dict[str, Callable[[CallMarks, CallIds, int], CallReader]] = {
    "kimi": KimiCallReader,
    "json": JsonCallReader,
}
