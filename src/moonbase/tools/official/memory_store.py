"""Where the memory tool keeps its entries: one SQLite file. Synchronous; `memory` runs it in threads.

Every call opens its own connection, so calls from any number of threads, and servers that share a data directory, never
share one; write-ahead logging and SQLite's lock let them take turns. Each statement names the owner.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from moonbase.tools.tool import ToolError
from moonbase.tools.transactions import connected, transaction, version_of

_VERSION = 1
_SCHEMA = (
    "CREATE TABLE entries (owner TEXT NOT NULL, key TEXT NOT NULL, data TEXT NOT NULL, size INTEGER NOT NULL, "
    "expires REAL NOT NULL, PRIMARY KEY (owner, key)) WITHOUT ROWID",
    "CREATE INDEX entries_by_expiry ON entries (expires)",
    f"PRAGMA user_version = {_VERSION}",
)


class Bounds(NamedTuple):
    """How much is kept: bytes of one entry, entries and bytes of one owner."""

    entry_bytes: int = 64 * 1024
    entries: int = 1_000
    owner_bytes: int = 4 * 1024 * 1024


class MemoryStore:
    """Entries by owner and key, each with a time to live. `clock` gives Unix time in seconds.

    An entry whose time is over is never returned, and leaves the file with the next call of anyone.
    Every method raises `sqlite3.Error` or `OSError` when the file fails it.
    """

    def __init__(self, path: Path, *, bounds: Bounds | None = None, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._bounds = bounds or Bounds()
        self._clock = clock

    def store(self, owner: str, key: str, data: str, ttl: float) -> None:
        """Keep `data` under `key` for `ttl` seconds, in the place of what was there. Raises `ToolError` when it is too
        much."""
        size = len(key.encode()) + len(data.encode())
        if size > self._bounds.entry_bytes:
            raise ToolError(f"key and data have {size} bytes; at most {self._bounds.entry_bytes} are kept in one entry")
        with self._connection() as connection, transaction(connection):
            self._check_room(connection, owner, key, size)
            connection.execute(
                "INSERT OR REPLACE INTO entries (owner, key, data, size, expires) VALUES (?, ?, ?, ?, ?)",
                (owner, key, data, size, self._clock() + ttl),
            )

    def retrieve(self, owner: str, key: str) -> str | None:
        """What `store` was given, or None."""
        query = "SELECT data FROM entries WHERE owner = ? AND key = ? AND expires > ?"
        with self._connection() as connection:
            row = connection.execute(query, (owner, key, self._clock())).fetchone()
        return row[0] if row else None

    def delete(self, owner: str, key: str) -> bool:
        """Whether there was such an entry."""
        query = "DELETE FROM entries WHERE owner = ? AND key = ? AND expires > ?"
        with self._connection() as connection:
            return connection.execute(query, (owner, key, self._clock())).rowcount > 0

    def keys(self, owner: str, prefix: str = "") -> list[str]:
        """The owner's keys that begin with `prefix`, in order."""
        query = "SELECT key FROM entries WHERE owner = ? AND expires > ? ORDER BY key"
        with self._connection() as connection:
            rows = connection.execute(query, (owner, self._clock())).fetchall()
        return [key for (key,) in rows if key.startswith(prefix)]

    def _check_room(self, connection: sqlite3.Connection, owner: str, key: str, size: int) -> None:
        query = "SELECT count(*), coalesce(sum(size), 0) FROM entries WHERE owner = ? AND key != ? AND expires > ?"
        count, used = connection.execute(query, (owner, key, self._clock())).fetchone()
        if count >= self._bounds.entries:
            raise ToolError(f"memory is full: it holds {count} entries, which is the most; delete some first")
        if used + size > self._bounds.owner_bytes:
            raise ToolError(
                f"memory is full: {used} of {self._bounds.owner_bytes} bytes are used and {size} more are asked for; "
                "delete some entries first"
            )

    @contextmanager
    def _connection(self) -> Generator[sqlite3.Connection, None, None]:
        """A connection to a file that is ready, without entries whose time is over."""
        with connected(self._path) as connection:
            if version_of(connection) != _VERSION:
                self._create(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            now = (self._clock(),)
            if connection.execute("SELECT 1 FROM entries WHERE expires <= ? LIMIT 1", now).fetchone():
                connection.execute("DELETE FROM entries WHERE expires <= ?", now)
            yield connection

    def _create(self, connection: sqlite3.Connection) -> None:
        """Make the tables of a new file. What another version wrote is left alone: it is somebody's memory."""
        if version_of(connection) == 0:
            with suppress(sqlite3.OperationalError):  # another call is just doing the same
                connection.execute("PRAGMA journal_mode = WAL")
        with transaction(connection):  # callers that start at once take turns
            found = version_of(connection)
            if found == 0:
                for statement in _SCHEMA:
                    connection.execute(statement)
        if found not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"it is of version {found}, and this program knows version {_VERSION}")
        self._path.chmod(0o600)
