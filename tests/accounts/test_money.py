"""Prices and sums (contract.md 8.3)."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonbase.accounts.money import DOLLAR, MOST, billionths, rates
from moonbase.contract.cards import CARDS, Price
from moonbase.contract.events import Usage

K2_6 = next(card.price for card in CARDS if card.id == "kimi-k2.6")

tokens = st.integers(min_value=0, max_value=2_000_000)


@pytest.mark.parametrize("price", [card.price for card in CARDS], ids=[card.id for card in CARDS])
def test_every_published_price_is_exact(price: Price) -> None:
    per_token = [Fraction(rate, DOLLAR) for rate in rates(price)]
    assert per_token == [Fraction(str(usd)) / 1_000_000 for usd in (price.input, price.cached_input, price.output)]


def test_a_k2_6_answer_computed_by_hand() -> None:
    """contract.md 8.3: 600 tokens missed at $0.95, 400 cached at $0.16, 50 written at $4.00, for a million each:
    $0.00057 + $0.000064 + $0.0002."""
    usage = Usage(prompt_tokens=1000, completion_tokens=50, reasoning_tokens=20, cached_tokens=400)
    assert rates(K2_6).cost(usage) == billionths("0.000834") == 834_000


def test_a_million_of_each() -> None:
    million = 1_000_000
    assert rates(K2_6).cost(Usage(prompt_tokens=million)) == billionths(0.95)
    assert rates(K2_6).cost(Usage(prompt_tokens=million, cached_tokens=million)) == billionths(0.16)
    assert rates(K2_6).cost(Usage(completion_tokens=million, reasoning_tokens=million)) == billionths(4)


def test_reasoning_is_part_of_the_output_and_not_paid_twice() -> None:
    assert rates(K2_6).cost(Usage(9, 10, 10)) == rates(K2_6).cost(Usage(9, 10, 0))


def test_more_cached_tokens_than_the_prompt_has_cost_no_less_than_nothing() -> None:
    assert rates(K2_6).cost(Usage(prompt_tokens=10, cached_tokens=99)) == 10 * 160


@given(prompt=tokens, cached=tokens, completion=tokens)
def test_a_cost_is_never_rounded(prompt: int, cached: int, completion: int) -> None:
    cached = min(cached, prompt)
    exact = Fraction("0.95") * (prompt - cached) + Fraction("0.16") * cached + Fraction("4.00") * completion
    cost = rates(K2_6).cost(Usage(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached))
    assert Fraction(cost, DOLLAR) == exact / 1_000_000


@pytest.mark.parametrize(
    ("dollars", "expected"),
    [(1, DOLLAR), (0.1, 100_000_000), ("12.5", 12_500_000_000), (-3, -3 * DOLLAR), (1e9, MOST), (1e-9, 1)],
)
def test_dollars_are_taken_as_written(dollars: float | str, expected: int) -> None:
    assert billionths(dollars) == expected


@pytest.mark.parametrize("dollars", [float("nan"), float("inf"), -float("inf"), 1.1e9, 1e-10, "", "five", "1_0x"])
def test_what_is_no_amount(dollars: float | str) -> None:
    with pytest.raises(ValueError, match="amount of dollars"):
        billionths(dollars)


def test_a_price_that_is_too_fine() -> None:
    with pytest.raises(ValueError, match="three decimals"):
        rates(Price(0.0375, 0.1, 1.0))
