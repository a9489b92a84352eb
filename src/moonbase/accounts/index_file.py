"""An index of what is kept beside it: one SQLite file, which threads and processes may share. Synchronous."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from moonbase.contract.errors import SettingsError


class IndexFile:
    """The file `path`. What it is asked raises `sqlite3.Error` when the file fails."""

    def __init__(
        self, path: Path, schema: Sequence[str], version: int, *, name: str, pragmas: Sequence[str] = ()
    ) -> None:
        """`schema` makes a new file, after `pragmas`; `name` is what errors call it. Raises `SettingsError` when it
        cannot be used; one of another version is left alone."""
        self._lock = threading.Lock()
        try:
            path.touch(mode=0o600)  # before SQLite makes it: the files beside it get its permissions
            self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
            # "FULL": what was answered is there after a power cut.
            for pragma in (*pragmas, "journal_mode=WAL", "synchronous=FULL"):
                self._database.execute(f"PRAGMA {pragma}")
            with self._transaction():
                self._prepare(schema, version, f"{name} {path}")
            path.chmod(0o600)
        except (sqlite3.Error, OSError) as error:
            raise SettingsError(f"{name} {path} cannot be used: {error}") from None

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _prepare(self, schema: Sequence[str], version: int, named: str) -> None:
        (found,) = self._database.execute("PRAGMA user_version").fetchone()
        if found == 0:
            for statement in (*schema, f"PRAGMA user_version = {version}"):
                self._database.execute(statement)
        elif found != version:
            raise SettingsError(
                f"{named} is of version {found}, and this program knows version {version}; use the program that wrote "
                "it, or another data directory"
            )

    @contextmanager
    def _transaction(self) -> Generator[None]:
        """Also across processes that share the file."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
