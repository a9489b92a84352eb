"""The batches of every key and what has come of their requests, in one SQLite file. Synchronous; `batches` runs it in
threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from moonbase.accounts.index_file import IndexFile
from moonbase.contract.batches import ENDED, Batch, RequestCounts

_VERSION = 1
_SCHEMA = (
    "CREATE TABLE batches (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, "
    "ended INTEGER NOT NULL, record BLOB NOT NULL)",
    "CREATE INDEX batches_by_owner ON batches (owner, number)",
    "CREATE INDEX batches_under_way ON batches (number) WHERE NOT ended",
    "CREATE TABLE results (batch TEXT NOT NULL, line INTEGER NOT NULL, failed INTEGER NOT NULL, text BLOB NOT NULL, "
    "UNIQUE (batch, line))",
)
_AT_ONCE = 20
"""Results that are read in one go."""

Outcome = Literal["completed", "expired"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A batch as it is kept. Its files have their ids from the start, so that they are written once, however often
    writing them is begun."""

    batch: Batch
    owner: str
    outcome: Outcome = "completed"
    """What it ends as, once it is finalizing, unless it is cancelled."""
    output_id: str
    error_id: str


class Result(NamedTuple):
    """What came of the request on a line: a line of the output file, or of the error file where it `failed`."""

    line: int
    failed: bool
    text: bytes


Change = Callable[[Record], Record]


class BatchIndex(IndexFile):
    """See `IndexFile`."""

    def __init__(self, path: Path) -> None:
        # Of a new file: results are many, and go with their batch.
        super().__init__(path, _SCHEMA, _VERSION, name="the index of batches", pragmas=("auto_vacuum=FULL",))

    def add(self, record: Record, *, most: int) -> bool:
        """False, and nothing is added, where its owner has `most` that have not ended."""
        with self._transaction():
            query = "SELECT count(*) FROM batches WHERE owner = ? AND NOT ended"
            (under_way,) = self._database.execute(query, (record.owner,)).fetchone()
            if under_way >= most:
                return False
            self._database.execute(
                "INSERT INTO batches (id, owner, ended, record) VALUES (?, ?, 0, ?)",
                (record.batch.id, record.owner, msgspec.json.encode(record)),
            )
            return True

    def get(self, batch_id: str) -> Record | None:
        with self._lock:
            return self._get(batch_id)

    def page(self, owner: str, after: str | None, limit: int) -> list[Batch]:
        """The newest first, those that are older than `after`; none where there is no such batch."""
        query = "SELECT record FROM batches WHERE owner = ?"
        values: list[str | int] = [owner]
        if after is not None:
            query += " AND number < (SELECT number FROM batches WHERE owner = ? AND id = ?)"
            values += [owner, after]
        with self._lock:
            rows = self._database.execute(f"{query} ORDER BY number DESC LIMIT ?", (*values, limit)).fetchall()
        return [_record(row[0]).batch for row in rows]

    def under_way(self) -> list[Record]:
        """Those of every owner that have not ended, the oldest first."""
        with self._lock:
            rows = self._database.execute("SELECT record FROM batches WHERE NOT ended ORDER BY number").fetchall()
        return [_record(row[0]) for row in rows]

    def change(self, batch_id: str, change: Change) -> Record:
        """Put what `change` makes of the record in its place, and give it; it may raise, and then nothing changes. The
        results of a batch that has ended by that are removed. Raises `KeyError` for an unknown id."""
        with self._transaction():
            return self._change(batch_id, change)

    def add_results(self, batch_id: str, results: Iterable[Result]) -> int:
        """Keep those of lines that have none yet, and count them; how many they were. None are taken of a batch that
        has ended."""
        with self._transaction():
            record = self._get(batch_id)
            if record is None or record.batch.status in ENDED:
                return 0
            completed = failed = 0
            for result in results:
                query = "INSERT OR IGNORE INTO results (batch, line, failed, text) VALUES (?, ?, ?, ?)"
                added = self._database.execute(query, (batch_id, *result)).rowcount
                completed += added * (not result.failed)
                failed += added * result.failed
            if completed or failed:
                self._change(batch_id, lambda record: _counted(record, completed, failed))
            return completed + failed

    def lines(self, batch_id: str) -> set[int]:
        """Those that have a result."""
        with self._lock:
            query = "SELECT line FROM results WHERE batch = ?"
            return {line for (line,) in self._database.execute(query, (batch_id,))}

    def results(self, batch_id: str, *, failed: bool) -> Iterator[bytes]:
        """In the order of their lines, a few at a time."""
        query = "SELECT line, text FROM results WHERE batch = ? AND failed = ? AND line > ? ORDER BY line LIMIT ?"
        last = 0
        while True:
            with self._lock:
                rows: list[tuple[int, bytes]] = self._database.execute(
                    query, (batch_id, failed, last, _AT_ONCE)
                ).fetchall()
            if not rows:
                return
            yield from (text for _, text in rows)
            last = rows[-1][0]

    def _get(self, batch_id: str) -> Record | None:
        row = self._database.execute("SELECT record FROM batches WHERE id = ?", (batch_id,)).fetchone()
        return _record(row[0]) if row else None

    def _change(self, batch_id: str, change: Change) -> Record:
        record = self._get(batch_id)
        if record is None:
            raise KeyError(batch_id)
        record = change(record)
        ended = record.batch.status in ENDED
        self._database.execute(
            "UPDATE batches SET record = ?, ended = ? WHERE id = ?", (msgspec.json.encode(record), ended, batch_id)
        )
        if ended:
            self._database.execute("DELETE FROM results WHERE batch = ?", (batch_id,))
        return record


_decode = msgspec.json.Decoder(Record).decode


def _record(data: bytes) -> Record:
    return _decode(data)


def _counted(record: Record, completed: int, failed: int) -> Record:
    counts = record.batch.request_counts
    counts = RequestCounts(completed=counts.completed + completed, failed=counts.failed + failed, total=counts.total)
    return msgspec.structs.replace(record, batch=msgspec.structs.replace(record.batch, request_counts=counts))
