"""Where uploaded files are kept (contract.md 5.4): bytes in a folder, rows in an index, each key's apart.

A row is what makes a file exist. Bytes are written beside, named when they are whole and on the disk, and only then
told to the index; they are removed after their row. So whenever a process ends, what is left over has no row, and the
next start removes it. Servers may share a data directory: whatever is on its way in is locked by who writes it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from moonbase.accounts.disk import disk, remove
from moonbase.accounts.durable import sync_folder
from moonbase.accounts.file_index import FileIndex, FileLimits
from moonbase.contract.errors import ServerError, SettingsError
from moonbase.contract.files import FileObject, Purpose, StoredFile, file_is_empty, file_too_large

logger = logging.getLogger("moonbase.accounts")
_disk = partial(disk, logger, "uploaded files", "files")

_ID = re.compile(r"file_[0-9a-f]{32}")
_NAME = re.compile(r"(file_[0-9a-f]{32})(\.txt)?")
_HEAD = 512
_ENDLESS = FileLimits(file_bytes=sys.maxsize, count=sys.maxsize, total_bytes=sys.maxsize)
_INCOMING = re.compile(r"[0-9a-f]{32}(\.txt)?")


class Upload:
    """A file on its way in. Methods block on the disk; they raise `ServerError` when it fails."""

    def __init__(self, path: Path, limits: FileLimits) -> None:
        self.path = path
        self.size = 0
        self.head = b""
        """The first bytes, up to 512: enough to tell the format of an image or a video."""
        self._limits = limits
        self._file = _create(path)
        self._text_path = path.with_suffix(".txt")
        self._text: BinaryIO | None = None

    def write(self, data: bytes | bytearray) -> None:
        """Raises `InvalidRequest` beyond the largest size."""
        self.size += len(data)
        if self.size > self._limits.file_bytes:
            raise file_too_large(self._limits.file_megabytes)
        self.head += data[: _HEAD - len(self.head)]
        with _disk():
            self._file.write(data)

    def finish(self) -> None:
        """Everything is there. Raises `InvalidRequest` for an empty file."""
        if not self.size:
            raise file_is_empty()
        with _disk():
            self._file.flush()

    def open_text(self) -> BinaryIO:
        """Where the text of the file is to be written, as UTF-8. It closes with the upload."""
        self._text = _create(self._text_path)
        return self._text

    def settle(self, folder: Path, file_id: str) -> None:
        """Put everything on the disk under its name."""
        with _disk():
            os.fsync(self._file.fileno())
            self.path = self.path.rename(folder / file_id)
            if self._text is not None:
                self._text.flush()
                os.fsync(self._text.fileno())
                self._text_path = self._text_path.rename(folder / f"{file_id}.txt")
            sync_folder(folder)

    def release(self) -> None:
        """The file has a row, and is safe without a lock."""
        for file in (self._file, self._text):
            if file is not None:
                with suppress(OSError):
                    file.close()

    def discard(self) -> None:
        """Leave nothing behind."""
        self.release()
        remove(self.path)
        if self._text is not None:
            remove(self._text_path)


class FileStore:
    """Files of every key under `data_dir`. `clock` gives Unix time in seconds; `open` comes first, `close` last.

    Raises `SettingsError` when the folder or the index cannot be used, `ServerError` when the disk fails later.
    """

    def __init__(
        self, data_dir: Path, *, limits: FileLimits | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.limits = limits or FileLimits()
        self._clock = clock
        self._folder = data_dir / "files"
        self._incoming = self._folder / "incoming"
        try:
            self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"the folder of uploaded files {self._folder} cannot be used: {error}") from None
        self._index = FileIndex(data_dir / "files.db")

    async def open(self) -> None:
        """Remove what an earlier process left half done. Raises `SettingsError`."""
        try:
            await asyncio.to_thread(self._sweep)
        except ServerError as error:
            raise SettingsError(f"the folder of uploaded files {self._folder} cannot be used: {error}") from None

    async def close(self) -> None:
        await asyncio.to_thread(self._index.close)

    async def begin(self, owner: str) -> Upload:
        """Raises `InvalidRequest` when `owner` has no room for another file."""
        await asyncio.to_thread(self._check_room, owner)
        # At once, not in a thread: an upload that nobody waits for any more would stay.
        return Upload(self._incoming / secrets.token_hex(16), self.limits)

    async def keep(self, owner: str, upload: Upload, *, filename: str, purpose: Purpose) -> FileObject:
        """The finished `upload` as a file of `owner`'s, with its text where `text_path` is written.

        Raises `InvalidRequest` when there is no room for it; then nothing is kept.
        """
        return await asyncio.to_thread(self._keep, owner, upload, filename, purpose)

    async def write(
        self, owner: str, file_id: str, pieces: Iterable[bytes], *, filename: str, purpose: Purpose
    ) -> bool:
        """A file of `owner`'s that the server makes, whatever room there is; `pieces` may block. Once it is there a
        second call changes nothing. False, and there is none, where `pieces` come to nothing."""
        return await asyncio.to_thread(self._write, owner, file_id, pieces, filename, purpose)

    async def get(self, owner: str, file_id: str) -> StoredFile | None:
        found = await asyncio.to_thread(self._get, owner, file_id)
        return StoredFile(found, self._folder / found.id) if found else None

    async def text(self, owner: str, file_id: str) -> Path | None:
        """Where the text of a file is kept, as UTF-8; None where there is no such file, or it has none."""
        found = await asyncio.to_thread(self._get, owner, file_id)
        path = self._folder / f"{file_id}.txt"
        return path if found and await asyncio.to_thread(path.is_file) else None

    async def of(self, owner: str) -> list[FileObject]:
        """The files of `owner`, the newest first."""
        return await asyncio.to_thread(self._of, owner)

    async def delete(self, owner: str, file_id: str) -> bool:
        """Whether there was such a file."""
        return await asyncio.to_thread(self._delete, owner, file_id)

    def _check_room(self, owner: str) -> None:
        with _disk():
            self._index.check_room(owner, 1, self.limits)

    def _write(self, owner: str, file_id: str, pieces: Iterable[bytes], filename: str, purpose: Purpose) -> bool:
        with _disk():
            if self._index.has(file_id):
                return True
        upload = Upload(self._incoming / secrets.token_hex(16), _ENDLESS)
        try:
            for piece in pieces:
                upload.write(piece)
            if upload.size:
                upload.finish()
        except BaseException:
            upload.discard()
            raise
        if not upload.size:
            upload.discard()
            return False
        self._settle(owner, file_id, upload, filename, purpose, _ENDLESS)
        return True

    def _keep(self, owner: str, upload: Upload, filename: str, purpose: Purpose) -> FileObject:
        return self._settle(owner, f"file_{secrets.token_hex(16)}", upload, filename, purpose, self.limits)

    def _settle(
        self, owner: str, file_id: str, upload: Upload, filename: str, purpose: Purpose, limits: FileLimits
    ) -> FileObject:
        file = FileObject(
            id=file_id,
            bytes=upload.size,
            created_at=int(self._clock()),
            filename=filename,
            purpose=purpose,
        )
        try:
            upload.settle(self._folder, file.id)
            with _disk():
                self._index.add(owner, file, limits)
        except BaseException:
            upload.discard()
            raise
        upload.release()
        return file

    def _get(self, owner: str, file_id: str) -> FileObject | None:
        with _disk():
            return self._index.get(owner, file_id) if _ID.fullmatch(file_id) else None

    def _of(self, owner: str) -> list[FileObject]:
        with _disk():
            return self._index.of(owner)

    def _delete(self, owner: str, file_id: str) -> bool:
        with _disk():
            if not (_ID.fullmatch(file_id) and self._index.remove(owner, file_id)):
                return False
        remove(self._folder / file_id)
        remove(self._folder / f"{file_id}.txt")
        return True

    def _sweep(self) -> None:
        with _disk():
            known, there = self._index.ids(), {path.name for path in self._folder.iterdir()}
            for path in self._incoming.iterdir():
                if _INCOMING.fullmatch(path.name) and not _is_locked(path):
                    remove(path)
            for name, file_id in _kept(there):
                # Asked again: another server may have added the row since.
                if file_id not in known and not _is_locked(self._folder / name) and not self._index.has(file_id):
                    remove(self._folder / name)
            for file_id in sorted(known - there):
                logger.warning("the bytes of the uploaded file %s are gone; it is forgotten", file_id)
                self._index.forget(file_id)


def _kept(names: set[str]) -> Iterator[tuple[str, str]]:
    """Those of `names` that this module gave, with the id of each; what else lies there is not ours to remove."""
    for name in names:
        if match := _NAME.fullmatch(name):
            yield name, match[1]


def _create(path: Path) -> BinaryIO:
    """A new file, locked until it is closed."""
    with _disk():
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")
        _lock(file.fileno())
        return file


def _lock(descriptor: int) -> None:
    """Held until the file is closed, or the process ends in whatever way. Windows guards open files by itself."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_locked(path: Path) -> bool:
    """Whether a process is at work on the upload at `path`."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
