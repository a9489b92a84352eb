"""Where an answer is in its grammar: in free text, where it can be put aside and taken up again, or in forced text."""

from __future__ import annotations

from collections.abc import Mapping

from moonbase.contract.grammar import Grammar


class Place:
    """Follows the marks and the text of one answer. `rule`: the rule that the rest of the text fits, None in the middle
    of what is forced, for no rule says the rest of half a JSON text. `spelled`: marks may stand in the text, where they
    are not found here."""

    def __init__(self, grammar: Grammar, *, spelled: bool = False) -> None:
        self._free: Mapping[str, str] = {} if spelled else grammar.free
        self._spelled = spelled
        self.rule: str | None = "begin"
        self._begun = False
        self._quoted = False
        self._escaped = False

    @property
    def quoted(self) -> bool:
        """Inside a JSON string, where the text of a mark is text, and so is a mark's token if it has text."""
        return self._quoted

    def mark(self, mark: str) -> None:
        self._begun, self._quoted = True, False
        self.rule = self._free.get(mark)

    def text(self, text: str) -> None:
        if not self._begun:
            self._begun = True
            self.rule = self._free.get("")
        if self.rule is None and not self._spelled:
            self._scan(text)

    def _scan(self, text: str) -> None:
        for char in text:
            if self._escaped:
                self._escaped = False
            elif char == '"':
                self._quoted = not self._quoted
            elif char == "\\" and self._quoted:
                self._escaped = True
