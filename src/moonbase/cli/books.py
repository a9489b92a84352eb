"""A server's books as `moonbase usage` prints them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
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
    lines = [_line(usage, names) for usage in usages]
    if as_json:
        encoded = msgspec.json.Encoder(decimal_format="number").encode(lines)
        click.echo(safe_json(msgspec.json.format(encoded, indent=2).decode()))
        return
    click.echo("\n".join(table(lines, open_screen(sys.stdout, os.environ))))


def table(lines: Sequence[Line], screen: Screen) -> list[str]:
    """A line for each key and model, and one of sums."""
    if not lines:
        return ["nothing has been used yet"]
    rows = sorted(lines, key=lambda line: (line.name is None, line.name or line.key, line.model))
    numbers = [_numbers(line) for line in rows]
    total = [sum(each) for each in zip(*numbers, strict=True)]
    costs = [line.cost_usd for line in rows]
    shown = [
        (line.name or line.key, line.model, *(f"{number:,}" for number in each), f"{line.cost_usd:,.6f}")
        for line, each in zip(rows, numbers, strict=True)
    ]
    sums = ("all", "", *(f"{number:,}" for number in total), f"{sum(costs, Decimal()):,.6f}")
    return table_of([_HEAD, *shown, sums], screen)


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


def _numbers(line: Line) -> tuple[int, ...]:
    return line.requests, line.prompt_tokens, line.cached_tokens, line.completion_tokens, line.reasoning_tokens
