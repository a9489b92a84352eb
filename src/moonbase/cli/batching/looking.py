"""`moonbase batches list`, `show`, `cancel`, `results` and `errors`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from moonbase.cli.asking import Server
from moonbase.cli.batching.results import write_lines
from moonbase.cli.batching.told import Batches, Known, Told
from moonbase.cli.batching.watching import answered, standing
from moonbase.cli.drafts import check_writable
from moonbase.cli.exits import Failure
from moonbase.cli.stored_files import StoredFiles
from moonbase.cli.terminal.figures import moment
from moonbase.cli.terminal.safe import json_text, safe_line
from moonbase.cli.terminal.screen import open_screen
from moonbase.cli.terminal.tables import fact_lines, table_of
from moonbase.cli.where import Where

T = TypeVar("T")
_NEWEST = 20


def list_batches(where: Where, *, everything: bool, as_json: bool) -> None:
    """A line for each, the newest first."""

    async def ask(server: Server) -> list[Known]:
        found: list[Known] = []
        async for one in Batches(server).every():
            found.append(one)
            if len(found) == _NEWEST and not everything:
                break
        return found

    found = _asked(where, ask)
    if as_json:
        click.echo(json_text([one.raw for one in found]))
        return
    screen = open_screen(sys.stdout, os.environ)
    rows = [("batch", "created", "status", "requests"), *(_row(one.told) for one in found)]
    screen.write("".join(f"{line}\n" for line in (table_of(rows, screen) if found else ["no batches yet"])))


def show_batch(where: Where, name: str, *, as_json: bool) -> None:
    """One whole."""
    batch = _asked(where, lambda server: Batches(server).get(name))
    _print(batch, as_json=as_json)


def cancel_batch(where: Where, name: str, *, as_json: bool) -> None:
    """End one early."""

    async def ask(server: Server) -> Known:
        batches = Batches(server)
        return await batches.cancel((await batches.get(name)).told.id)

    _print(_asked(where, ask), as_json=as_json)


def write_results(where: Where, name: str, output: Path | None, *, failed: bool) -> None:
    """The lines of a batch that has ended: its answers, or what `failed`."""
    check_writable(output)

    async def ask(server: Server) -> Told:
        batch = (await Batches(server).get(name)).told
        if not batch.ended:
            raise Failure(f"{batch.id} is {batch.status}; `moonbase batches wait {batch.id}` waits until it has ended")
        if batch.status == "failed":
            raise Failure(f"{batch.id} was refused; `moonbase batches show {batch.id}` says why")
        await write_lines(StoredFiles(server), batch.error_file_id if failed else batch.output_file_id, output)
        return batch

    batch = _asked(where, ask)
    click.echo(safe_line(f"{batch.id}: {standing(batch)}"), err=True)


def _asked(where: Where, ask: Callable[[Server], Awaitable[T]]) -> T:
    async def work() -> T:
        async with Server(where) as server:
            return await ask(server)

    return asyncio.run(work())


def _row(batch: Told) -> tuple[str, ...]:
    return (
        batch.id,
        moment(batch.created_at) if batch.created_at else "-",
        batch.status,
        answered(batch),
    )


def _print(batch: Known, *, as_json: bool) -> None:
    if as_json:
        click.echo(json_text(batch.raw))
        return
    told = batch.told
    facts = {
        "batch": told.id,
        "status": told.status,
        "requests": answered(told),
        "created": _moment(told.created_at),
        "expires": _moment(told.expires_at) if not told.ended else None,
        "completed": _moment(told.completed_at),
        "window": told.completion_window,
        "input": told.input_file_id,
        "results": told.output_file_id,
        "errors": told.error_file_id,
        **{f"metadata {key}": str(value) for key, value in (told.metadata or {}).items()},
    }
    screen = open_screen(sys.stdout, os.environ)
    screen.write("".join(f"{line}\n" for line in (*fact_lines(facts), *told.complaints)))


def _moment(at: float | None) -> str | None:
    return moment(at) if at else None
