"""What the SQLite files of tools have in common: the version of a file, and writing all of something or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path


@contextmanager
def connected(path: Path) -> Generator[sqlite3.Connection]:
    """A connection to the file `path`, which nobody else's programs can read, nor what SQLite keeps beside it."""
    with suppress(OSError):  # SQLite says what is wrong with the file
        path.touch(mode=0o600)
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as connection:
        yield connection


def version_of(connection: sqlite3.Connection) -> int:
    """The version that a file says it has; 0 for a new one."""
    return connection.execute("PRAGMA user_version").fetchone()[0]


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """What is written within is kept as a whole; an exception leaves nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
