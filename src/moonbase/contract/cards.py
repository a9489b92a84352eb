"""Model cards: the facts of each model family, as data (contract.md 1.2, 1.3, 8.2, 8.3).

No other module asks for a model's name. Prices are US dollars for a million tokens.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec.structs import replace

from moonbase.contract.media_formats import MediaKind

ThinkingSwitch = Literal["only", "both"]
KeepPolicy = Literal["always", "optional", "none"]
PromptStyle = Literal["kimi-k2-thinking", "kimi-k2.6", "kimi-k2.7-code", "kimi-k3"]
CallIdForm = Literal["name:index", "name_index"]


class Price(msgspec.Struct, frozen=True):
    """US dollars for a million tokens."""

    input: float
    cached_input: float
    output: float


class Pin(msgspec.Struct, frozen=True):
    """A locked parameter: its only allowed value while thinking, and while not."""

    thinking: float
    plain: float

    def value(self, thinking: bool) -> float:
        return self.thinking if thinking else self.plain


class Range(msgspec.Struct, frozen=True):
    """A free parameter with a default and inclusive bounds."""

    default: float
    low: float
    high: float


class SamplingPolicy(msgspec.Struct, frozen=True):
    temperature: Pin | Range
    top_p: Pin | Range
    n: Pin | Range
    presence_penalty: Pin | Range
    frequency_penalty: Pin | Range


class Efforts(msgspec.Struct, frozen=True):
    """The values of `reasoning_effort`, and the one that holds when none is sent."""

    valid: tuple[str, ...]
    default: str


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of a model whoever runs it.

    `thinking`: "only" always thinks, "both" can be switched off. `keep`: whether earlier turns' reasoning stays in the
    prompt: always, on request, or never. `efforts`: None where `reasoning_effort` is no parameter; where it is one, it
    takes the place of `thinking`. `requires_while_thinking`: `tool_choice` "required" goes with thinking (1.6).
    `dynamic_tools`: a system message may bring tools (1.7). `reasoning_boundary`: an empty `reasoning_content` frame
    closes the reasoning of a stream (2.4). `sees`: the kinds of media that it can be shown (1.4). `logprobs`: they may
    be asked for, which the hosted K3 refuses (11.1).
    """

    id: str
    display_name: str
    created: int
    context_length: int
    default_max_tokens: int
    thinking: ThinkingSwitch
    keep: KeepPolicy
    sampling: SamplingPolicy
    prompt_style: PromptStyle
    price: Price
    efforts: Efforts | None = None
    requires_while_thinking: bool = False
    dynamic_tools: bool = False
    call_id_form: CallIdForm = "name:index"
    reasoning_boundary: bool = True
    sees: frozenset[MediaKind] = frozenset()
    logprobs: bool = True


_SEEING: frozenset[MediaKind] = frozenset({"image", "video"})
LOCKED = SamplingPolicy(
    temperature=Pin(1.0, 0.6),
    top_p=Pin(0.95, 0.95),
    n=Pin(1, 1),
    presence_penalty=Pin(0, 0),
    frequency_penalty=Pin(0, 0),
)
FREE = SamplingPolicy(
    temperature=Range(1.0, 0.0, 1.0),
    top_p=Range(1.0, 0.0, 1.0),
    n=Range(1, 1, 5),
    presence_penalty=Range(0, -2, 2),
    frequency_penalty=Range(0, -2, 2),
)

_K3 = ModelCard(
    id="kimi-k3",
    display_name="Kimi K3",
    created=1784160000,
    context_length=1_048_576,
    default_max_tokens=131_072,
    thinking="only",
    keep="always",
    sampling=LOCKED,
    prompt_style="kimi-k3",
    price=Price(3.00, 0.30, 15.00),
    efforts=Efforts(("low", "high", "max"), "max"),
    requires_while_thinking=True,
    dynamic_tools=True,
    call_id_form="name_index",
    sees=_SEEING,
    logprobs=False,
)
_K2_6 = ModelCard(
    id="kimi-k2.6",
    display_name="Kimi K2.6",
    created=1776643200,
    context_length=262_144,
    default_max_tokens=32_768,
    thinking="both",
    keep="optional",
    sampling=LOCKED,
    prompt_style="kimi-k2.6",
    price=Price(0.95, 0.16, 4.00),
    sees=_SEEING,
)
_K2_7_CODE = replace(
    _K2_6,
    id="kimi-k2.7-code",
    display_name="Kimi K2.7 Code",
    created=1781222400,
    thinking="only",
    keep="always",
    prompt_style="kimi-k2.7-code",
    price=Price(0.95, 0.19, 4.00),
)
_K2_7_CODE_HIGHSPEED = replace(
    _K2_7_CODE,
    id="kimi-k2.7-code-highspeed",
    display_name="Kimi K2.7 Code High Speed",
    created=1781481600,
    price=Price(1.90, 0.38, 8.00),
)
_K2_5 = replace(
    _K2_6,
    id="kimi-k2.5",
    display_name="Kimi K2.5",
    created=1769472000,
    keep="none",
    price=Price(0.60, 0.10, 3.00),
    reasoning_boundary=False,
)
_K2_THINKING = replace(
    _K2_5,
    id="kimi-k2-thinking",
    display_name="Kimi K2 Thinking",
    created=1762387200,
    thinking="only",
    sampling=FREE,
    prompt_style="kimi-k2-thinking",
    price=Price(0.60, 0.15, 2.50),
    sees=frozenset(),
)
_K2_THINKING_TURBO = replace(
    _K2_THINKING,
    id="kimi-k2-thinking-turbo",
    display_name="Kimi K2 Thinking Turbo",
    price=Price(1.15, 0.15, 8.00),
)

CARDS: tuple[ModelCard, ...] = (
    _K3,
    _K2_7_CODE,
    _K2_7_CODE_HIGHSPEED,
    _K2_6,
    _K2_5,
    _K2_THINKING,
    _K2_THINKING_TURBO,
)
"""Every card that ships with Moonbase, in the order that `GET /v1/models` lists them."""
