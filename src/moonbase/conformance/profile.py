"""What the model under test can do: by its card, by what the caller says, or by asking it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from moonbase.contract.cards import CARDS, FREE, LOCKED, KeepPolicy, ModelCard, Pin, SamplingPolicy, ThinkingSwitch

Capability = Literal[
    "thinking-off",
    "thinking-only",
    "keep",
    "keep-always",
    "keep-optional",
    "keep-none",
    "locked",
    "free",
    "boundary",
    "no-boundary",
    "images",
    "blind",
    "k2",
    "k3",
]
SamplingKind = Literal["locked", "free"]

_KEEP: Mapping[KeepPolicy, frozenset[Capability]] = MappingProxyType(
    {
        "always": frozenset({"keep", "keep-always"}),
        "optional": frozenset({"keep", "keep-optional"}),
        "none": frozenset({"keep-none"}),
    }
)


@dataclass(frozen=True, slots=True)
class Profile:
    """`context` is in tokens. `source` says where the facts come from."""

    thinking: ThinkingSwitch
    keep: KeepPolicy
    sampling: SamplingPolicy
    boundary: bool
    family: Literal["k2", "k3"]
    images: bool
    context: int
    source: str

    @property
    def capabilities(self) -> frozenset[Capability]:
        held: set[Capability] = {self.family}
        held.add("thinking-off" if self.thinking == "both" else "thinking-only")
        held |= _KEEP[self.keep]
        held.add("locked" if isinstance(self.sampling.temperature, Pin) else "free")
        held.add("boundary" if self.boundary else "no-boundary")
        held.add("images" if self.images else "blind")
        return frozenset(held)


@dataclass(frozen=True, slots=True)
class Known:
    """What the caller says of the model; it wins over the card. `like`: judge it by this model's card."""

    like: str | None = None
    thinking: ThinkingSwitch | None = None
    keep: KeepPolicy | None = None
    sampling: SamplingKind | None = None


def card_of(model: str) -> ModelCard | None:
    """The card of `model`, also where a vendor writes it as `moonshotai/Kimi-K2.6`."""
    name = model.rpartition("/")[2].lower()
    return next((card for card in CARDS if card.id == name), None)


def by_card(card: ModelCard) -> Profile:
    return Profile(
        thinking=card.thinking,
        keep=card.keep,
        sampling=card.sampling,
        boundary=card.reasoning_boundary,
        family="k3" if card.call_id_form == "name_index" else "k2",
        images="image" in card.sees,
        context=card.context_length,
        source=f"the card of {card.id}",
    )


def sampling_policy(kind: SamplingKind) -> SamplingPolicy:
    return LOCKED if kind == "locked" else FREE
