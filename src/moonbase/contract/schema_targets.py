"""Where the references of a schema lead: pointers, anchors and `$id`, within one document."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import unquote

from moonbase.contract.grammar import Schema
from moonbase.contract.mfjs_report import is_array, is_object


class Targets:
    """Finds what references in `root` name. Anchors and `$id` are looked up once, when one is first needed."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._named: dict[str, Schema] | None = None

    def find(self, reference: object) -> object:
        """What `reference` names; None where it names nothing in this document. Nothing is fetched."""
        if not isinstance(reference, str):
            return None
        base, _, fragment = reference.partition("#")
        document = self._root if not base else self._names().get(base)
        if document is None:
            return None
        fragment = unquote(fragment)
        if fragment and not fragment.startswith("/"):
            return self._names().get(f"#{fragment}")
        return _follow(document, fragment)

    def _names(self) -> dict[str, Schema]:
        if self._named is None:
            self._named = {}
            waiting: list[Any] = [self._root]
            while waiting:
                value = waiting.pop()
                if is_array(value):
                    waiting.extend(value)
                elif is_object(value):
                    self._note(value)
                    waiting.extend(value.values())
        return self._named

    def _note(self, schema: Schema) -> None:
        named = cast("dict[str, Schema]", self._named)
        if isinstance(anchor := schema.get("$anchor"), str):
            named.setdefault(f"#{anchor}", schema)
        for keyword in ("$id", "id"):
            if isinstance(name := schema.get(keyword), str):
                # A plain name in `$id` was the anchor of draft 7.
                named.setdefault(name if name.startswith("#") else name.rstrip("#"), schema)


def _follow(document: object, pointer: str) -> object:
    """What a JSON pointer leads to (RFC 6901)."""
    found = document
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if is_object(found) and name in found:
            found = found[name]
        elif is_array(found) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found
