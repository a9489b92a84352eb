"""Log probabilities as other servers write them, to ours (contract.md 2.5).

JSON has no infinity, so a probability of nothing is null in most of them (SGLang, lmdeploy); text in UTF-8 may be left
out.
"""

from __future__ import annotations

from typing import Any

import msgspec

from moonbase.contract.logprobs import LOWEST, Alternative, Logprobs, TokenLogprob


class _Chance(msgspec.Struct, frozen=True):
    token: str
    logprob: float | None = None
    bytes: tuple[int, ...] | None = None

    def alternative(self) -> Alternative:
        logprob = LOWEST if self.logprob is None else self.logprob
        return Alternative(self.token, logprob, tuple(self.token.encode()) if self.bytes is None else self.bytes)


class _Token(_Chance, frozen=True):
    top_logprobs: tuple[_Chance, ...] | None = None


class _Told(msgspec.Struct, frozen=True):
    content: list[_Token] | None = None


def read_logprobs(logprobs: Any) -> tuple[TokenLogprob, ...]:
    """None where they are in no form that is known."""
    try:
        return tuple(msgspec.convert(logprobs, Logprobs).content)
    except msgspec.ValidationError:
        return _mended(logprobs)


def _mended(logprobs: Any) -> tuple[TokenLogprob, ...]:
    try:
        tokens = msgspec.convert(logprobs, _Told).content
    except msgspec.ValidationError:
        return ()
    return tuple(_logprob(token) for token in tokens or ())


def _logprob(token: _Token) -> TokenLogprob:
    own = token.alternative()
    others = tuple(each.alternative() for each in token.top_logprobs or ())
    return TokenLogprob(own.token, own.logprob, own.bytes, others)
