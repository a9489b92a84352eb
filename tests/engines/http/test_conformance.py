"""The conformance suite over `server(http(server(scripted)))`: what holds in front of an engine holds in front of a
server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from moonbase.conformance.check import Check
from moonbase.conformance.extensions import REFUSED
from moonbase.conformance.run import OTHER_MODELS, Result
from moonbase.conformance.suite import CHECKS
from moonbase.contract.cards import CARDS, ModelCard
from moonbase.contract.engine import Engine, EngineAround
from moonbase.contract.events import ContentDelta, Event, ReasoningDelta
from moonbase.contract.request import ChatRequest
from moonbase.engines.http.dialect import DialectName
from moonbase.engines.scripted import ScriptedEngine
from moonbase.server.app import App
from tests.conformance.judging import judge
from tests.engines.http.serving import http_engine
from tests.running import KEY, make_platform, running


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
async def test_a_server_behind_a_server_conforms(tmp_path: Path, card: ModelCard) -> None:
    results = await judged_behind(tmp_path, card.id, "moonbase")
    assert failed(results) == []
    assert len(results) > 90


@pytest.mark.parametrize(
    ("dialect", "known"),
    [("kimi", []), ("vllm", []), ("sglang", []), ("llamacpp", []), ("openai", ["partial"])],
)
async def test_what_is_mended_conforms(tmp_path: Path, dialect: DialectName, known: list[str]) -> None:
    """The same through the other dialects, on the card whose controls each of them has: none."""
    results = await judged_behind(tmp_path, "kimi-k2-thinking", dialect)
    assert [name.partition(":")[0].split()[-1] for name in failed(results)] == known


class Tearing(EngineAround):
    """Shows bytes that are no character beside every text, and alone, as engines that detokenize do."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        async with aclosing(self._engine.stream(request)) as events:
            async for event in events:
                yield event
                if isinstance(event, ContentDelta):
                    yield ContentDelta("\ufffd", choice=event.choice)
                elif isinstance(event, ReasoningDelta):
                    yield ReasoningDelta("\ufffd", choice=event.choice)


async def test_text_is_whole_in_front_of_an_engine_that_shows_broken_bytes(tmp_path: Path) -> None:
    """contract.md 2.5."""
    streams = [check for check in CHECKS if check.name.startswith("stream-")]
    results = await judged_behind(tmp_path, "kimi-k2-thinking", "vllm", Tearing(ScriptedEngine()), streams)
    assert failed(results) == []
    assert "stream-utf8" in [result.check.name for result in results]


def failed(results: list[Result]) -> list[str]:
    return [f"{result.outcome} {result.check.name}: {result.detail}" for result in results if result.outcome != "pass"]


async def judged_behind(
    folder: Path, model: str, dialect: DialectName, engine: Engine | None = None, checks: Sequence[Check] = CHECKS
) -> list[Result]:
    for name in ("inner", "outer"):
        (folder / name).mkdir()
    async with running(make_platform(folder / "inner", engine=engine, keys=(KEY,))) as inner:
        app = App(make_platform(folder / "outer", engine=http_engine(inner.url, dialect), keys=(KEY,)))
        await app.open()
        try:
            results = await judge(app, model=model, checks=checks)
        finally:
            await app.close()
    return [result for result in results if not result.detail.startswith((OTHER_MODELS, REFUSED))]
