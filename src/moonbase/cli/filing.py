"""What `moonbase files` does: files sent to a server, and what it says of them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from moonbase.cli.asking import Server
from moonbase.cli.drafts import check_writable, whole_output
from moonbase.cli.progress import Bytes, sized
from moonbase.cli.stored_files import StoredFiles, ToldFile
from moonbase.cli.terminal.figures import moment
from moonbase.cli.terminal.safe import json_text, safe, safe_line
from moonbase.cli.terminal.screen import open_screen
from moonbase.cli.terminal.tables import fact_lines, table_of
from moonbase.cli.where import Where

T = TypeVar("T")
_PATIENCE = 600.0
"""Seconds that an answer may take: documents are read while they are uploaded."""


def upload_files(where: Where, paths: Sequence[Path], *, purpose: str, quiet: bool, as_json: bool) -> None:
    """Each id is printed when the file is there, so that one that fails takes no other's with it."""
    progress = Bytes(sys.stderr, quiet=quiet)

    async def ask(files: StoredFiles) -> list[Any]:
        found: list[Any] = []
        for path in paths:
            with path.open("rb") as opened, progress.reading(opened, path.name) as file:
                known = await files.upload(file, name=path.name, purpose=purpose)
            found.append(known.raw)
            if not as_json:
                click.echo(safe_line(known.told.id))
        return found

    found = _asked(where, ask)
    if as_json:
        click.echo(json_text(found))


def list_files(where: Where, *, purpose: str | None, as_json: bool) -> None:
    """A line for each, the newest first."""
    found = _asked(where, lambda files: files.every())
    found = [file for file in found if purpose in (None, file.told.purpose)]
    if as_json:
        click.echo(json_text([file.raw for file in found]))
        return
    screen = open_screen(sys.stdout, os.environ)
    rows = [("file", "created", "purpose", "size", "name"), *(_row(file.told) for file in found)]
    screen.write("".join(f"{line}\n" for line in (table_of(rows, screen) if found else ["no files yet"])))


def show_file(where: Where, name: str, *, as_json: bool) -> None:
    """One whole."""
    found = _asked(where, lambda files: files.get(name))
    if as_json:
        click.echo(json_text(found.raw))
        return
    file = found.told
    facts = {
        "file": file.id,
        "name": file.filename,
        "purpose": file.purpose,
        "size": sized(file.bytes),
        "created": moment(file.created_at),
        "status": " ".join(filter(None, (file.status, file.status_details))),
    }
    open_screen(sys.stdout, os.environ).write("".join(f"{line}\n" for line in fact_lines(facts)))


def write_content(where: Where, name: str, output: Path | None) -> None:
    """To a file, or to standard output."""
    check_writable(output)

    async def ask(files: StoredFiles) -> None:
        file_id = await _id(files, name)
        with whole_output(output, safe) as out:
            await files.content(file_id, out)

    _asked(where, ask)


def delete_files(where: Where, names: Sequence[str], *, as_json: bool) -> None:
    """Each id is printed when the file is gone."""

    async def ask(files: StoredFiles) -> list[Any]:
        told: list[Any] = []
        for name in names:
            file_id = await _id(files, name)
            told.append(await files.delete(file_id))
            if not as_json:
                click.echo(safe_line(file_id))
        return told

    told = _asked(where, ask)
    if as_json:
        click.echo(json_text(told))


async def _id(files: StoredFiles, name: str) -> str:
    return (await files.get(name)).told.id


def _row(file: ToldFile) -> tuple[str, ...]:
    return (file.id, moment(file.created_at), file.purpose, sized(file.bytes), file.filename)


def _asked(where: Where, ask: Callable[[StoredFiles], Awaitable[T]]) -> T:
    async def work() -> T:
        async with Server(where, timeout=_PATIENCE) as server:
            return await ask(StoredFiles(server))

    return asyncio.run(work())
