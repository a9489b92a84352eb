"""Reasoning that has an end and no beginning: where a chat template writes `<think>` at the end of the prompt, answers
have `</think>` alone, unless the server has a parser for them.

Whether a server is one of those is known once an answer of it has shown the mark. Of an answer that comes whole that is
soon enough; of the first stream it is not, but of those that follow it. A model may forget the mark now and then, or
begin with an answer that needs no thought, so one without it says little.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from moonbase.contract.formats import ThinkMarks
from moonbase.contract.request import ChatRequest

_OTHERWISE = 2
"""Answers without the mark, one after the other, from which on it is not known any more whether it comes."""
_NEVER = 8
"""Those from which on it is not looked for in streams."""


class Habit(NamedTuple):
    """What a model's answers have shown: `begins` says whether they begin inside the reasoning, None where it is not
    known; `without` how many in a row have not had the mark."""

    begins: bool | None = None
    without: int = 0

    def after(self, shown: bool) -> Habit:
        """With one more answer, which had the mark or had not."""
        if shown:
            return Habit(True)
        without = self.without + 1
        if self.begins:
            return Habit() if without == _OTHERWISE else Habit(True, without)
        return Habit(False if without >= _NEVER else None, without)


class LoneEnd:
    """Of the content of one choice. `known`: what earlier answers have shown, None where nothing yet.

    A request that holds the mark may be answered with a copy of it, which shows nothing.
    """

    def __init__(self, request: ChatRequest, marks: ThinkMarks, *, known: bool | None) -> None:
        self._request, self._marks, self._known = request, marks, known
        self._tail = ""
        self.watches = known is None
        """Whether `watch` is to be told of content that is taken for such."""
        self.inside = False
        """Whether the content began inside the reasoning."""
        self.seen = False
        """Whether the mark has come."""

    def begin(self, text: str) -> None:
        """The content begins with `text`."""
        self.inside = self._known or self._ends_in(text)
        self.watches = self.watches and not self.inside

    def watch(self, text: str) -> None:
        tail = self._tail + text
        self.seen = self._ends_in(tail)
        self._tail = tail[1 - len(self._marks.close) :]
        self.watches = not (self.seen or self._marks.open in tail)

    def verdict(self, *, whole: bool) -> bool | None:
        """Whether such answers begin inside the reasoning; None where this one does not tell. `whole`: it has ended by
        itself, with content."""
        return self.seen or (False if whole else None)

    def _ends_in(self, text: str) -> bool:
        before, found, _ = text.partition(self._marks.close)
        return bool(found) and self._marks.open not in before and not self._may_copy()

    def _may_copy(self) -> bool:
        return self._marks.close.encode() in msgspec.json.encode((self._request.messages, self._request.tools))
