"""From settings to a platform: every object is made here and handed on."""

from __future__ import annotations

import time
from pathlib import Path

from msgspec.structs import replace

import moonbase
from moonbase.accounts.batches import BatchStore
from moonbase.accounts.file_index import FileLimits
from moonbase.accounts.files import FileStore
from moonbase.accounts.key_watch import KeyWatch
from moonbase.accounts.keys import KeyRing, read_key_file
from moonbase.cli.keeping import keep_here, keep_shared
from moonbase.cli.toolbox import open_toolbox
from moonbase.cli.upstreams import open_upstreams
from moonbase.contract.cards import CARDS, ModelCard
from moonbase.contract.engine import Engine
from moonbase.contract.errors import SettingsError
from moonbase.engines.chaos import ChaosEngine
from moonbase.engines.model_store import ModelStore
from moonbase.engines.opening import bundled_model, open_gguf
from moonbase.engines.reasking import ReaskingEngine
from moonbase.engines.scripted import ScriptedEngine
from moonbase.server.data_dir import default_data_dir, prepare_data_dir
from moonbase.server.drain import Drain
from moonbase.server.pages import check_origins
from moonbase.server.platform import BatchPace, Platform, Served
from moonbase.server.settings import (
    EngineSettings,
    FilesSettings,
    Settings,
    check_binding,
    starting_credit,
    with_default_engine,
)
from moonbase.tools.extracting.extractor import Extractor
from moonbase.tools.keyfile import load_or_create_key

PLAYGROUND = Path(moonbase.__file__).parent / "web"


def compose(settings: Settings) -> Platform:
    """Make the platform; raises `SettingsError` for whatever in the settings cannot work."""
    settings = with_default_engine(settings)
    keys, watches = _key_ring(settings)
    check_binding(settings.server.host, has_keys=not keys.open)
    check_origins(settings.server.allow_origins)
    credit = starting_credit(settings.server.credit_usd)
    chosen = settings.server.data_dir
    data_dir = prepare_data_dir(Path(chosen) if chosen else default_data_dir())
    limits = settings.limits.limits()
    seal_key = load_or_create_key(data_dir / "seal.key")
    if url := settings.server.database_url:
        kept = keep_shared(url, seal_key, credit=credit, limits=limits)
    else:
        kept = keep_here(data_dir, seal_key, credit=credit, limits=limits)
    files = FileStore(data_dir, limits=file_limits(settings.files))
    batches = BatchStore(data_dir, clock=time.time)
    tools = open_toolbox(settings, data_dir, files, seal_key=kept.seal_key)
    return Platform(
        models=_served(settings, data_dir),
        keys=keys,
        ledger=kept.ledger,
        files=files,
        batches=batches,
        batch_pace=BatchPace(at_once=settings.batches.at_once, patience=settings.batches.patience_s),
        extractor=Extractor(seconds=settings.files.extract_s),
        toolset=tools.toolset,
        fibers=tools.fibers,
        sealer=tools.sealer,
        search=tools.search,
        pages=tools.pages,
        mcp_clear=frozenset(settings.tools.mcp_clear),
        recall=kept.recall,
        quotas=kept.quotas,
        watchers=_watchers(settings.server.metrics_key),
        shared=kept.working,
        site=PLAYGROUND if settings.server.playground else None,
        allow_origins=settings.server.allow_origins,
        missing_reasoning=settings.server.missing_reasoning,
        schema_level=settings.server.schema_level,
        clock=time.time,
        data_dir=data_dir,
        max_body=settings.server.max_body_mb * 1024 * 1024,
        unread=settings.server.unread_s,
        drain=Drain(settings.server.drain_s, linger=settings.server.linger_s),
        opening=(
            *(watch.start for watch in watches),
            *tools.connecting,
            *tools.opening,
            *kept.opening,
            files.open,
            batches.open,
        ),
        closing=(*(watch.close for watch in watches), *tools.closing, *kept.closing, files.close, batches.close),
        notices=(*(f"tools    {notice}" for notice in tools.notices), *kept.notices),
    )


