"""What the suite finds out of a model that it has no card for, and what it is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from moonbase.conformance.probe import find_profile
from moonbase.conformance.profile import Known, Profile, by_card, card_of
from moonbase.conformance.wire import Unreachable, Wire
from moonbase.contract.cards import CARDS, ModelCard
from moonbase.server.app import App
from tests.conformance.judging import BASE
from tests.running import KEY, make_platform

K2 = [card for card in CARDS if card.call_id_form == "name:index"]


class Renamed:
    """`app`, with its models known as `vendor-MODEL` to those who send requests; the list of models is gone."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()

        async def again() -> Any:
            body = json.loads(message["body"] or b"{}")
            body["model"] = str(body.get("model")).removeprefix("vendor-")
            return {**message, "body": json.dumps(body).encode()}

        head = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        path = scope["path"].replace("/models", "/nowhere")
        received = iter([again])

        async def next_message() -> Any:
            step = next(received, None)
            return await step() if step else await receive()

        await self._app({**scope, "headers": head, "path": path}, next_message, send)


async def profile(app: Any, model: str, known: Known | None = None, key: str = KEY) -> Profile:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        return await find_profile(Wire(http, BASE, key=key, timeout=20), model, known or Known())


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(make_platform(tmp_path, keys=(KEY,)))


@pytest.mark.parametrize("card", K2, ids=lambda card: card.id)
async def test_probes_find_what_the_card_says(app: App, card: ModelCard) -> None:
    """All but the name's own facts: k2-thinking looks like any model that thinks always and keeps nothing."""
    found = await profile(Renamed(app), f"vendor-{card.id}")
    assert found.source == "probes"
    assert found.capabilities == by_card(card).capabilities


async def test_the_caller_is_believed(app: App) -> None:
    found = await profile(app, "kimi-k2.6", Known(thinking="only", keep="none", sampling="free"))
    assert {"thinking-only", "keep-none", "free"} <= found.capabilities
    assert found.source == "the card of kimi-k2.6, and flags"


async def test_another_name_for_a_known_model(app: App) -> None:
    found = await profile(Renamed(app), "vendor-kimi-k2.5", Known(like="kimi-k2.5"))
    assert found.source == "the card of kimi-k2.5"
    with pytest.raises(ValueError, match="no such card; there are "):
        await profile(app, "kimi-k2.6", Known(like="kimi-k9"))


async def test_vendors_spelling() -> None:
    card = card_of("moonshotai/Kimi-K2.6")
    assert card is not None and card.id == "kimi-k2.6"
    assert card_of("gpt") is None


async def test_a_server_that_cannot_be_asked(app: App) -> None:
    with pytest.raises(Unreachable, match="401"):
        await profile(app, "kimi-k2.6", key="sk-wrong")
    with pytest.raises(Unreachable, match="404"):
        await profile(app, "kimi-k9")
