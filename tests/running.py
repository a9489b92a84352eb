"""A real server in a test: the app behind uvicorn on a free port, in the test's own event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from moonbase.accounts.batches import BatchStore
from moonbase.accounts.file_index import FileLimits
from moonbase.accounts.files import FileStore
from moonbase.accounts.keys import KeyRing
from moonbase.accounts.ledger import Ledger
from moonbase.accounts.money import DOLLAR
from moonbase.accounts.quotas import Quotas
from moonbase.accounts.store import SqliteStore, Store
from moonbase.contract.cards import CARDS
from moonbase.contract.engine import Engine
from moonbase.engines.scripted import ScriptedEngine
from moonbase.server.app import App
from moonbase.server.drain import Drain
from moonbase.server.listen import Listener, bind, url_of
from moonbase.server.platform import BatchPace, Platform, Served
from moonbase.server.recall import Recall, Shelf
from moonbase.server.recall_file import RecallFile
from moonbase.server.settings import MissingReasoning
from moonbase.tools.extracting.extractor import Extractor
from moonbase.tools.fetching.pages import PageReader
from moonbase.tools.official.formulas import official_formulas
from moonbase.tools.run import FiberRunner, Limits
from moonbase.tools.seal import Sealer
from moonbase.tools.search.index import IndexSearch
from moonbase.tools.search.provider import SearchProvider
from moonbase.tools.search.sample import sample_news
from moonbase.tools.tool import Formula
from moonbase.tools.toolset import Toolset

KEY = "sk-test-key"
NOW = 1_700_000_000.0
EAGER = BatchPace(pauses=(0, 0))
"""Batches that ask an engine again at once."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that takes requests at `url`; `base_url` is what an API client is given."""

    url: str
    platform: Platform
    listener: Listener

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"


def make_platform(
    data_dir: Path,
    *,
    engine: Engine | None = None,
    keys: tuple[str, ...] = (),
    allow_origins: tuple[str, ...] = (),
    site: Path | None = None,
    max_body: int = 100 * 1024 * 1024,
    drain: float = 2.0,
    patience: float = 60.0,
    unread: float = 300.0,
    missing_reasoning: MissingReasoning = "restore",
    credit: int = 1_000_000 * DOLLAR,
    store: Store | None = None,
    shelf: Shelf | None = None,
    formulas: Iterable[Formula] = (),
    limits: Limits | None = None,
    quotas: Quotas | None = None,
    file_limits: FileLimits | None = None,
    extractor: Extractor | None = None,
    clock: Callable[[], float] = lambda: NOW,
    batch_pace: BatchPace = EAGER,
    search: SearchProvider | None = None,
    pages: PageReader | None = None,
) -> Platform:
    """Every model on one engine (the scripted one unless told otherwise), with the official tools and `formulas`."""
    runs = engine or ScriptedEngine()
    sealer = Sealer(b"\7" * 32)
    ledger = Ledger(store or SqliteStore(data_dir / "ledger.db"), credit=credit)
    recall = Recall(shelf or RecallFile(data_dir / "recall.db", clock=time.time), time.time)
    files = FileStore(data_dir, limits=file_limits, clock=clock)
    batches = BatchStore(data_dir, clock=clock)
    search = search or IndexSearch(data_dir / "search.db", [sample_news()])
    toolset = Toolset([*official_formulas(search), *formulas])
    return Platform(
        models={card.id: Served(card, runs) for card in CARDS},
        keys=KeyRing(keys),
        ledger=ledger,
        files=files,
        batches=batches,
        batch_pace=batch_pace,
        extractor=extractor or Extractor(),
        toolset=toolset,
        fibers=FiberRunner(toolset, sealer=sealer, limits=limits),
        sealer=sealer,
        search=search,
        pages=pages,
        recall=recall,
        quotas=quotas,
        allow_origins=allow_origins,
        site=site,
        missing_reasoning=missing_reasoning,
        clock=clock,
        data_dir=data_dir,
        max_body=max_body,
        patience=patience,
        unread=unread,
        drain=Drain(drain),
        opening=(ledger.start, files.open, batches.open),
        closing=(ledger.close, files.close, batches.close, recall.close),
    )


@asynccontextmanager
async def running(platform: Platform) -> AsyncGenerator[Running]:
    """Serve `platform` until the block ends."""
    taken = bind("127.0.0.1", 0)
    url = url_of(taken)
    listener = Listener(App(platform))
    serving = asyncio.create_task(listener.run_on(taken))
    ready = asyncio.create_task(listener.ready.wait())
    try:
        await asyncio.wait((serving, ready), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        yield Running(url, platform, listener)
    finally:
        ready.cancel()
        listener.end()
        await serving
