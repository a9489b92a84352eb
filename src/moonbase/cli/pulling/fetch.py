"""One file from a host to the store: resumed where it was torn, checked, and given its name only when it is right."""

from __future__ import annotations

import errno
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx

from moonbase.cli.exits import Failure, Unusable
from moonbase.cli.pulling.hub import Remote
from moonbase.cli.pulling.part import Origin, Part
from moonbase.cli.pulling.web import Lost, Web
from moonbase.contract.errors import SettingsError
from moonbase.engines.llama.gguf_metadata import MAGIC
from moonbase.engines.llama.model import read_model
from moonbase.engines.model_store import Record, read_record

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before each further try that brought nothing; one that brings bytes begins them anew."""
_PATIENCE = 120.0
"""Seconds that a host's `Retry-After` is obeyed for, at most."""
_SPARE = 64 << 20
"""Bytes that stay free on the disk."""
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)\Z")
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class Progress(Protocol):
    """Who shows how far it is. `begin` comes first, and again when more is known; `say` is a line for the user."""

    def begin(self, name: str, total: int | None, done: int = 0) -> None: ...

    def advance(self, count: int) -> None: ...

    def say(self, line: str) -> None: ...

    def end(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """`fresh`: bytes were fetched; otherwise the file was there already."""

    path: Path
    record: Record
    fresh: bool


class Fetch:
    """Fetches files with `web`; `pause` waits so many seconds, `clock` gives Unix time."""

    def __init__(
        self,
        web: Web,
        progress: Progress,
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
        free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        self._web = web
        self._progress = progress
        self._pause = pause
        self._clock = clock
        self._free = free
        self._reached = False

    def fetch(self, remote: Remote, target: Path, *, force: bool = False) -> Fetched:
        """Raises `Failure`; `Unusable` where the host does not give the file. What has come is kept for the next try,
        save bytes that turned out to be wrong."""
        self._reached = False
        with Part(target) as part:
            record = read_record(target)
            if not force and record and _same(remote, record, target):
                part.discard()
                return Fetched(target, record, fresh=False)
            self._progress.begin(target.name, remote.size)
            try:
                origin = part.resume(Origin(remote.url, "", remote.sha256 or ""), self._progress.advance)
                if part.size:
                    self._progress.say(f"going on after {part.size} bytes that are there")
                origin = self._whole(remote, part, origin)
                return Fetched(target, self._settled(remote, part, origin), fresh=True)
            except OSError as error:
                raise _disk(error, target) from None
            finally:
                self._progress.end()

    def _whole(self, remote: Remote, part: Part, origin: Origin) -> Origin:
        """Ask until everything is there."""
        pauses = iter(PAUSES)
        while True:
            before = part.size
            try:
                return self._try(remote, part, origin)
            except Lost as lost:
                if part.size > before:
                    pauses = iter(PAUSES)
                wait = next(pauses, None) if self._reached else None
                if wait is None:
                    kept = f"; {part.size} bytes are kept, pull again to go on" if part.size else ""
                    raise Unusable(f"{lost}{kept}") from None
                wait = max(wait, lost.after)
                self._progress.say(f"{lost}; trying again in {wait:g} s")
                self._pause(wait)
                origin = part.noted()

    def _try(self, remote: Remote, part: Part, origin: Origin) -> Origin:
        """One request; what it brings is in `part`, also when it ends with `Lost`."""
        if part.size and part.size == remote.size:
            return origin
        if not origin.certain:
            part.restart()
        headers: dict[str, str] = {}
        if part.size:
            headers["Range"] = f"bytes={part.size}-"
            if origin.mark:
                headers["If-Range"] = origin.mark
        with self._web.get(remote.url, headers) as reply:
            self._reached = True
            self._check(reply, remote)
            if reply.status_code == 416 and reply.headers.get("content-range") == f"bytes */{part.size}":
                return origin
            total = self._place(reply, remote, part)
            origin = Origin(remote.url, reply.headers.get("etag", ""), remote.sha256 or "")
            part.note(origin)
            self._room(part, total)
            self._copy(reply, part, total)
        return origin

    def _check(self, reply: httpx.Response, remote: Remote) -> None:
        status = reply.status_code
        host = reply.url.host
        if status in (200, 206, 416):
            return
        if status in _AGAIN:
            asked = reply.headers.get("retry-after", "")
            after = min(float(asked), _PATIENCE) if asked.isdigit() else 0.0
            raise Lost(f"{host} answers with the status {status}", after=after)
        if status in (401, 403):
            todo = "fetch it by other means, and give its path to --model"
            if self._web.is_hub(str(reply.url)):
                todo = "HF_TOKEN is not accepted there" if self._web.has_token else "set HF_TOKEN"
            raise Unusable(f"{host} does not give {remote.name} away (status {status}); {todo}")
        if status in (404, 410):
            raise Unusable(f"{host} has no file {remote.name} (status {status})")
        raise Unusable(f"{host} answers with the status {status}")

    def _place(self, reply: httpx.Response, remote: Remote, part: Part) -> int | None:
        """Where the reply's bytes go on: after those that are there, or from the beginning. The whole size, if said."""
        if reply.status_code == 206:
            found = _RANGE.match(reply.headers.get("content-range", ""))
            if found and int(found.group(1)) == part.size and remote.size in (None, int(found.group(2))):
                self._progress.begin(part.target.name, int(found.group(2)), part.size)
                return int(found.group(2))
        if reply.status_code != 200:
            part.restart()
            self._progress.begin(part.target.name, remote.size)
            raise Lost(f"{reply.url.host} cannot go on where it was torn, so it begins anew")
        if part.size:
            self._progress.say("the file has changed, or its host cannot go on in the middle; it begins anew")
            part.restart()
        said = reply.headers.get("content-length", "")
        total = int(said) if said.isdigit() else remote.size
        if remote.size is not None and total != remote.size:
            raise Unusable(f"{reply.url.host} has {total} bytes of {remote.name}; the hub says {remote.size}")
        self._progress.begin(part.target.name, total)
        return total

    def _room(self, part: Part, total: int | None) -> None:
        if total is None:
            return
        free, needed = self._free(part.path.parent), total - part.size + _SPARE
        if free < needed:
            raise Failure(
                f"{part.target.name} needs {needed / 1e9:.2f} GB more, and the disk of {part.path.parent} has "
                f"{free / 1e9:.2f} GB; free some space, or choose another folder with --data-dir"
            )

    def _copy(self, reply: httpx.Response, part: Part, total: int | None) -> None:
        for data in reply.iter_raw():
            if part.size < len(MAGIC) <= part.size + len(data):
                self._begins_right(part, data, reply.url.host)
            part.write(data)
            self._progress.advance(len(data))
            if total is not None and part.size > total:
                part.restart()
                raise Lost(f"{reply.url.host} sent more than the file has")
        if total is not None and part.size < total:
            raise Lost(f"{reply.url.host} stopped in the middle")

    def _begins_right(self, part: Part, data: bytes, host: str) -> None:
        begin = (part.head(part.size) + data)[: len(MAGIC)]
        if begin != MAGIC:
            part.discard()
            raise Unusable(f"what {host} sends is no GGUF file: it begins with {begin!r}")

    def _settled(self, remote: Remote, part: Part, origin: Origin) -> Record:
        """Check the whole file and give it its name."""
        if remote.sha256 and part.sha256 != remote.sha256.lower():
            found = part.sha256
            part.discard()
            raise Failure(
                f"{part.target.name} has the SHA-256 {found}, expected {remote.sha256}; its bytes are thrown away, "
                "pull again"
            )
        try:
            read_model(str(part.path))
        except SettingsError as error:
            part.discard()
            raise Failure(f"{error}; its bytes are thrown away") from None
        record = Record(
            source=remote.source or remote.url.partition("?")[0],
            bytes=part.size,
            sha256=part.sha256,
            checked=bool(remote.sha256),
            revision=remote.revision,
            etag=origin.etag,
            pulled_at=self._clock(),
        )
        part.finish(record)
        return record


def _same(remote: Remote, record: Record, target: Path) -> bool:
    """Whether the store has this very file; where nothing tells, its size and address must do."""
    if not target.exists() or target.stat().st_size != record.bytes:
        return False
    if remote.sha256:
        return record.sha256 == remote.sha256.lower()
    return remote.size in (None, record.bytes) and record.source == (remote.source or remote.url.partition("?")[0])


def _disk(error: OSError, target: Path) -> Failure:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure(f"the disk of {target.parent} is full; free some space and pull again, what has come is kept")
    return Failure(f"{target} cannot be written: {error.strerror or error}")
