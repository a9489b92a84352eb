"""Where batches are kept (contract.md 5.5): records and results in an index, and the input of each under a name of its
own, so that it is there to the end even where the uploaded file is deleted.

Servers may share a data directory: whoever runs a batch has a lock on it, which the system lets go of when the process
ends, in whatever way. What has been answered is in the index before anybody is told, so a batch goes on where it stood.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import replace

from moonbase.accounts.batch_index import BatchIndex, Change, Record, Result
from moonbase.accounts.disk import disk, remove
from moonbase.contract.batches import (
    CANCELLABLE,
    ENDED,
    Batch,
    BatchBody,
    no_input,
    unknown_batch,
    window_seconds,
)
from moonbase.contract.errors import InvalidRequest, ServerError, SettingsError
from moonbase.contract.files import StoredFile

logger = logging.getLogger("moonbase.accounts")
_disk = partial(disk, logger, "batches", "batches")

MOST_UNDER_WAY = 100
"""Batches of one key that have not ended."""
_ABANDONED = 3600.0
"""Seconds after which an input without a row is what a process left that was killed."""
_NAME = re.compile(r"(batch_[0-9a-f]{32})\.(jsonl|lock)")


class Claim:
    """The right to run a batch, until it is released or the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        os.close(self._descriptor)


