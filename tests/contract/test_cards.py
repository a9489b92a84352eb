"""The cards hold the facts of contract.md 1.2, 1.3, 2.4, 8.2 and 8.3; the tables here are copied from the document."""

from __future__ import annotations

import pytest

from moonbase.contract.cards import CARDS, Efforts, Pin, Range

MODELS = {card.id: card for card in CARDS}


def test_the_models_of_the_documents_and_k3_are_served() -> None:
    assert [card.id for card in CARDS] == [
        "kimi-k3",
        "kimi-k2.7-code",
        "kimi-k2.7-code-highspeed",
        "kimi-k2.6",
        "kimi-k2.5",
        "kimi-k2-thinking",
        "kimi-k2-thinking-turbo",
    ]


@pytest.mark.parametrize(
    ("model", "switch", "keep"),
    [
        ("kimi-k3", "only", "always"),
        ("kimi-k2.7-code", "only", "always"),
        ("kimi-k2.7-code-highspeed", "only", "always"),
        ("kimi-k2.6", "both", "optional"),
        ("kimi-k2.5", "both", "none"),
        ("kimi-k2-thinking", "only", "none"),
        ("kimi-k2-thinking-turbo", "only", "none"),
    ],
)
def test_thinking_switch_and_keep(model: str, switch: str, keep: str) -> None:
    """contract.md 1.3."""
    assert (MODELS[model].thinking, MODELS[model].keep) == (switch, keep)


@pytest.mark.parametrize("model", ["kimi-k3", "kimi-k2.7-code", "kimi-k2.7-code-highspeed", "kimi-k2.6", "kimi-k2.5"])
@pytest.mark.parametrize(
    ("name", "thinking", "plain"),
    [
        ("temperature", 1.0, 0.6),
        ("top_p", 0.95, 0.95),
        ("n", 1, 1),
        ("presence_penalty", 0, 0),
        ("frequency_penalty", 0, 0),
    ],
)
def test_sampling_is_locked_from_k2_5_on(model: str, name: str, thinking: float, plain: float) -> None:
    """contract.md 1.2."""
    pin = getattr(MODELS[model].sampling, name)
    assert isinstance(pin, Pin)
    assert (pin.value(True), pin.value(False)) == (thinking, plain)


@pytest.mark.parametrize("model", ["kimi-k2-thinking", "kimi-k2-thinking-turbo"])
@pytest.mark.parametrize(
    ("name", "default", "low", "high"),
    [
        ("temperature", 1.0, 0, 1),
        ("top_p", 1.0, 0, 1),
        ("n", 1, 1, 5),
        ("presence_penalty", 0, -2, 2),
        ("frequency_penalty", 0, -2, 2),
    ],
)
def test_sampling_is_free_on_k2_thinking(model: str, name: str, default: float, low: float, high: float) -> None:
    """contract.md 1.2."""
    assert getattr(MODELS[model].sampling, name) == Range(default, low, high)


@pytest.mark.parametrize("model", MODELS)
def test_context_and_default_budget(model: str) -> None:
    """contract.md 8.2 and 1.1: 256·1024 tokens of context, 32·1024 of answer unless asked otherwise; K3 has more."""
    expected = (1024 * 1024, 131_072) if model == "kimi-k3" else (256 * 1024, 32 * 1024)
    assert (MODELS[model].context_length, MODELS[model].default_max_tokens) == expected


@pytest.mark.parametrize(
    ("model", "miss", "hit", "output"),
    [
        ("kimi-k3", 3.00, 0.30, 15.00),
        ("kimi-k2.7-code", 0.95, 0.19, 4.00),
        ("kimi-k2.7-code-highspeed", 1.90, 0.38, 8.00),
        ("kimi-k2.6", 0.95, 0.16, 4.00),
        ("kimi-k2.5", 0.60, 0.10, 3.00),
        ("kimi-k2-thinking", 0.60, 0.15, 2.50),
        ("kimi-k2-thinking-turbo", 1.15, 0.15, 8.00),
    ],
)
def test_prices(model: str, miss: float, hit: float, output: float) -> None:
    """contract.md 8.3, US dollars for a million tokens."""
    price = MODELS[model].price
    assert (price.input, price.cached_input, price.output) == (miss, hit, output)


@pytest.mark.parametrize(
    ("model", "boundary", "style"),
    [
        ("kimi-k3", True, "kimi-k3"),
        ("kimi-k2.7-code", True, "kimi-k2.7-code"),
        ("kimi-k2.7-code-highspeed", True, "kimi-k2.7-code"),
        ("kimi-k2.6", True, "kimi-k2.6"),
        ("kimi-k2.5", False, "kimi-k2.6"),
        ("kimi-k2-thinking", False, "kimi-k2-thinking"),
        ("kimi-k2-thinking-turbo", False, "kimi-k2-thinking"),
    ],
)
def test_reasoning_boundary_and_prompt_style(model: str, boundary: bool, style: str) -> None:
    """contract.md 2.4 step 3 (from K2.6 on) and the columns of section 13."""
    assert (MODELS[model].reasoning_boundary, MODELS[model].prompt_style) == (boundary, style)


def test_call_ids_are_those_of_the_hosted_models() -> None:
    """contract.md 2.3: `<name>:<idx>`, and `<name>_<n>` on K3."""
    assert {card.call_id_form for card in CARDS if card.id != "kimi-k3"} == {"name:index"}
    assert MODELS["kimi-k3"].call_id_form == "name_index"


def test_what_only_k3_can() -> None:
    """contract.md 1.3, 1.6, 1.7."""
    able = [card.id for card in CARDS if card.efforts or card.requires_while_thinking or card.dynamic_tools]
    assert able == ["kimi-k3"]
    assert MODELS["kimi-k3"].efforts == Efforts(("low", "high", "max"), "max")


@pytest.mark.parametrize("model", MODELS)
def test_all_but_k2_thinking_see(model: str) -> None:
    """contract.md 5.1: the rows of the hosted models from K2.5 on say that they take images and videos."""
    assert MODELS[model].sees == (frozenset() if "thinking" in model else {"image", "video"})


def test_a_card_is_a_value() -> None:
    with pytest.raises(AttributeError):
        setattr(CARDS[0], "id", "other")  # noqa: B010 - the checker knows that this cannot work
