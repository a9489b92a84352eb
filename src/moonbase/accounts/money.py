"""Money, exactly: whole billionths of a US dollar, and what an answer costs (contract.md 8.3).

A dollar for a million tokens is 1000 billionths for one token, so every published price is a whole number of them and
no sum is ever rounded.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from moonbase.contract.cards import Price
from moonbase.contract.events import Usage

DOLLAR = 1_000_000_000
"""Billionths in a dollar."""

MOST = 1_000_000_000 * DOLLAR
"""The largest single amount: a billion dollars. Sums of a few of them still fit the 64 bits of a stored integer."""

WEB_SEARCH_CALL = DOLLAR * 5 // 1000
"""One call of `$web_search` that a client is asked to send back (contract.md 6.3)."""

BATCH_PERCENT = 60
"""What tokens of a batch cost, of their price (contract.md 5.5: 40 to 50 percent less, by the page; the page of prices
for batches says 60 percent of the price). Of every published price that is whole billionths still."""


def billionths(dollars: float | str | Decimal) -> int:
    """`dollars` as it is written, in billionths. Raises `ValueError` for what has more than nine decimals, is not
    finite, or is more than a billion either way."""
    try:
        amount = Decimal(str(dollars)) * DOLLAR
    except InvalidOperation:
        raise ValueError(f"{dollars!r} is no amount of dollars") from None
    if not amount.is_finite() or abs(amount) > MOST:
        raise ValueError(f"an amount of dollars lies within a billion either way, and {dollars} does not")
    if amount != amount.to_integral_value():
        raise ValueError(f"an amount of dollars has nine decimals at most, and {dollars} has more")
    return int(amount)


class Rates(NamedTuple):
    """Billionths of a dollar for one token."""

    input: int
    cached_input: int
    output: int

    def cost(self, usage: Usage) -> int:
        """Of an answer, in billionths: reasoning is output, and cached tokens are part of the prompt."""
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        missed = usage.prompt_tokens - cached
        return missed * self.input + cached * self.cached_input + usage.completion_tokens * self.output


def rates(price: Price) -> Rates:
    """Raises `ValueError` for a price finer than a thousandth of a dollar for a million tokens."""
    return Rates(*(_rate(dollars) for dollars in (price.input, price.cached_input, price.output)))


def _rate(dollars: float) -> int:
    rate, rest = divmod(billionths(dollars), 1_000_000)
    if rest:
        raise ValueError(f"a price has three decimals at most, in dollars for a million tokens, and {dollars} has more")
    return rate
