"""The files that a key has at a server, ours or the hosted API (contract.md 5.4), and asking for them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast
from urllib.parse import quote

import msgspec

from moonbase.cli.asking import Server
from moonbase.cli.exits import Failure, Unusable
from moonbase.contract.errors import MethodNotAllowed, NotFound

LATEST = "last"
"""What the user may call the newest one."""


class ToldFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file: what the commands need of it."""

    id: str
    filename: str = ""
    purpose: str = ""
    bytes: int = 0
    created_at: float = 0
    status: str | None = None
    status_details: str | None = None


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file, and the JSON that it came as."""

    told: ToldFile
    raw: dict[str, Any]


class StoredFiles:
    """The files of a key at `server`. Everything raises `Unusable` and `ApiError`, and `Failure` for a file that is
    not there."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def upload(self, file: BinaryIO, *, name: str, purpose: str) -> KnownFile:
        with self._has_files():
            return self._known(await self._server.upload("/files", file, name=name, purpose=purpose))

    async def every(self) -> list[KnownFile]:
        """The newest first."""
        with self._has_files():
            told = await self._server.get("/files")
        rows = cast("dict[str, Any]", told).get("data") if isinstance(told, dict) else None
        if not isinstance(rows, list):
            raise Unusable(f"{self._server.where.base_url} answers with something else than a list of files")
        files = [self._known(row) for row in cast("list[Any]", rows)]
        return sorted(files, key=lambda file: file.told.created_at, reverse=True)

    async def get(self, name: str) -> KnownFile:
        """By its id, or `LATEST`."""
        if name == LATEST:
            if not (files := await self.every()):
                raise Failure(f"there are no files of this key at {self._server.where.base_url}")
            return files[0]
        with _unknown():
            return self._known(await self._server.get(_path(name)))

    async def delete(self, file_id: str) -> Any:
        """What the server says to it."""
        with _unknown():
            return await self._server.delete(_path(file_id))

    async def content(self, file_id: str, into: BinaryIO) -> None:
        """Its text, or the lines that a batch has written."""
        with _unknown():
            await self._server.download(f"{_path(file_id)}/content", into.write)

    def _known(self, raw: Any) -> KnownFile:
        try:
            return KnownFile(msgspec.convert(raw, ToldFile), raw)
        except msgspec.ValidationError as error:
            raise Unusable(f"{self._server.where.base_url} answers with something else than a file: {error}") from None

    @contextmanager
    def _has_files(self) -> Generator[None]:
        """Other servers have models, and no files."""
        try:
            yield
        except (NotFound, MethodNotAllowed) as error:
            raise Unusable(f"{self._server.where.base_url} takes no files ({error.message})") from None


def _path(file_id: str) -> str:
    return f"/files/{quote(file_id, safe='')}"


@contextmanager
def _unknown() -> Generator[None]:
    try:
        yield
    except NotFound as error:
        raise Failure(f"{error.message}; `moonbase files list` lists those of your key") from None
