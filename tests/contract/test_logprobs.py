"""Log probabilities as values, and as they travel (contract.md 2.5)."""

from __future__ import annotations

import msgspec

from moonbase.contract.logprobs import Alternative, Logprobs, TokenLogprob

MOON = TokenLogprob("moon", -0.5, tuple(b"moon"), (Alternative("sun", -1.5, tuple(b"sun")),))


def test_on_the_wire() -> None:
    assert msgspec.to_builtins(Logprobs([MOON])) == {
        "content": [
            {
                "token": "moon",
                "logprob": -0.5,
                "bytes": (109, 111, 111, 110),
                "top_logprobs": ({"token": "sun", "logprob": -1.5, "bytes": (115, 117, 110)},),
            }
        ]
    }


def test_a_part_of_a_token_keeps_its_probability_and_its_alternatives() -> None:
    part = MOON.part("mo")
    assert (part.token, bytes(part.bytes)) == ("mo", b"mo")
    assert (part.logprob, part.top_logprobs) == (MOON.logprob, MOON.top_logprobs)
    assert MOON.part("moon") is MOON
