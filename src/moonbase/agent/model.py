"""The model that an agent asks: its card, and what is assumed of one that has none."""

from __future__ import annotations

from moonbase.accounts.money import Rates, rates
from moonbase.contract.cards import CARDS, FREE, ModelCard, Price
from moonbase.contract.errors import SettingsError
from moonbase.contract.thinking import ThinkingControl

KNOWN = {card.id: card for card in CARDS}
_CONTEXT = 131_072
_MAX_TOKENS = 16_384
"""What the documents say that thinking needs at least; more than that some vendors refuse."""


def card_of(model: str) -> ModelCard:
    """The card of `model`; for a name that no card has, one that promises nothing in particular."""
    return KNOWN.get(model) or ModelCard(
        id=model,
        display_name=model,
        created=0,
        context_length=_CONTEXT,
        default_max_tokens=_MAX_TOKENS,
        thinking="both",
        keep="optional",
        sampling=FREE,
        prompt_style="kimi-k2-thinking",
        price=Price(0, 0, 0),
    )


def rates_of(card: ModelCard) -> Rates | None:
    """What its tokens cost; None where that is not known. Raises `SettingsError` for a price that is too fine."""
    if card.price == Price(0, 0, 0):
        return None
    try:
        return rates(card.price)
    except ValueError as error:
        raise SettingsError(f"the price of the model {card.id} cannot be used: {error}") from None


def thinking_control(thinking: bool | None, keep: str | None, budget: int | None) -> ThinkingControl | None:
    """The `thinking` of a request; None where nothing is asked for, and the model's own default holds. Raises
    `SettingsError` for a switch that is none."""
    if thinking not in (None, True, False):
        raise SettingsError(f"thinking is {thinking!r}; expected True, False or None, the model's default")
    if thinking is None and keep is None and budget is None:
        return None
    kind = "enabled" if thinking in (None, True) else "disabled"
    if keep is None:
        return ThinkingControl(kind, budget_tokens=budget)
    return ThinkingControl(kind, keep, budget_tokens=budget)


def checked_effort(effort: str | None, card: ModelCard) -> str | None:
    """`effort`; raises `SettingsError` for one that the model would take for its default without a word."""
    if effort is not None and card.efforts is not None and effort not in card.efforts.valid:
        raise SettingsError(f"effort is {effort!r}; {card.id} has {', '.join(card.efforts.valid)}")
    return effort
