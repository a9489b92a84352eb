"""What the books say of all accounts, read beside the servers that write them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from moonbase.accounts.database_url import check_url, named
from moonbase.accounts.store import Used
from moonbase.contract.errors import SettingsError

_COLUMNS = "owner, model, requests, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, cost"


class Usage(NamedTuple):
    """What one model did for one account. `owner`: the id of a key."""

    owner: str
    model: str
    used: Used


def read_usage(path: Path) -> list[Usage]:
    """Of the file of one server's ledger; none where there is no file yet. Raises `SettingsError`."""
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return _usages(database.execute(f"SELECT {_COLUMNS} FROM usage").fetchall())
    except sqlite3.Error as error:
        raise SettingsError(f"the ledger {path} cannot be read: {error}") from error


async def read_shared_usage(url: str) -> list[Usage]:
    """Of the database that servers share. Raises `SettingsError`."""
    check_url(url)
    try:
        import asyncpg
    except ImportError:
        raise SettingsError("a database needs asyncpg: pip install 'moonbase[postgres]'") from None
    try:
        connection = await asyncpg.connect(url)
        try:
            rows = await connection.fetch(f"SELECT {_COLUMNS} FROM moonbase.usage")
        finally:
            await connection.close()
    except asyncpg.UndefinedTableError:
        return []
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise SettingsError(f"the database {named(url)} cannot be read: {error}") from error
    return _usages(map(tuple, rows))


def _usages(rows: Iterable[Sequence[Any]]) -> list[Usage]:
    return sorted((Usage(owner, model, Used(*sums)) for owner, model, *sums in rows), key=lambda usage: usage[:2])
