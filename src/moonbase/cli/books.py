"""A server's books as `moonbase usage` prints them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import click
import msgspec

from moonbase.accounts.keys import read_key_names
from moonbase.accounts.money import DOLLAR
from moonbase.accounts.store import Used
from moonbase.accounts.usage import Usage, read_shared_usage, read_usage
from moonbase.cli.terminal.safe import safe_json
from moonbase.cli.terminal.screen import Screen, open_screen
from moonbase.cli.terminal.tables import table_of
from moonbase.server.data_dir import default_data_dir
from moonbase.server.settings import Settings, load_settings

_HEAD = ("key", "model", "requests", "prompt", "cached", "completion", "reasoning", "$")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """`key`: its id; `name`: what the key file calls it."""

    key: str
    name: str | None
    model: str
    requests: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal


def show_usage(
    *, config: Path | None, data_dir: str | None, database_url: str | None, key_file: str | None, as_json: bool
) -> None:
    """Print it. Raises `SettingsError`."""
    server = (load_settings(config) if config else Settings()).server
    url, folder = database_url or server.database_url, data_dir or server.data_dir
    if url and not data_dir:
        usages = asyncio.run(read_shared_usage(url))
    else:
        usages = read_usage((Path(folder).expanduser() if folder else default_data_dir()) / "ledger.db")
    file = key_file or server.key_file
    names = read_key_names(Path(file)) if file else {}
    if as_json:
        encoded = msgspec.json.Encoder(decimal_format="number").encode([_line(usage, names) for usage in usages])
        click.echo(safe_json(msgspec.json.format(encoded, indent=2).decode()))
        return
    click.echo("\n".join(table(usages, names, open_screen(sys.stdout, os.environ))))


def table(usages: Sequence[Usage], names: Mapping[str, str], screen: Screen) -> list[str]:
    """A line for each key and model, and one of sums."""
    if not usages:
        return ["nothing has been used yet"]
    shown = [(names.get(usage.owner), usage) for usage in usages]
    shown.sort(key=lambda each: (each[0] is None, each[0] or each[1].owner, each[1].model))
    total = Used()
    for usage in usages:
        total.add(usage.used)
    rows = [(name or usage.owner, usage.model, *_amounts(usage.used)) for name, usage in shown]
    return table_of([_HEAD, *rows, ("all", "", *_amounts(total))], screen)


def _line(usage: Usage, names: Mapping[str, str]) -> Line:
    used: Used = usage.used
    return Line(
        key=usage.owner,
        name=names.get(usage.owner),
        model=usage.model,
        requests=used.requests,
        prompt_tokens=used.prompt_tokens,
        cached_tokens=used.cached_tokens,
        completion_tokens=used.completion_tokens,
        reasoning_tokens=used.reasoning_tokens,
        cost_usd=Decimal(used.cost) / DOLLAR,
    )


def _amounts(used: Used) -> Iterator[str]:
    """In the order of `_HEAD`."""
    *numbers, cost = used.sums()
    yield from (f"{number:,}" for number in numbers)
    yield f"{Decimal(cost) / DOLLAR:,.6f}"
