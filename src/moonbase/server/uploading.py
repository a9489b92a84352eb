"""`POST /v1/files`: a form on its way to the store, a piece at a time, and what is refused of it (contract.md 5.4)."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import NamedTuple, get_args

from moonbase.accounts.files import Upload
from moonbase.contract.errors import InvalidRequest, RequestTooLarge, ServerError, missing_field
from moonbase.contract.files import FileObject, UploadPurpose, extraction_failed, file_too_large
from moonbase.contract.media_formats import FORMATS, sniff
from moonbase.server.multipart import Event, FormReader, Part
from moonbase.server.platform import Platform
from moonbase.server.wire import Receive, Scope, body_pieces, header, until_disconnect
from moonbase.tools.extracting.extractor import ExtractorFailed
from moonbase.tools.extracting.text import Refused

PURPOSES: tuple[UploadPurpose, ...] = get_args(UploadPurpose)
OVERHEAD = 1024 * 1024
"""Bytes that a form may have beside its file."""
_AT_ONCE = 1024 * 1024
"""Bytes that are written in one go, off the loop."""
_MAX_FIELD = 200


class _Form(NamedTuple):
    filename: str
    purpose: UploadPurpose


class _Reading:
    """Takes the events of a form: the file goes to `upload`."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._part = ""
        self._filename: str | None = None
        self._purpose: bytes | None = None
        self._waiting = bytearray()

    async def add(self, event: Event) -> None:
        if isinstance(event, Part):
            self._begin(event)
        elif self._part == "file":
            self._waiting += event
            if len(self._waiting) >= _AT_ONCE:
                await self._write()
        elif self._part == "purpose":
            self._purpose = (self._purpose or b"") + event[:_MAX_FIELD]
            if len(self._purpose) > _MAX_FIELD:
                raise _wrong_purpose(self._purpose)

    async def close(self) -> _Form:
        if self._filename is None:
            raise missing_field("file")
        if self._purpose is None:
            raise missing_field("purpose")
        sent = self._purpose.decode("utf-8", "replace")
        found: list[UploadPurpose] = [purpose for purpose in PURPOSES if purpose == sent]
        if not found:
            raise _wrong_purpose(self._purpose)
        await self._write()
        await asyncio.to_thread(self._upload.finish)
        return _Form(self._filename, found[0])

    def _begin(self, part: Part) -> None:
        self._part = part.name
        if part.name == "file":
            if self._filename is not None:
                raise InvalidRequest("Invalid request: the `file` field is in the request twice; send one file")
            if not part.filename:
                raise InvalidRequest(
                    "Invalid request: the `file` field in the request (expected type file) is illegal: it has no file "
                    "name; send it as a file"
                )
            self._filename = part.filename
        elif part.name == "purpose":
            if self._purpose is not None:
                raise InvalidRequest("Invalid request: the `purpose` field is in the request twice")
            self._purpose = b""

    async def _write(self) -> None:
        data, self._waiting = self._waiting, bytearray()
        if data:
            await asyncio.to_thread(self._upload.write, data)


async def take_upload(platform: Platform, scope: Scope, receive: Receive, owner: str) -> FileObject:
    """Read a request's form and keep its file; raises `ApiError`, and then nothing of it is kept."""
    reader = FormReader(header(scope, b"content-type"))
    upload = await platform.files.begin(owner)
    try:
        form = await _read_form(platform, reader, upload, scope, receive)
        if form.purpose == "file-extract":
            await until_disconnect(receive, _extract(platform, upload, form.filename))
        elif form.purpose != "batch":
            _check_format(upload, form.purpose)
    except BaseException:
        upload.discard()
        raise
    return await platform.files.keep(owner, upload, filename=form.filename, purpose=form.purpose)


async def _read_form(platform: Platform, reader: FormReader, upload: Upload, scope: Scope, receive: Receive) -> _Form:
    limits = platform.files.limits
    reading = _Reading(upload)
    pieces = body_pieces(scope, receive, limit=limits.file_bytes + OVERHEAD, patience=platform.patience)
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                for event in reader.feed(piece):
                    await reading.add(event)
    except RequestTooLarge:
        raise file_too_large(limits.file_megabytes) from None
    reader.close()
    return await reading.close()


async def _extract(platform: Platform, upload: Upload, filename: str) -> None:
    try:
        await platform.extractor.extract(upload.path, filename, upload.open_text())
    except Refused as error:
        raise extraction_failed(str(error)) from None
    except ExtractorFailed as error:
        raise ServerError(f"Failed to extract file: {error}") from error


def _check_format(upload: Upload, purpose: UploadPurpose) -> None:
    """A picture or a video must be one; it is refused here rather than when it is shown."""
    kind = "video" if purpose == "video" else "image"
    found = sniff(upload.head, length=upload.size)
    if found is None or not found.startswith(kind):
        *names, last = FORMATS[kind]
        what = f"are {found}" if found else "are of no format that is known"
        raise InvalidRequest(
            f"Invalid request: unsupported {kind} format: the bytes of the `file` field {what}; send "
            f"{', '.join(names)} or {last}"
        )


def _wrong_purpose(sent: bytes) -> InvalidRequest:
    """contract.md 4.2, which is older than the other purposes of 5.4."""
    others = " and ".join([", ".join(f"'{name}'" for name in PURPOSES[1:-1]), f"'{PURPOSES[-1]}'"])
    shown = ascii(sent[:50].decode("utf-8", "replace"))
    return InvalidRequest(f"Invalid purpose: only 'file-extract' accepted, and {others}; got {shown}")
