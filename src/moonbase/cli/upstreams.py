"""From `[engines.NAME]` of kind http to an engine."""

from __future__ import annotations

import os
from pathlib import Path

from moonbase.contract.engine import Engine
from moonbase.contract.errors import SettingsError
from moonbase.engines.http.client import Client
from moonbase.engines.http.dialect import Dialect
from moonbase.engines.http.dialects import DIALECTS, VLLM_WITH_BUDGETS
from moonbase.engines.http.engine import HttpEngine
from moonbase.engines.http.upstream import Upstream, parse_upstream
from moonbase.engines.remote.opening import at_root, open_remote
from moonbase.engines.remote.settings import RemoteSettings
from moonbase.engines.router import Member, RouterEngine
from moonbase.server.settings import EngineSettings, UpstreamSettings


def open_upstreams(name: str, spec: EngineSettings) -> Engine:
    """One upstream, or a pool of them; raises `SettingsError`."""
    upstreams = [*([UpstreamSettings(spec.url)] if spec.url else []), *spec.upstreams]
    if not upstreams:
        raise SettingsError(f"engines.{name}.url is missing; an engine of kind http needs the URL of an upstream")
    engines = [_open(name, spec, one) for one in upstreams]
    return engines[0] if len(engines) == 1 else RouterEngine(engines)


def _open(name: str, spec: EngineSettings, one: UpstreamSettings) -> Member:
    upstream = parse_upstream(one.url, key_of(name, spec, one))
    if spec.tokenizer is not None:
        return _open_rendered(name, spec, one, upstream, Path(spec.tokenizer).expanduser())
    if spec.constrains:
        raise SettingsError(f"engines.{name}.constrains goes with engines.{name}.tokenizer")
    client = Client(upstream, connect_s=spec.connect_s, silence_s=spec.silence_s)
    dialect = _dialect(name, spec, one)
    if spec.opens_thinking and dialect.text.think is None:
        raise SettingsError(f"engines.{name}.opens_thinking is for engines, and {dialect.name} is a platform")
    return HttpEngine(
        client,
        dialect,
        model=one.model or spec.model,
        sees=None if spec.sees is None else frozenset(spec.sees),
        opens_thinking=spec.opens_thinking,
    )


def _dialect(name: str, spec: EngineSettings, one: UpstreamSettings) -> Dialect:
    dialect = one.dialect or spec.dialect
    if spec.budgets and dialect != "vllm":
        raise SettingsError(f"engines.{name}.budgets is for the dialect vllm; this one is {dialect}")
    return VLLM_WITH_BUDGETS if spec.budgets else DIALECTS[dialect]


def _open_rendered(
    name: str, spec: EngineSettings, one: UpstreamSettings, upstream: Upstream, tokenizer: Path
) -> Member:
    dialect = one.dialect or spec.dialect
    if dialect != "vllm" and dialect != "sglang":
        raise SettingsError(
            f"engines.{name}.tokenizer is for prompts in token ids, which only the dialects vllm and sglang take; "
            f"this one is {dialect}"
        )
    settings = RemoteSettings(
        dialect=dialect, model=one.model or spec.model, context=spec.context or None, constrains=spec.constrains
    )
    client = Client(at_root(upstream), connect_s=spec.connect_s, silence_s=spec.silence_s)
    return open_remote(client, tokenizer, settings)


def key_of(name: str, spec: EngineSettings, one: UpstreamSettings) -> str | None:
    """The API key for one upstream: its own, else that of its engine. Raises `SettingsError`."""
    own = one.key or one.key_env
    return _key(name, one.key if own else spec.key, one.key_env if own else spec.key_env)


def _key(name: str, key: str | None, variable: str | None) -> str | None:
    if key is not None and variable is not None:
        raise SettingsError(f"engines.{name} has both key and key_env; give one of them")
    if variable is None:
        return key
    value = os.environ.get(variable)
    if not value:
        raise SettingsError(f"engines.{name}.key_env names the environment variable {variable!r}, which is not set")
    return value
