"""What the flags of `moonbase serve` change in the settings."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import to_builtins

from moonbase.contract.errors import SettingsError
from moonbase.server.settings import EngineSettings, Settings, UpstreamSettings, parse_limits
from moonbase.tools.mcp.server import parse_servers

_SERVER = (
    *("host", "port", "key_file", "data_dir", "database_url", "missing_reasoning", "schema_level", "credit_usd"),
    *("reask", "metrics_key"),
)
"""Flags that are named as in `[server]`."""


def apply_flags(settings: Settings, flags: dict[str, Any]) -> Settings:
    """`settings` with what the command line says; raises `SettingsError` for flags that contradict each other."""
    server = {name: flags[name] for name in _SERVER if flags[name] is not None}
    if flags["no_playground"]:
        server["playground"] = False
    if flags["k3_logprobs"]:
        server["k3_logprobs"] = True
    if flags["api_keys"]:
        server["api_keys"] = flags["api_keys"]
    if flags["allow_origins"]:
        server["allow_origins"] = flags["allow_origins"]
    search: dict[str, Any] = {}
    if flags["folders"]:
        search["folders"] = flags["folders"]
    if flags["searxng"]:
        search["searxng"] = flags["searxng"]
    if flags["live_search"]:
        search["live"] = True
    replace = msgspec.structs.replace
    limits = {name: value for name, value in to_builtins(parse_limits(flags["limits"])).items() if value is not None}
    return replace(
        settings,
        server=replace(settings.server, **server),
        search=replace(settings.search, **search),
        tools=replace(settings.tools, modules=(*settings.tools.modules, *flags["modules"])),
        limits=replace(settings.limits, **limits),
        mcp={**settings.mcp, **parse_servers(flags["mcp_servers"])},
        **_engine_flags(settings, flags),
    )


def _engine_flags(settings: Settings, flags: dict[str, Any]) -> dict[str, Any]:
    limits = {name: flags[name] for name in ("context", "threads", "slots") if flags[name] is not None}
    choices = {"--model": "gguf", "--engine": "engine", "--upstream": "upstreams"}
    given = [name for name, flag in choices.items() if flags[flag]]
    if len(given) > 1:
        raise SettingsError(f"{' and '.join(given)} contradict each other; give one of them")
    if flags["upstreams"]:
        return _upstream_flags(flags, limits)
    if lost := [name for name in ("dialect", "upstream_model", "tokenizer", "constrained") if flags[name]]:
        raise SettingsError(f"--{lost[0].replace('_', '-')} goes with --upstream")
    kind = "gguf" if flags["gguf"] else flags["engine"]
    if kind is None and not (limits and not settings.engines):
        if limits:
            raise SettingsError("--context, --threads and --slots go with --model or --engine, not with [engines]")
        return {}
    engine = EngineSettings(kind=kind or "bundled", path=flags["gguf"], **limits)
    return {"engines": {engine.kind: engine}, "models": {"*": engine.kind}}


def _upstream_flags(flags: dict[str, Any], limits: dict[str, int]) -> dict[str, Any]:
    if limits:
        raise SettingsError("--context, --threads and --slots are for an engine of this machine, not for --upstream")
    engine = EngineSettings(
        kind="http",
        dialect=flags["dialect"] or "openai",
        model=flags["upstream_model"],
        key=flags["upstream_key"],
        upstreams=tuple(UpstreamSettings(url) for url in flags["upstreams"]),
        tokenizer=flags["tokenizer"],
        constrains=flags["constrained"],
    )
    return {"engines": {"upstream": engine}, "models": {"*": "upstream"}}
