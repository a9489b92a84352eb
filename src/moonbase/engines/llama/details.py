"""What a request may ask for besides text: the ids of its tokens, and their log probabilities.

llama.cpp gives one token's for each chunk. Where a character took several tokens, that is the last of them. The ids of
the others are found by tokenising the character again; their log probabilities are lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from moonbase.contract.logprobs import LOWEST, Alternative, TokenLogprob

BROKEN = "\ufffd"
"""What llama.cpp writes for bytes that are no character; the wire never carries it (contract.md 2.5)."""


class Chance(msgspec.Struct, frozen=True):
    """A token with its log probability, as llama.cpp writes it."""

    id: int = -1
    token: str = ""
    bytes: tuple[int, ...] = ()
    logprob: float = LOWEST
    top_logprobs: tuple[Chance, ...] = ()


class Details:
    """Collects the details of an answer's tokens until a delta takes them.

    `encode`: text to ids, None where no ids are asked for. `top`: how many alternatives, None where no log
    probabilities are asked for. `names`: texts of special tokens, which llama.cpp leaves empty.
    """

    def __init__(self, encode: Callable[[str], list[int]] | None, top: int | None, names: Mapping[int, str]) -> None:
        self._encode, self._top, self._names = encode, top, names
        self._ids: list[int] = []
        self._logprobs: list[TokenLogprob] = []

    def token(self, id: int, text: str, count: int, chances: tuple[Chance, ...]) -> None:
        """`count` tokens, the last of them `id`, came to `text`."""
        if self._encode is not None:
            self._ids += [id] if count == 1 else self._found(text, last=id)
        said = text.replace(BROKEN, "")
        if self._top is not None and said and chances:
            self._logprobs.append(self._logprob(said, chances[0], self._top))

    def broken(self, text: str) -> None:
        """`text` of tokens that are not known at all."""
        if self._encode is not None and text:
            self._ids += self._found(text)

    def take(self) -> tuple[tuple[int, ...], tuple[TokenLogprob, ...]]:
        """The details of the text that leaves now."""
        logprobs, self._logprobs = tuple(self._logprobs), []
        return self.take_ids(), logprobs

    def take_ids(self) -> tuple[int, ...]:
        ids, self._ids = tuple(self._ids), []
        return ids

    def _found(self, text: str, last: int | None = None) -> list[int]:
        """Ids that decode to `text`. Bytes that are no character cannot be found; an id that is known stays."""
        if self._encode is not None and BROKEN not in text:
            return self._encode(text)
        return [] if last is None else [last]

    def _logprob(self, text: str, chance: Chance, top: int) -> TokenLogprob:
        others = tuple(self._alternative(other) for other in chance.top_logprobs[:top])
        return TokenLogprob(text, max(chance.logprob, LOWEST), tuple(text.encode()), others)

    def _alternative(self, chance: Chance) -> Alternative:
        token = chance.token or self._names.get(chance.id, "")
        return Alternative(token, max(chance.logprob, LOWEST), chance.bytes or tuple(token.encode()))
