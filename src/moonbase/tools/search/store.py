"""The index on disk: an SQLite file with FTS5. Synchronous; `index` runs it in threads.

The file is a cache: one that is damaged or of another version is thrown away and built again. Every call opens its own
connection (a fraction of a millisecond), so calls from any number of threads never share one; write-ahead logging lets
them read while a refresh writes.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from moonbase.tools.search.documents import Document
from moonbase.tools.search.queries import phrase, segmented
from moonbase.tools.transactions import connected, transaction, version_of

T = TypeVar("T")

Stamp = tuple[int, int]
"""A file's modification time in nanoseconds and its size: what tells a changed file from an unchanged one."""

_log = logging.getLogger(__name__)
_VERSION = 1
# porter: "elections" finds "election". The text in `words` is segmented for searching; `documents` has it as written.
_SCHEMA = f"""
CREATE TABLE files (
    id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL
);
CREATE TABLE documents (
    id INTEGER PRIMARY KEY, file INTEGER NOT NULL, title TEXT NOT NULL, source TEXT NOT NULL, url TEXT NOT NULL,
    date TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX documents_by_file ON documents (file);
CREATE INDEX documents_by_date ON documents (date);
CREATE VIRTUAL TABLE words USING fts5 (title, tags, body, tokenize = 'porter unicode61 remove_diacritics 2');
PRAGMA user_version = {_VERSION};
"""
# A word in the title or among the tags says more than one in the text.
_MATCHES = """
SELECT rowid, -bm25(words, 4.0, 3.0, 1.0) AS score FROM words WHERE words MATCH ? ORDER BY score DESC LIMIT ?
"""


class SearchStore:
    """Documents by file, words by document. Every method raises `sqlite3.Error` or `OSError` when the disk fails it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self) -> None:
        """Make the file ready for use: create it, or start it anew when it is damaged or of another version."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            usable = self._create()
        except sqlite3.OperationalError:  # the disk or a lock, not the content
            raise
        except sqlite3.DatabaseError:
            usable = False
        if not usable:
            _log.warning("the search index is damaged or of another version; it is built again")
            self._remove()
            self._create()

    def _create(self) -> bool:
        """Create what is missing; whether the file is of this version then. Servers that start at once take turns."""
        with self._connection() as connection:
            if version_of(connection) == 0:
                with suppress(sqlite3.OperationalError):  # another server is just doing the same
                    connection.execute("PRAGMA journal_mode = WAL")
                with transaction(connection):
                    if version_of(connection) == 0:
                        for statement in _SCHEMA.split(";\n"):
                            connection.execute(statement)
            return version_of(connection) == _VERSION

    def stamps(self) -> dict[bytes, Stamp]:
        """Every indexed file with the stamp that it had."""
        with self._connection() as connection:
            rows = connection.execute("SELECT path, mtime_ns, size FROM files").fetchall()
        return {path: (mtime_ns, size) for path, mtime_ns, size in rows}

    def replace(self, files: Mapping[bytes, tuple[Stamp, Sequence[Document]]]) -> None:
        """Put these files' documents in the place of those they had, all in one transaction."""
        with self._connection() as connection, transaction(connection):
            for path, (stamp, documents) in files.items():
                _forget(connection, path)
                file = connection.execute(
                    "INSERT INTO files (path, mtime_ns, size) VALUES (?, ?, ?)", (path, *stamp)
                ).lastrowid
                for document in documents:
                    _insert(connection, file, document)

    def forget(self, paths: Iterable[bytes]) -> None:
        """Drop files that are gone, with their documents."""
        with self._connection() as connection, transaction(connection):
            for path in paths:
                _forget(connection, path)

    def count(self) -> int:
        """How many documents there are."""
        with self._connection() as connection:
            return connection.execute("SELECT count(*) FROM documents").fetchone()[0]

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` on one snapshot of the index."""
        with self._connection() as connection:
            connection.execute("BEGIN")
            return work(Reader(connection))

    @contextmanager
    def _connection(self) -> Generator[sqlite3.Connection, None, None]:
        with connected(self._path) as connection:
            connection.execute("PRAGMA synchronous = NORMAL")
            yield connection

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


class Reader:
    """What a search asks of one snapshot of the index."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def matches(self, term: str, limit: int) -> dict[int, float]:
        """The best documents for one term with their bm25 scores, higher is better. Any text is a safe term."""
        return dict(self._connection.execute(_MATCHES, (phrase(term), limit)).fetchall())

    def newest(self, limit: int) -> list[int]:
        rows = self._connection.execute("SELECT id FROM documents ORDER BY date DESC, id DESC LIMIT ?", (limit,))
        return [row[0] for row in rows]

    def dates(self, ids: Iterable[int]) -> dict[int, str]:
        """The date of each document, `YYYY-MM-DD` or empty."""
        query = "SELECT date FROM documents WHERE id = ?"
        return {id: self._connection.execute(query, (id,)).fetchone()[0] for id in ids}

    def topic(self, id: int) -> str:
        """The first of the document's tags, or nothing."""
        tags = self._connection.execute("SELECT tags FROM words WHERE rowid = ?", (id,)).fetchone()[0].split()
        return tags[0] if tags else ""

    def document(self, id: int) -> Document:
        row = self._connection.execute("SELECT title, source, url, date, body FROM documents WHERE id = ?", (id,))
        title, source, url, date, body = row.fetchone()
        return Document(title=title, source=source, url=url, date=date, tags="", body=body)


def _forget(connection: sqlite3.Connection, path: bytes) -> None:
    of_file = "IN (SELECT d.id FROM documents d JOIN files f ON d.file = f.id WHERE f.path = ?)"
    connection.execute(f"DELETE FROM words WHERE rowid {of_file}", (path,))
    connection.execute(f"DELETE FROM documents WHERE id {of_file}", (path,))
    connection.execute("DELETE FROM files WHERE path = ?", (path,))


def _insert(connection: sqlite3.Connection, file: int | None, document: Document) -> None:
    title, source, url, date, tags, body = (
        # SQLite takes valid Unicode only, and text after a NUL would be lost to its functions.
        text.encode("utf-8", "replace").decode().replace("\0", " ")
        for text in (document.title, document.source, document.url, document.date, document.tags, document.body)
    )
    id = connection.execute(
        "INSERT INTO documents (file, title, source, url, date, body) VALUES (?, ?, ?, ?, ?, ?)",
        (file, title, source, url, date, body),
    ).lastrowid
    connection.execute(
        "INSERT INTO words (rowid, title, tags, body) VALUES (?, ?, ?, ?)",
        (id, segmented(title), segmented(tags), segmented(body)),
    )