def file_limits(settings: FilesSettings) -> FileLimits:
    megabyte = 1024 * 1024
    return FileLimits(
        file_bytes=settings.max_file_mb * megabyte,
        count=settings.max_files,
        total_bytes=settings.max_total_mb * megabyte,
    )


def _key_ring(settings: Settings) -> tuple[KeyRing, list[KeyWatch]]:
    """The keys, and what keeps those of the key file up to date."""
    keys = list(settings.server.api_keys)
    if not all(key.strip() for key in keys):
        raise SettingsError("an API key is empty; give every --api-key and every entry of server.api_keys a value")
    if not settings.server.key_file:
        return KeyRing(keys), []
    path = Path(settings.server.key_file)
    ring = KeyRing()
    watch = KeyWatch(ring, path, keys)  # before it is read: what changes meanwhile is seen
    ring.hold([*keys, *read_key_file(path)])
    return ring, [watch]


def _watchers(key: str | None) -> KeyRing | None:
    if key is not None and not key.strip():
        raise SettingsError("server.metrics_key is empty; give it a value, or leave it out")
    return None if key is None else KeyRing([key.strip()])


def _served(settings: Settings, data_dir: Path) -> dict[str, Served]:
    """Each model that some engine is named for, in the order of the cards; "*" names one for all the rest."""
    models = ModelStore(data_dir / "models")
    engines = {name: promising(_engine(name, settings, models), settings) for name in settings.engines}
    rest = settings.models.get("*")
    cards: dict[str, ModelCard] = {card.id: card for card in CARDS}
    if settings.server.k3_logprobs:
        cards = {id: replace(card, logprobs=True) for id, card in cards.items()}
    for model in settings.models:
        if model != "*" and model not in cards:
            known = ", ".join(cards)
            raise SettingsError(f"models.{model!r} is not a model that Moonbase has a card for; it knows: {known}")
    chosen = {model: settings.models.get(model, rest) for model in cards}
    return {
        model: Served(cards[model], engines[engine], engine) for model, engine in chosen.items() if engine is not None
    }


def _engine(name: str, settings: Settings, models: ModelStore) -> Engine:
    """The engine `name`; one of kind chaos has another in it, of its own. Raises `SettingsError`."""
    spec = settings.engines[name]
    if spec.kind != "chaos":
        return open_engine(name, spec, models)
    if spec.of is None:
        return ChaosEngine(ScriptedEngine(pace=spec.pace_s, context=spec.context or 262_144), spec.chaos)
    spoiled = settings.engines.get(spec.of)
    if spoiled is None or spoiled.kind == "chaos":
        known = ", ".join(other for other, each in settings.engines.items() if each.kind != "chaos") or "none"
        raise SettingsError(
            f"engines.{name}.of must name another engine that is not of kind chaos ({known}): {spec.of!r}"
        )
    return ChaosEngine(open_engine(spec.of, spoiled, models), spec.chaos)


def open_engine(name: str, spec: EngineSettings, models: ModelStore | None = None) -> Engine:
    """The engine that `[engines.NAME]` describes, whose model may be one of `models`; raises `SettingsError`."""
    if spec.kind == "scripted":
        return ScriptedEngine(pace=spec.pace_s, context=spec.context or 262_144)
    if spec.kind == "http":
        return open_upstreams(name, spec)
    path = bundled_model() if spec.kind == "bundled" else Path(spec.path or "")
    if spec.kind == "gguf" and not spec.path:
        raise SettingsError(f"engines.{name}.path is missing; an engine of kind gguf needs the path of a GGUF file")
    path = path.expanduser()
    if models is not None and not (path.is_absolute() or path.exists()):
        path = models.find(spec.path or "")
    cache = spec.cache_mb * 1024 * 1024
    return open_gguf(
        path, context=spec.context, threads=spec.threads, slots=spec.slots, batch=spec.batch, cache_bytes=cache
    )


def promising(engine: Engine, settings: Settings) -> Engine:
    """An engine whose answers fit their schemas: by itself, or because they are checked and asked for again."""
    tries = settings.server.reask
    return engine if engine.enforces or not tries else ReaskingEngine(engine, tries=tries)
