"""The SQLite file of remembered reasoning: written in batches by one thread, read by others meanwhile."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from moonbase.contract.errors import SettingsError
from moonbase.server.recalled import Bounds, Found, Place, Row

_SCHEMA = """
CREATE TABLE IF NOT EXISTS reasoning (
  id INTEGER PRIMARY KEY, owner TEXT NOT NULL, conversation BLOB NOT NULL, turn BLOB NOT NULL, answer BLOB NOT NULL,
  text TEXT NOT NULL, size INTEGER NOT NULL, at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS by_answer ON reasoning (owner, answer);
CREATE INDEX IF NOT EXISTS by_age ON reasoning (at);
"""
_VERSION = 3
"""Of the file's schema, and of the digests in it."""

_CANDIDATES = 50
"""Rows that are looked at for one answer, the best first."""


class RecallStore:
    """Rows within `bounds`. Raises `SettingsError` where the file cannot be used, `sqlite3.Error` when it breaks."""

    def __init__(self, path: Path, bounds: Bounds, clock: Callable[[], float]) -> None:
        self._bounds = bounds
        self._clock = clock
        self._writing, self._reading = threading.Lock(), threading.Lock()
        try:
            path.touch(mode=0o600)  # before SQLite makes it: the files beside it get its permissions
            self._writer = _connected(path)
            self._writer.execute("PRAGMA journal_mode=WAL")
            self._writer.execute("PRAGMA synchronous=NORMAL")
            if self._writer.execute("PRAGMA user_version").fetchone() != (_VERSION,):
                # It only remembers, so a file of another version starts anew.
                self._writer.execute("DROP TABLE IF EXISTS reasoning")
            self._writer.executescript(_SCHEMA)
            self._writer.execute(f"PRAGMA user_version = {_VERSION}")
            path.chmod(0o600)
            self._rows, self._size = self._writer.execute("SELECT count(*), total(size) FROM reasoning").fetchone()
            self._reader = _connected(path)  # of its own: a reader of a WAL never waits for the writer
        except (sqlite3.Error, OSError) as error:
            raise SettingsError(f"the file {path} of remembered reasoning cannot be used: {error}") from None

    def close(self) -> None:
        with self._reading:
            self._reader.close()
        with self._writing:
            self._writer.close()

    def add(self, rows: Sequence[Row]) -> None:
        """All of them or none."""
        with self._writing, self._writer:
            self._writer.execute("BEGIN")
            self._writer.executemany(
                "INSERT INTO reasoning (owner, conversation, turn, answer, text, size, at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(*row.place, row.text, len(row.text), row.at) for row in rows],
            )
            self._rows += len(rows)
            self._size += sum(len(row.text) for row in rows)
            self._forget()

    def find(self, place: Place) -> list[Found]:
        """Candidates for `place`, the best first."""
        oldest = self._clock() - self._bounds.age
        with self._reading:
            found = self._reader.execute(
                "SELECT text, conversation = ?, turn = ? FROM reasoning WHERE owner = ? AND answer = ? AND at > ? "
                "ORDER BY 2 DESC, 3 DESC, id DESC LIMIT ?",
                (place.conversation, place.turn, place.owner, place.answer, oldest, _CANDIDATES),
            ).fetchall()
        return [Found(text, bool(conversation), bool(turn)) for text, conversation, turn in found]

    def _forget(self) -> None:
        """Drop what is too old, and the oldest of what is too much."""
        self._drop("at <= ?", self._clock() - self._bounds.age)
        while self._rows > self._bounds.rows or (self._size > self._bounds.bytes and self._rows > 1):
            # A tenth at a time, so that a full store does not pay for it with every batch.
            share = max(1, self._rows // 10)
            self._drop("id IN (SELECT id FROM reasoning ORDER BY id LIMIT ?)", share)

    def _drop(self, condition: str, value: float) -> None:
        dropped = self._writer.execute(f"DELETE FROM reasoning WHERE {condition} RETURNING size", (value,)).fetchall()
        self._rows -= len(dropped)
        self._size -= sum(size for (size,) in dropped)


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, check_same_thread=False, isolation_level=None)
