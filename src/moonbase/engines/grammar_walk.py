"""Reading a grammar byte by byte, with llguidance: what may come next, whatever the grammar says."""

from __future__ import annotations

import re
from collections.abc import Sequence

from moonbase.contract.grammar import INDEXED, Grammar
from moonbase.parse.closing import FIRST_MARK, Steps

_END = 256
_SHIFT = 1
"""In the matcher's vocabulary the end of the text stands between the bytes and the marks."""


class ByteVocabulary:
    """A vocabulary of the 256 bytes, the end of the text, and `marks`; grammars name a mark by `mark_id`."""

    def __init__(self, marks: Sequence[str] = ()) -> None:
        from llguidance import LLTokenizer, TokenizerWrapper  # of the extras llama and upstream

        self.marks = tuple(marks)
        self.tokenizer = LLTokenizer(TokenizerWrapper(_Bytes(self.marks)), n_vocab=257 + len(self.marks), slices=[])

    def mark_id(self, mark: str) -> int:
        return self.marks.index(mark) + FIRST_MARK + _SHIFT


class _Bytes:
    eos_token_id = _END
    bos_token_id = None

    def __init__(self, marks: tuple[str, ...]) -> None:
        self.tokens = [bytes((byte,)) for byte in range(256)] + [b"<end>", *(mark.encode() for mark in marks)]
        self.special_token_ids = list(range(_END, len(self.tokens)))

    def __call__(self, text: bytes) -> list[int]:
        return list(text)


class GrammarWalk:
    """The start of `grammar`, written for `vocabulary` (a `parse.closing.Walk`; steps count from where it stands).

    Raises `ValueError` with llguidance's words for a grammar that it cannot enforce. Time of a look grows with the
    steps between it and the one before, not with the text behind: the matcher is taken back, never copied.
    """

    def __init__(self, grammar: str, vocabulary: ByteVocabulary) -> None:
        from llguidance import LLMatcher

        self._matcher = LLMatcher(vocabulary.tokenizer, grammar, log_level=0)
        if self._matcher.is_error():
            raise ValueError(self._matcher.get_error().split("\n")[0])
        self._ahead: Steps = ()
        patterns = _PATTERN.findall(grammar)
        words = {word for pattern in patterns for word in (*pattern, *_WORD.findall(pattern)) if word.isascii()}
        self._words = tuple(word.encode() for word in sorted(words))

    def look(self, ahead: Steps) -> bool:
        """As `Walk.look`; after False the walk looks from where it stands."""
        shared = _shared(self._ahead, ahead)
        if shared < len(self._ahead):
            self._matcher.rollback(len(self._ahead) - shared)
        tokens = [step if step < FIRST_MARK else step + _SHIFT for step in ahead[shared:]]
        # A matcher that knows that nothing may follow takes a step more for an error, for good.
        taken = 0 if self._matcher.is_stopped() else self._matcher.try_consume_tokens(tokens)
        self._ahead = ahead[: shared + taken]
        return taken == len(tokens) or not self.look(())

    def go(self) -> None:
        """Stand where the last look was from."""
        self._ahead = ()

    def ended(self) -> bool:
        return self._matcher.is_accepting()

    def allowed(self) -> int:
        mask = int.from_bytes(self._matcher.compute_bitmask(), "little")
        return mask & ((1 << _END) - 1) | mask >> (_END + _SHIFT) << FIRST_MARK

    def forced(self) -> Sequence[int]:
        forced = self._matcher.compute_ff_bytes()
        if _MARK_START not in forced:
            return forced
        return [step for found in _FORCED.finditer(forced) for step in _forced(found)]

    def words(self) -> Sequence[bytes]:
        return self._words


_PATTERN = re.compile(r'"pattern"\s*:\s*"((?:[^"\\]|\\.)*)"')
_WORD = re.compile(r"[A-Za-z0-9]{2,}")
# Forced marks are written as `\xff[ID]`; the byte is in no UTF-8 text.
_MARK_START = b"\xff"
_FORCED = re.compile(rb"\xff\[(?P<id>\d+)\]|(?P<text>[^\xff]+)")


def _forced(found: re.Match[bytes]) -> Sequence[int]:
    return found["text"] or (int(found["id"]) - _SHIFT,)


def open_walk(grammar: Grammar) -> GrammarWalk:
    """The beginning of an answer to `grammar`; raises `ValueError`. Its marks are steps, whether or not the model has
    tokens for them: who reads a text finds them there."""
    vocabulary = ByteVocabulary(grammar.marks)
    rules = ["start: begin", grammar.rules, "free: TEXT", "TEXT: /(?s:.*)/"]
    for number, mark in enumerate(grammar.marks):
        rules += [f"mark_{number}: <[{vocabulary.mark_id(mark)}]>", f"until_{number}: TEXT mark_{number}"]
    rules += [f'index_{number}: "{grammar.calls_made + number}"' for number in range(INDEXED)]
    return GrammarWalk("\n".join(rules), vocabulary)


def _shared(one: Steps, other: Steps) -> int:
    """The length of their longest common prefix."""
    shared, most = 0, min(len(one), len(other))
    while shared < most:
        middle = (shared + most + 1) // 2
        if one[shared:middle] == other[shared:middle]:
            shared = middle
        else:
            most = middle - 1
    return shared
