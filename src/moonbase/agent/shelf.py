"""A folder of sessions: the latest first, each by its first words; found again by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from uuid import uuid4

import msgspec

from moonbase.agent.records import Header, Said, decode
from moonbase.agent.session_lock import SessionError

SUFFIX = ".jsonl"
_PIECE = 16_384
_HEAD = 1_000_000
"""Bytes of a file that its first question is looked for in; a system prompt may stand before it."""
_TITLE = 72
"""Characters of a title."""


class Summary(msgspec.Struct, frozen=True):
    """A session as a list shows it."""

    path: Path
    id: str
    name: str
    """Of the file, without its ending."""
    title: str
    """How its first question begins, on one line; "" where nobody has asked anything."""
    model: str
    created: float
    """Seconds of Unix time."""
    used: float
    """When something was last written, likewise."""
    size: int
    """Bytes."""


class Shelf:
    """The sessions of `folder`, which need not exist. Other files in it are passed over.

    Only as much is read as is asked for: the newest twenty of thousands cost twenty short reads, which `read` does.
    """

    def __init__(self, folder: Path, read: Callable[[Path, os.stat_result], Summary | None] | None = None) -> None:
        self.folder = folder
        self._read = read or summarize

    def __iter__(self) -> Iterator[Summary]:
        """Those that were used last come first."""
        for path, status in sorted(self._files(), key=lambda file: file[1].st_mtime_ns, reverse=True):
            summary = self._read(path, status)
            if summary is not None:
                yield summary

    def latest(self, count: int) -> list[Summary]:
        return list(islice(self, count))

    def find(self, name: str) -> Path:
        """The session called `name`: the name of its file, how that or its id begins, "last", or a path.
        Raises `SessionError` where there is none, or where several are meant."""
        if name == "last":
            found = next(iter(self), None)
            if found is None:
                raise SessionError(f"there is no session in {self.folder} yet")
            return found.path
        exact = self.folder / f"{name}{SUFFIX}"
        for path in (Path(name), exact):
            if path.is_file():
                return path
        matches = [one for one in self if name and (one.name.startswith(name) or one.id.startswith(name))]
        if len(matches) != 1:
            raise SessionError(_not_one(name, matches, self.folder))
        return matches[0].path

    def new_path(self, now: datetime | None = None) -> Path:
        """A name that no session of the folder has: the time, and a few signs that are drawn."""
        when = now or datetime.now(UTC)
        return self.folder / f"{when:%Y-%m-%d-%H%M}-{uuid4().hex[:6]}{SUFFIX}"

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name.endswith(SUFFIX) and not entry.name.startswith(".") and entry.is_file():
                        yield Path(entry.path), entry.stat()
        except (FileNotFoundError, NotADirectoryError):
            return


def summarize(path: Path, status: os.stat_result | None = None) -> Summary | None:
    """What a list shows of the session at `path`; None where it is none, or cannot be read."""
    try:
        status = status or path.stat()
        with path.open("rb") as file:
            header, title = _head(file.read(_PIECE))
            while header is not None and not title and file.tell() < min(status.st_size, _HEAD):
                place = file.tell()
                file.seek(0)
                header, title = _head(file.read(2 * place))
    except OSError:
        return None
    if header is None:
        return None
    return Summary(path, header.id, path.stem, title, header.model, header.created, status.st_mtime, status.st_size)


def _head(data: bytes) -> tuple[Header | None, str]:
    """The header and the title, as far as `data`, the beginning of a file, has them."""
    header: Header | None = None
    for number, line in enumerate(data.split(b"\n")):
        try:
            record = decode(line)
        except ValueError:
            if number == 0:
                break
            continue
        if number == 0:
            if not isinstance(record, Header):
                break
            header = record
        elif isinstance(record, Said) and record.message.role == "user":
            return header, " ".join(record.message.text.split())[:_TITLE]
    return header, ""


def _not_one(name: str, matches: list[Summary], folder: Path) -> str:
    if not matches:
        return f"there is no session {name!r} in {folder}, and no such file; `moonbase sessions list` shows them"
    told = ", ".join(one.name for one in matches[:5])
    return (
        f"{name!r} may be any of {len(matches)} sessions ({told}{', ...' if len(matches) > 5 else ''}); say more of it"
    )