class BatchStore:
    """Batches of every key under `data_dir`. `clock` gives Unix time in seconds; `open` comes first, `close` last.

    Raises `SettingsError` when the folder or the index cannot be used, `ServerError` when the disk fails later.
    """

    def __init__(self, data_dir: Path, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._folder = data_dir / "batches"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"the folder of batches {self._folder} cannot be used: {error}") from None
        self._index = BatchIndex(data_dir / "batches.db")

    async def open(self) -> None:
        """Remove what batches that have ended left behind. Raises `SettingsError`."""
        try:
            await asyncio.to_thread(self._sweep)
        except ServerError as error:
            raise SettingsError(f"the folder of batches {self._folder} cannot be used: {error}") from None

    async def close(self) -> None:
        await asyncio.to_thread(self._index.close)

    async def create(self, owner: str, body: BatchBody, file: StoredFile) -> Batch:
        """Raises `InvalidRequest` where `owner` has too many under way."""
        return await asyncio.to_thread(self._create, owner, body, file)

    async def get(self, owner: str, batch_id: str) -> Batch:
        """Raises `NotFound`, for another key's batch as for none."""
        return (await asyncio.to_thread(self._get, owner, batch_id)).batch

    async def page(self, owner: str, after: str | None, limit: int) -> list[Batch]:
        """Up to `limit` batches of `owner`, the newest first; those that are older than `after`, where it is given."""
        return await asyncio.to_thread(self._page, owner, after, limit)

    async def cancel(self, owner: str, batch_id: str) -> Batch:
        """Whoever runs it is to look at it again. Raises `NotFound`, and `InvalidRequest` where it is too late."""
        return await asyncio.to_thread(self._cancel, owner, batch_id)

    async def under_way(self) -> list[Record]:
        """Those of every key that have not ended, the oldest first."""
        return await asyncio.to_thread(self._under_way)

    async def read(self, batch_id: str) -> Record:
        """The record as it is now; of a batch that has ended, what was left is removed."""
        return await self.change(batch_id, lambda record: record)

    async def change(self, batch_id: str, change: Change) -> Record:
        """See `BatchIndex.change`. Where it has ended by that, nothing is kept of it but the record."""
        return await asyncio.to_thread(self._change, batch_id, change)

    def add_results(self, batch_id: str, results: Iterable[Result]) -> int:
        """See `BatchIndex.add_results`. Blocks on the disk."""
        with _disk():
            return self._index.add_results(batch_id, results)

    def answered(self, batch_id: str) -> set[int]:
        """The lines that have a result. Blocks on the disk."""
        with _disk():
            return self._index.lines(batch_id)

    def results(self, batch_id: str, *, failed: bool) -> Iterator[bytes]:
        """The lines of the output file, or of the error file, in order. Blocks on the disk."""
        with _disk():
            yield from self._index.results(batch_id, failed=failed)

    def open_input(self, batch_id: str) -> BinaryIO:
        """The input file. Blocks on the disk."""
        with _disk():
            return self._input(batch_id).open("rb")

    def claim(self, batch_id: str) -> Claim | None:
        """The right to run a batch; None where another has it. Blocks on the disk, for a moment."""
        with _disk():
            descriptor = os.open(self._folder / f"{batch_id}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        if _try_lock(descriptor):
            return Claim(descriptor)
        os.close(descriptor)
        return None

    def _create(self, owner: str, body: BatchBody, file: StoredFile) -> Batch:
        now = int(self._clock())
        batch = Batch(
            id=f"batch_{secrets.token_hex(16)}",
            endpoint=body.endpoint,
            input_file_id=body.input_file_id,
            completion_window=body.completion_window,
            created_at=now,
            expires_at=now + window_seconds(body.completion_window),
            metadata=body.metadata,
        )
        record = Record(
            batch=batch,
            owner=owner,
            output_id=f"file_{secrets.token_hex(16)}",
            error_id=f"file_{secrets.token_hex(16)}",
        )
        with _disk():
            # Before the row: nobody may run it without.
            if not _give_name(file.path, self._input(batch.id)):
                raise no_input(body.input_file_id)
            if not self._index.add(record, most=MOST_UNDER_WAY):
                remove(self._input(batch.id))
                raise InvalidRequest(
                    f"Invalid request: {MOST_UNDER_WAY} batches of yours have not ended; wait for one of them, or "
                    "cancel one"
                )
        return batch

    def _input(self, batch_id: str) -> Path:
        return self._folder / f"{batch_id}.jsonl"

    def _get(self, owner: str, batch_id: str) -> Record:
        with _disk():
            record = self._index.get(batch_id)
        if record is None or record.owner != owner:
            raise unknown_batch(batch_id)
        return record

    def _page(self, owner: str, after: str | None, limit: int) -> list[Batch]:
        with _disk():
            return self._index.page(owner, after, limit)

    def _cancel(self, owner: str, batch_id: str) -> Batch:
        self._get(owner, batch_id)
        now = int(self._clock())
        with _disk():
            return self._index.change(batch_id, lambda record: _cancelling(record, now)).batch

    def _under_way(self) -> list[Record]:
        with _disk():
            return self._index.under_way()

    def _change(self, batch_id: str, change: Change) -> Record:
        with _disk():
            record = self._index.change(batch_id, change)
        if record.batch.status in ENDED:
            remove(self._input(batch_id))
            remove(self._folder / f"{batch_id}.lock")
        return record

    def _sweep(self) -> None:
        with _disk():
            there = [path for path in self._folder.iterdir() if _NAME.fullmatch(path.name)]
            under_way = {record.batch.id for record in self._index.under_way()}
            for path in there:
                # What has no row and is new, another server may be about to add.
                ended = self._index.get(path.stem) is not None
                if path.stem not in under_way and (ended or time.time() - path.stat().st_ctime > _ABANDONED):
                    remove(path)


def _cancelling(record: Record, now: int) -> Record:
    status = record.batch.status
    if status not in CANCELLABLE:
        raise InvalidRequest(
            f"Invalid request: batch {record.batch.id} has the status '{status}'; only batches that are "
            f"{', '.join(sorted(CANCELLABLE))} can be cancelled"
        )
    return replace(record, batch=replace(record.batch, status="cancelling", cancelling_at=now))


def _give_name(file: Path, name: Path) -> bool:
    """The bytes of `file` are at `name` too, whatever becomes of it: as one file where the file system can. False where
    it was deleted in this moment."""
    try:
        os.link(file, name)
    except FileNotFoundError:
        return False
    except OSError:
        shutil.copyfile(file, name)
    return True


def _try_lock(descriptor: int) -> bool:
    """Until the file is closed, or the process ends in whatever way."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
