"""The thinking controls, model by model (contract.md 1.3)."""

from __future__ import annotations

import msgspec
import pytest

from moonbase.contract.cards import CARDS, ModelCard
from moonbase.contract.errors import InvalidRequest
from moonbase.contract.request import decode_chat_body
from moonbase.contract.thinking import Thinking, ThinkingControl, resolve_thinking

MODELS = {card.id: card for card in CARDS}
ON, KEPT, OFF, OFF_KEPT = Thinking(True, False), Thinking(True, True), Thinking(False, False), Thinking(False, True)
ONLY_ENABLED = "invalid thinking: only type=enabled is allowed for this model"
K2_5_KEEP = 'thinking.keep is not supported by model "kimi-k2.5"'

SENT: list[tuple[str, str, Thinking | str]] = [
    # contract.md 1.3, first column
    ("kimi-k2.7-code", "null", KEPT),
    ("kimi-k2.7-code", '{"type":"enabled"}', KEPT),
    ("kimi-k2.7-code", '{"type":"enabled","keep":"all"}', KEPT),
    ("kimi-k2.7-code", '{"type":"enabled","keep":null}', KEPT),
    ("kimi-k2.7-code", '{"type":"disabled"}', ONLY_ENABLED),
    ("kimi-k2.7-code", '{"type":"enabled","keep":"none"}', "keep must be null or all, got 'none'"),
    ("kimi-k2.7-code", '{"type":"enabled","keep":""}', "keep must be null or all, got ''"),
    ("kimi-k2.7-code-highspeed", "null", KEPT),
    ("kimi-k2.7-code-highspeed", '{"type":"disabled"}', ONLY_ENABLED),
    # second column
    ("kimi-k2.6", "null", ON),
    ("kimi-k2.6", '{"type":"enabled"}', ON),
    ("kimi-k2.6", '{"type":"enabled","keep":null}', ON),
    ("kimi-k2.6", '{"type":"enabled","keep":"all"}', KEPT),
    ("kimi-k2.6", '{"type":"disabled"}', OFF),
    ("kimi-k2.6", '{"type":"disabled","keep":"all"}', OFF_KEPT),
    ("kimi-k2.6", '{"type":"enabled","keep":"last"}', "keep must be null or all, got 'last'"),
    ("kimi-k2.6", '{"type":"auto"}', "type must be enabled or disabled, got 'auto'"),
    ("kimi-k2.6", "{}", "`thinking.type` field is required"),
    ("kimi-k2.6", '{"keep":"all"}', "`thinking.type` field is required"),
    # third column
    ("kimi-k2.5", "null", ON),
    ("kimi-k2.5", '{"type":"enabled"}', ON),
    ("kimi-k2.5", '{"type":"disabled"}', OFF),
    ("kimi-k2.5", '{"type":"enabled","keep":"all"}', K2_5_KEEP),
    ("kimi-k2.5", '{"type":"disabled","keep":"all"}', K2_5_KEEP),
    # fourth column
    ("kimi-k2-thinking", "null", ON),
    ("kimi-k2-thinking", '{"type":"disabled"}', ONLY_ENABLED),
    ("kimi-k2-thinking-turbo", "null", ON),
    ("kimi-k2-thinking-turbo", '{"type":"disabled"}', ONLY_ENABLED),
    # contract.md 9A: official clients add `effort`, which must not be choked on
    ("kimi-k2.6", '{"type":"enabled","effort":"high"}', ON),
]


@pytest.mark.parametrize(("model", "sent", "outcome"), SENT)
def test_what_the_controls_come_to(model: str, sent: str, outcome: Thinking | str) -> None:
    control = msgspec.json.decode(sent, type=ThinkingControl | None)
    if isinstance(outcome, Thinking):
        assert resolve_thinking(MODELS[model], control) == outcome
        return
    with pytest.raises(InvalidRequest) as caught:
        resolve_thinking(MODELS[model], control)
    assert outcome in caught.value.message


def test_the_recorded_texts_are_whole_messages() -> None:
    """contract.md 4.3."""
    for model, control, text in [
        ("kimi-k2.7-code", ThinkingControl("disabled"), ONLY_ENABLED),
        ("kimi-k2.5", ThinkingControl("enabled", "all"), K2_5_KEEP),
    ]:
        with pytest.raises(InvalidRequest) as caught:
            resolve_thinking(MODELS[model], control)
        assert caught.value.message == text


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_a_budget_of_tokens_is_taken_by_every_card(card: ModelCard) -> None:
    """An extension: the hosted API has no such member."""
    for budget in (0, 1, 10**12, None):
        control = ThinkingControl(type="enabled", budget_tokens=budget)
        assert resolve_thinking(card, control).budget == budget
    assert resolve_thinking(card, None).budget is None


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_a_budget_below_nothing_is_refused_by_name(card: ModelCard) -> None:
    with pytest.raises(InvalidRequest, match="budget_tokens must be at least 0, got -1"):
        resolve_thinking(card, ThinkingControl(type="enabled", budget_tokens=-1))


def test_a_budget_of_no_thinking_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="budget_tokens needs type=enabled"):
        resolve_thinking(MODELS["kimi-k2.6"], ThinkingControl(type="disabled", budget_tokens=5))


@pytest.mark.parametrize("budget", ['"5"', "1.5", "true", "[]"])
def test_a_budget_that_is_no_number_is_refused_by_name(budget: str) -> None:
    body = f'{{"model":"kimi-k2.6","messages":[],"thinking":{{"type":"enabled","budget_tokens":{budget}}}}}'
    with pytest.raises(InvalidRequest, match=r"thinking\.budget_tokens"):
        decode_chat_body(body.encode())
