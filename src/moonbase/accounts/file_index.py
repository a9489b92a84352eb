"""What each key has uploaded: a row for each file, in one SQLite file. Synchronous; `files` runs it in threads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from moonbase.accounts.index_file import IndexFile
from moonbase.contract.errors import InvalidRequest
from moonbase.contract.files import FileObject, Purpose, too_many_files

_VERSION = 1
_SCHEMA = (
    "CREATE TABLE files (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, "
    "bytes INTEGER NOT NULL, created_at INTEGER NOT NULL, filename TEXT NOT NULL, purpose TEXT NOT NULL)",
    "CREATE INDEX files_by_owner ON files (owner)",
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


class FileIndex(IndexFile):
    """See `IndexFile`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA, _VERSION, name="the index of uploaded files")

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


def _file(row: tuple[str, int, int, str, str]) -> FileObject:
    file_id, size, created_at, filename, purpose = row
    return FileObject(
        id=file_id, bytes=size, created_at=created_at, filename=filename, purpose=cast("Purpose", purpose)
    )
