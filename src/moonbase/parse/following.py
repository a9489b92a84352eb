"""Following an answer's text through its grammar, so as to know at every moment how it can end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from moonbase.contract.grammar import Grammar
from moonbase.contract.prompts import Piece, Prompt
from moonbase.parse.closing import FIRST_MARK, Care, Steps, Walk, moved, shortest_closing
from moonbase.parse.json_place import Mode, Place
from moonbase.parse.machine import Lexeme, MarkScanner


class Spot(NamedTuple):
    """A place in an answer: `steps` ahead of where its walk stands, of which the last `held` may yet become a mark.

    `mark` is the last one in the text, the empty string before any. `begun`: text behind the steps that can only be the
    beginning of a mark, where a model spells it.
    """

    steps: Steps = ()
    held: int = 0
    place: Place = Place()
    mark: str = ""
    begun: str = ""


class Following:
    """Follows one answer to `grammar`. `walk` stands at the beginning of the answer, and knows the grammar's marks by
    their order.

    `look` at more text, then `go` there or not. A `Spot` holds until the next `go`.
    """

    def __init__(self, walk: Walk, grammar: Grammar) -> None:
        self._walk = walk
        self._marks = grammar.marks
        self._free = frozenset(grammar.free)
        self._free_answer = "answer" in grammar.free.values()
        self._scanner = MarkScanner(grammar.marks)
        self._held = ""
        self.here = Spot()

    def look(self, text: str, mark: bool | None) -> Spot | None:
        """Where `text` would lead; `mark` as in `TextDelta`. None where the grammar does not allow it."""
        lexemes = self._scanned(text, mark)
        steps, begun = self._steps(lexemes), ""
        held = tuple(self._held.encode())
        if not self._walk.look(steps + held):
            if not (held and self._openings(steps, self._held)):
                return None
            held, begun = (), self._held
        last = next((lexeme.text for lexeme in reversed(lexemes) if lexeme.mark), self.here.mark)
        place = self.here.place if last in self._free else moved(self.here.place, steps)
        return Spot(steps + held, len(held), place, last, begun)

    def go(self, spot: Spot) -> None:
        settled = len(spot.steps) - spot.held
        self._walk.look(spot.steps[:settled])
        self._walk.go()
        self.here = spot._replace(steps=spot.steps[settled:])

    def in_free_text(self, spot: Spot) -> bool:
        """In the reasoning, or where the content is free: the model ends it when it likes."""
        return spot.mark in self._free

    def may_be_cut(self, spot: Spot) -> bool:
        """In free text that nothing has to follow: nothing is promised yet, and the budget may cut it off."""
        return self._free_answer and self.in_free_text(spot)

    def is_steady(self, spot: Spot) -> bool:
        """Whether a letter more there can hardly ask for much more to come: it is inside free text, an object, an array
        or a string, and not where one of several functions is being named."""
        return self.in_free_text(spot) or spot.place.frame is not None or spot.place.mode is Mode.STRING

    def ends(self, spot: Spot, closing: Steps) -> bool:
        """Whether `closing` ends the answer from there; the empty one where it may just end."""
        if spot.begun and not (closing and closing[0] in self._openings(spot.steps, spot.begun)):
            return False
        return self._walk.look(spot.steps + closing) and self._walk.ended()

    def closing(self, spot: Spot, care: Care) -> Steps | None:
        """The shortest end from there; see `shortest_closing`."""
        if not spot.begun:
            place = moved(spot.place, spot.steps[len(spot.steps) - spot.held :])
            return shortest_closing(self._walk, place, spot.steps, care)
        ways: list[Steps] = []
        for mark in self._openings(spot.steps, spot.begun):
            rest = shortest_closing(self._walk, Place(), (*spot.steps, mark), care)
            ways += [] if rest is None else [(mark, *rest)]
        return min(ways, key=len, default=None)

    def written(self, spot: Spot, closing: Steps) -> Prompt:
        """`closing` from there as pieces of text and marks; what stands there of a mark already is left out."""
        pieces: list[Piece] = []
        text = bytearray()
        for step in (*closing, None):
            if step is not None and step < FIRST_MARK:
                text.append(step)
                continue
            if text:
                pieces.append(Piece(text.decode(), False))
                text.clear()
            if step is not None:
                pieces.append(Piece(self._marks[step - FIRST_MARK], True))
        if spot.begun and pieces:
            pieces[0] = Piece(pieces[0].text.removeprefix(spot.begun), True)
        return tuple(pieces)

    def _openings(self, steps: Steps, begun: str) -> list[int]:
        """The marks that begin so and may stand after `steps`."""
        numbers = [FIRST_MARK + number for number, mark in enumerate(self._marks) if mark.startswith(begun)]
        return [number for number in numbers if self._walk.look((*steps, number))]

    def _scanned(self, text: str, mark: bool | None) -> list[Lexeme]:
        if mark is not None:
            self._held = ""
            return [*self._scanner.flush(), Lexeme(text, mark)]
        whole = self._held + text
        lexemes = self._scanner.feed(text)
        self._held = whole[sum(len(lexeme.text) for lexeme in lexemes) :]
        return lexemes

    def _steps(self, lexemes: Iterable[Lexeme]) -> Steps:
        steps: list[int] = []
        for lexeme in lexemes:
            if lexeme.mark and lexeme.text in self._marks:
                steps.append(FIRST_MARK + self._marks.index(lexeme.text))
            else:
                steps += lexeme.text.encode(errors="replace")
        return tuple(steps)
