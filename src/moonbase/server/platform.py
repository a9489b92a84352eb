"""What the server serves: models, engines, tools, keys and their accounts, as one value handed to the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from moonbase.accounts.batches import BatchStore
from moonbase.accounts.files import FileStore
from moonbase.accounts.keys import KeyRing
from moonbase.accounts.ledger import Ledger
from moonbase.accounts.quotas import Quotas
from moonbase.contract.cards import ModelCard
from moonbase.contract.engine import Engine
from moonbase.contract.errors import unknown_model
from moonbase.contract.media_formats import MediaKind
from moonbase.contract.mfjs import Level
from moonbase.server.drain import Drain
from moonbase.server.recall import Recall
from moonbase.server.settings import MissingReasoning
from moonbase.tools.extracting.extractor import Extractor
from moonbase.tools.fetching.pages import PageReader
from moonbase.tools.run import FiberRunner
from moonbase.tools.seal import Sealer
from moonbase.tools.search.provider import SearchProvider
from moonbase.tools.toolset import Toolset

Step = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Served:
    """A model that can be asked for: its card, and the engine that runs it."""

    card: ModelCard
    engine: Engine
    engine_name: str = ""
    """For the operator."""

    @property
    def sees(self) -> frozenset[MediaKind]:
        """What requests may show it: what the model takes and the engine behind it can look at."""
        return self.card.sees & self.engine.sees


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPace:
    """How requests of batches stand behind others: so many at once; each waits up to `patience` seconds for a moment
    when no caller waits for an answer. `pauses`: seconds after which one is asked again that the engine could not
    answer."""

    at_once: int = 2
    patience: float = 10.0
    pauses: tuple[float, ...] = (1, 5, 30, 120, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Everything that requests need. `clock` gives Unix time in seconds."""

    models: Mapping[str, Served]
    keys: KeyRing
    ledger: Ledger
    files: FileStore
    batches: BatchStore
    extractor: Extractor
    toolset: Toolset
    fibers: FiberRunner
    sealer: Sealer
    recall: Recall
    clock: Callable[[], float]
    search: SearchProvider
    """What the web search of `/v1/tools` asks."""
    pages: PageReader | None = None
    """What reads pages of the web there; None where that is switched off."""
    quotas: Quotas | None = None
    """None where no key is limited."""
    watchers: KeyRing | None = None
    """Who may read `/metrics`. None: where there are no API keys everybody who can connect, else nobody."""
    shared: Callable[[], bool] | None = None
    """Whether the database that servers share can be used now; None where nothing is shared."""
    data_dir: Path | None = None
    batch_pace: BatchPace = BatchPace()
    mcp_clear: frozenset[str] = frozenset()
    """Protected formulas whose output `/mcp` gives in clear."""
    site: Path | None = None
    """The folder of the playground; None where there is none."""
    allow_origins: tuple[str, ...] = ()
    """Origins of web pages that may use the server; those of this machine may anyway."""
    missing_reasoning: MissingReasoning = "restore"
    schema_level: Level = "strict"
    max_body: int = 100 * 1024 * 1024
    patience: float = 60.0
    """Seconds that a client may be silent in the middle of its request."""
    unread: float = 300.0
    """Seconds in which a client may take nothing of its answer."""
    drain: Drain = field(default_factory=lambda: Drain(4.0))
    opening: tuple[Step, ...] = ()
    """What else must be ready before the first request; a step may raise `SettingsError`."""
    closing: tuple[Step, ...] = ()
    notices: tuple[str, ...] = ()
    """Lines for the operator at start."""

    def model(self, name: str) -> Served:
        """Raises `NotFound` for a name that is not served."""
        served = self.models.get(name)
        if served is None:
            raise unknown_model(name)
        return served

    def engines(self) -> list[Engine]:
        """Each engine once, in order."""
        return list({id(served.engine): served.engine for served in self.models.values()}.values())
