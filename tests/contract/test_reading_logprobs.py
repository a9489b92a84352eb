"""Log probabilities as other servers write them (contract.md 2.5)."""

from __future__ import annotations

from typing import Any

import pytest

from moonbase.contract.logprobs import LOWEST, Alternative, TokenLogprob
from moonbase.contract.reading_logprobs import read_logprobs

Json = dict[str, Any]
MOON: Json = {"token": "moon", "logprob": -0.5, "bytes": [109, 111, 111, 110], "top_logprobs": []}
SUN: Json = {"token": "sun", "logprob": -1.5, "bytes": [115, 117, 110]}


def read(**members: Any) -> TokenLogprob:
    return read_logprobs({"content": [MOON, {**MOON, **members}]})[1]


def test_in_our_form() -> None:
    sun = Alternative("sun", -1.5, tuple(b"sun"))
    assert read(top_logprobs=[SUN]) == TokenLogprob("moon", -0.5, tuple(b"moon"), (sun,))


def test_a_probability_of_nothing_is_null() -> None:
    """SGLang and lmdeploy have null where JSON has no number, and all the other tokens are as they were told."""
    assert read(logprob=None) == TokenLogprob("moon", LOWEST, tuple(b"moon"))
    found = read(top_logprobs=[SUN, {**SUN, "logprob": None}])
    assert [each.logprob for each in found.top_logprobs] == [-1.5, LOWEST]


@pytest.mark.parametrize("members", [{"bytes": None}, {"top_logprobs": None}, {"bytes": None, "top_logprobs": None}])
def test_what_is_not_told(members: Json) -> None:
    assert read(**members) == TokenLogprob("moon", -0.5, tuple(b"moon"))


@pytest.mark.parametrize("told", [{"content": None}, {}, {"tokens": ["a"], "token_logprobs": [-1.0]}, [], "x", 3])
def test_another_form(told: Any) -> None:
    assert read_logprobs(told) == ()
