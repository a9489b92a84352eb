"""Log probabilities of the tokens of the content, as they travel (contract.md 2.5)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

MAX_TOP = 20
"""Most alternatives that `top_logprobs` may ask for (contract.md 1.1)."""
LOWEST = -9999.0
"""Stands for a probability of nothing, which JSON has no logarithm for."""


class Alternative(msgspec.Struct, frozen=True):
    """A token that might have come. `logprob`: natural logarithm of its probability; `bytes`: its text in UTF-8, or the
    part of a character that it is."""

    token: str
    logprob: float
    bytes: tuple[int, ...]


class TokenLogprob(msgspec.Struct, frozen=True):
    """A token that came, and the likeliest that might have come in its place, the likeliest first."""

    token: str
    logprob: float
    bytes: tuple[int, ...]
    top_logprobs: tuple[Alternative, ...] = ()

    def part(self, text: str) -> TokenLogprob:
        """The same for `text`, the part of the token that is content."""
        return self if text == self.token else msgspec.structs.replace(self, token=text, bytes=tuple(text.encode()))


class Logprobs(msgspec.Struct, frozen=True):
    """`choices[].logprobs`. The joined `token` texts are the content."""

    content: Sequence[TokenLogprob]
