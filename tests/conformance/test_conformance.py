"""Our server, judged by the suite: every card over the scripted engine, and the bundled model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from moonbase.conformance.extensions import REFUSED
from moonbase.conformance.profile import by_card
from moonbase.conformance.run import OTHER_MODELS, Result
from moonbase.contract.cards import CARDS, ModelCard
from moonbase.engines.opening import bundled_model, open_gguf
from moonbase.server.app import App
from tests.conformance.judging import judge
from tests.running import KEY, make_platform

ANY = "any"
PENDING: Mapping[str, str] = MappingProxyType({})
"""Checks that our server does not pass yet, and for which models (a capability). This list only shrinks."""


def shown(results: list[Result]) -> list[str]:
    return [f"{result.outcome} {result.check.name}: {result.detail}" for result in results]


def pending(card: ModelCard) -> set[str]:
    return {name for name, models in PENDING.items() if models in {ANY, *by_card(card).capabilities}}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
async def test_the_server_conforms(tmp_path: Path, card: ModelCard) -> None:
    """Over the scripted engine, which obeys, no check may fail, and none may be skipped but for what a model is, or
    what the server refuses in good form (contract.md 11.1: logprobs)."""
    results = await judge(App(make_platform(tmp_path, keys=(KEY,))), model=card.id)
    refused = {result.check.name for result in results if result.detail.startswith(REFUSED)}
    assert refused == (set() if card.logprobs else {"ext-logprobs"})
    judged = [result for result in results if not result.detail.startswith((OTHER_MODELS, REFUSED))]
    surprising = [result for result in judged if result.outcome != "pass" and result.check.name not in pending(card)]
    assert shown(surprising) == []
    done = {result.check.name for result in judged if result.outcome == "pass"} & pending(card)
    assert done == set(), "these pass now: take them off PENDING"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("model", [card.id for card in CARDS])
async def test_the_bundled_model_conforms(tmp_path: Path, model: str) -> None:
    """A real model may fail to follow a wish, which skips a check; it fails none."""
    app = App(make_platform(tmp_path, engine=open_gguf(bundled_model()), keys=(KEY,)))
    await app.open()
    try:
        results = await judge(app, model=model, timeout=300, budget=256)
    finally:
        await app.close()
    failed = [result for result in results if result.outcome == "fail" and result.check.name not in PENDING]
    assert shown(failed) == []
    assert sum(result.outcome == "pass" for result in results) > 100
