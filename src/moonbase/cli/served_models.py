"""The models of a server, as `moonbase models` prints them: what the server says, and what our cards know beside it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Any, cast

import click
import msgspec

from moonbase.cli.asking import Server
from moonbase.cli.exits import Unusable
from moonbase.cli.terminal.safe import safe_json
from moonbase.cli.terminal.screen import Screen, open_screen
from moonbase.cli.terminal.tables import table_of
from moonbase.cli.where import Where
from moonbase.contract.cards import CARDS, Price

_THINKING = {"only": "always", "both": "on or off", "no": "never"}
_UNKNOWN = "-"


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A served model. None is what neither the server nor a card of ours says."""

    id: str
    display_name: str | None = None
    context_length: int | None = None
    """Tokens."""
    thinking: str | None = None
    """"only", "both" or "no", as the server has it (contract.md 5.1)."""
    efforts: Sequence[str] = ()
    """Values of `reasoning_effort`, where the model has it."""
    keep: str | None = None
    """Whether earlier reasoning stays in the prompt: "always", "optional", "none"."""
    sees: Sequence[str] | None = None
    """"image" and "video"."""
    price: Price | None = None


def list_models(where: Where, *, as_json: bool) -> None:
    """Print them. Raises `Unusable` and `ApiError`."""

    async def ask() -> Any:
        async with Server(where) as server:
            return await server.get("/models")

    models = read_models(asyncio.run(ask()), where.base_url)
    if as_json:
        click.echo(safe_json(msgspec.json.format(msgspec.json.encode(models), indent=2).decode()))
        return
    click.echo("\n".join(table(models, open_screen(sys.stdout, os.environ))))


def read_models(told: Any, url: str) -> list[Model]:
    """The answer to `GET /v1/models` (contract.md 5.1). Raises `Unusable` for something else."""
    rows = cast("dict[str, Any]", told).get("data") if isinstance(told, dict) else None
    if not isinstance(rows, list):
        raise Unusable(f"{url} answers with something else than a list of models; is it the address of an API?")
    objects = [cast("dict[str, Any]", row) for row in cast("list[object]", rows) if isinstance(row, dict)]
    return [_model(row) for row in objects if isinstance(row.get("id"), str)]


def _model(row: dict[str, Any]) -> Model:
    card = next((card for card in CARDS if card.id == row["id"]), None)
    effort = row.get("think_efforts")
    sees = [kind for kind in ("image", "video") if row.get(f"supports_{kind}_in")]
    return Model(
        id=row["id"],
        display_name=_of(row.get("display_name"), str),
        context_length=_of(row.get("context_length"), int),
        thinking=_of(row.get("supports_thinking_type"), str),
        efforts=_efforts(effort),
        keep=card.keep if card else None,
        sees=sees if any(key.endswith("_in") for key in row) else None,
        price=card.price if card else None,
    )


def _of(value: Any, kind: type) -> Any:
    return value if type(value) is kind else None


def _efforts(told: Any) -> list[str]:
    values = cast("dict[str, Any]", told).get("valid_efforts") if isinstance(told, dict) else None
    return [one for one in cast("list[Any]", values) if isinstance(one, str)] if isinstance(values, list) else []


def table(models: Sequence[Model], screen: Screen) -> list[str]:
    """A line for each model, or in a narrow terminal several."""
    if not models:
        return ["the server lists no models"]
    head = ("model", "context", "thinking", "keeps", "sees", "$ in", "cached", "out")
    return table_of([head, *map(_row, models)], screen)


def _row(model: Model) -> tuple[str, ...]:
    thinking = _THINKING.get(model.thinking or "", model.thinking or _UNKNOWN)
    effort = f" ({', '.join(model.efforts)})" if model.efforts else ""
    price = model.price
    costs = [f"{cost:.2f}" for cost in (price.input, price.cached_input, price.output)] if price else [_UNKNOWN] * 3
    return (
        model.id,
        f"{model.context_length:,}" if model.context_length else _UNKNOWN,
        thinking + effort,
        model.keep or _UNKNOWN,
        _UNKNOWN if model.sees is None else ", ".join(model.sees) or "text",
        *costs,
    )
