"""The thinking controls, per model (contract.md 1.3)."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from moonbase.contract.cards import ModelCard
from moonbase.contract.errors import InvalidRequest


class ThinkingControl(msgspec.Struct, frozen=True):
    """The `thinking` object of a request, as sent. `budget_tokens` is this server's own: the hosted API has none."""

    type: str | UnsetType = UNSET
    """Whether this turn thinks."""
    keep: str | UnsetType | None = UNSET
    """"all" leaves the reasoning of earlier turns in the prompt; null drops it."""
    effort: str | None = None
    """How hard to think, for models with that choice; wins over `reasoning_effort`."""
    budget_tokens: int | None = None
    """Most tokens that the reasoning may take; it is closed there, and the answer begins."""


class Thinking(msgspec.Struct, frozen=True):
    """What the controls come to: whether this turn thinks, whether earlier turns' reasoning stays in the prompt, how
    hard to think (None where the model has no such control), and for how many tokens at most."""

    enabled: bool
    keep_all: bool
    effort: str | None = None
    budget: int | None = None


def resolve_thinking(card: ModelCard, control: ThinkingControl | None, effort: str | None = None) -> Thinking:
    """Apply the card's switch, keep policy and efforts; `effort` is the request's `reasoning_effort`.

    Raises `InvalidRequest` with the hosted text. Where a card has efforts, `thinking` is ignored but for its own
    `effort`, which wins, and `budget_tokens`; an effort that the card does not know is taken as its default (1.3, seen
    live). Where it has none, `reasoning_effort` alone is ignored, and beside `thinking` refused (11.1).
    """
    if card.efforts is not None:
        wanted = (control and control.effort) or effort or card.efforts.default
        effort = wanted if wanted in card.efforts.valid else card.efforts.default
        return Thinking(True, True, effort, _resolve_budget(control, enabled=True))
    if control is not None and effort is not None:
        raise InvalidRequest("cannot specify both 'thinking' and 'reasoning_effort'")
    enabled = True
    keep: str | UnsetType | None = UNSET
    if control is not None:
        enabled = _resolve_type(card, control.type)
        keep = control.keep
    return Thinking(enabled, _resolve_keep(card, keep), budget=_resolve_budget(control, enabled=enabled))


def _resolve_budget(control: ThinkingControl | None, *, enabled: bool) -> int | None:
    budget = None if control is None else control.budget_tokens
    if budget is None:
        return None
    if not enabled:
        raise InvalidRequest("invalid thinking: budget_tokens needs type=enabled; leave it out, or enable thinking")
    if budget < 0:
        raise InvalidRequest(f"invalid thinking: budget_tokens must be at least 0, got {budget}")
    return budget


def _resolve_type(card: ModelCard, kind: str | UnsetType) -> bool:
    if kind is UNSET:
        raise InvalidRequest("Invalid request: the `thinking.type` field is required when `thinking` is sent")
    if kind == "enabled":
        return True
    if card.thinking == "only":
        raise InvalidRequest("invalid thinking: only type=enabled is allowed for this model")
    if kind == "disabled":
        return False
    raise InvalidRequest(f"invalid thinking: type must be enabled or disabled, got {kind!r}")


def _resolve_keep(card: ModelCard, keep: str | UnsetType | None) -> bool:
    if card.keep == "none":
        if keep is not UNSET and keep is not None:
            raise InvalidRequest(f'thinking.keep is not supported by model "{card.id}"')
        return False
    if keep not in (UNSET, None, "all"):
        raise InvalidRequest(f"invalid thinking: keep must be null or all, got {keep!r}")
    return card.keep == "always" or keep == "all"
