"""What each key has uploaded: a row for each file, in one SQLite file. Synchronous; `files` runs it in threads."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from moonbase.contract.errors import InvalidRequest, SettingsError
from moonbase.contract.files import FileObject, Purpose, too_many_files

_VERSION = 1
_SCHEMA = (
    "CREATE TABLE files (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, "
    "bytes INTEGER NOT NULL, created_at INTEGER NOT NULL, filename TEXT NOT NULL, purpose TEXT NOT NULL)",
    "CREATE INDEX files_by_owner ON files (owner)",
    f"PRAGMA user_version = {_VERSION}",
)
_COLUMNS = "id, bytes, created_at, filename, purpose"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLimits:
    """What is taken: bytes of one file, files of one key, and bytes of all of them (contract.md 5.4; the count and the
    sum are those of the platform's page on uploads)."""

    file_bytes: int = 100 * 1024 * 1024
    count: int = 1_000
    total_bytes: int = 10 * 1024 * 1024 * 1024

    @property
    def file_megabytes(self) -> int:
        return self.file_bytes // (1024 * 1024)


class FileIndex:
    """The file `path`. Threads may share it. Every method raises `sqlite3.Error` when the file fails it."""

    def __init__(self, path: Path) -> None:
        """Raises `SettingsError` when the file cannot be used; one of another version is left alone."""
        self._lock = threading.Lock()
        try:
            path.touch(mode=0o600)  # before SQLite makes it: the files beside it get its permissions
            self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")  # an id that was answered is there after a power cut
            with self._transaction():
                self._prepare(path)
            path.chmod(0o600)
        except (sqlite3.Error, OSError) as error:
            raise SettingsError(f"the index of uploaded files {path} cannot be used: {error}") from None

    def add(self, owner: str, file: FileObject, limits: FileLimits) -> None:
        """Raises `InvalidRequest` when `owner` has no room for it."""
        with self._transaction():
            self._check_room(owner, file.bytes, limits)
            self._database.execute(
                "INSERT INTO files (id, owner, bytes, created_at, filename, purpose) VALUES (?, ?, ?, ?, ?, ?)",
                (file.id, owner, file.bytes, file.created_at, file.filename, file.purpose),
            )

    def check_room(self, owner: str, size: int, limits: FileLimits) -> None:
        """Raises `InvalidRequest` when `owner` has no room for a file of `size` bytes."""
        with self._lock:
            self._check_room(owner, size, limits)

    def get(self, owner: str, file_id: str) -> FileObject | None:
        query = f"SELECT {_COLUMNS} FROM files WHERE id = ? AND owner = ?"
        with self._lock:
            row = self._database.execute(query, (file_id, owner)).fetchone()
        return _file(row) if row else None

    def of(self, owner: str) -> list[FileObject]:
        """The newest first."""
        query = f"SELECT {_COLUMNS} FROM files WHERE owner = ? ORDER BY number DESC"
        with self._lock:
            return [_file(row) for row in self._database.execute(query, (owner,))]

    def remove(self, owner: str, file_id: str) -> bool:
        """Whether there was such a file."""
        with self._lock:
            query = "DELETE FROM files WHERE id = ? AND owner = ?"
            return self._database.execute(query, (file_id, owner)).rowcount > 0

    def ids(self) -> set[str]:
        """Of every owner."""
        with self._lock:
            return {file_id for (file_id,) in self._database.execute("SELECT id FROM files")}

    def has(self, file_id: str) -> bool:
        with self._lock:
            return self._database.execute("SELECT 1 FROM files WHERE id = ?", (file_id,)).fetchone() is not None

    def forget(self, file_id: str) -> None:
        """Remove the row, whoever's it is."""
        with self._lock:
            self._database.execute("DELETE FROM files WHERE id = ?", (file_id,))

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _check_room(self, owner: str, size: int, limits: FileLimits) -> None:
        query = "SELECT count(*), coalesce(sum(bytes), 0) FROM files WHERE owner = ?"
        count, used = self._database.execute(query, (owner,)).fetchone()
        if count >= limits.count:
            raise too_many_files(limits.count)
        if used + size > limits.total_bytes:
            raise InvalidRequest(
                f"Invalid request: your uploaded files have {used} bytes and this one {size}; all together may have "
                f"{limits.total_bytes}, please delete previous uploaded files"
            )

    def _prepare(self, path: Path) -> None:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in _SCHEMA:
                self._database.execute(statement)
        elif version != _VERSION:
            raise SettingsError(
                f"the index of uploaded files {path} is of version {version}, and this program knows version "
                f"{_VERSION}; use the program that wrote it, or another data directory"
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


def _file(row: tuple[str, int, int, str, str]) -> FileObject:
    file_id, size, created_at, filename, purpose = row
    return FileObject(
        id=file_id, bytes=size, created_at=created_at, filename=filename, purpose=cast("Purpose", purpose)
    )
