"""`/v1/files`: uploads, what there is of them, and the text of documents (contract.md 5.4)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import BinaryIO, Literal, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from moonbase.contract.errors import InvalidRequest
from moonbase.contract.files import FileObject, Purpose, StoredFile, unknown_file
from moonbase.server.platform import Platform
from moonbase.server.replies import limit_of, owner_of, reply, route, told
from moonbase.server.uploading import take_upload

_CHUNK = 256 * 1024
_MOST = 10_000
_PURPOSES: tuple[str, ...] = get_args(Purpose)


class FileList(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a key."""

    object: Literal["list"] = "list"
    data: list[FileObject]


class FileDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """A file is gone."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


def routes(platform: Platform) -> list[Route]:
    files = platform.files

    async def upload(request: Request) -> Response:
        return reply(request, await take_upload(platform, request.scope, request.receive, owner_of(request)))

    async def list_files(request: Request) -> Response:
        return reply(request, FileList(data=_page(await files.of(owner_of(request)), request)))

    async def get_file(request: Request) -> Response:
        return reply(request, (await _found(platform, request)).object)

    async def delete_file(request: Request) -> Response:
        file_id = request.path_params["file_id"]
        if not await files.delete(owner_of(request), file_id):
            raise unknown_file(file_id)
        return reply(request, FileDeleted(id=file_id))

    async def content(request: Request) -> Response:
        stored = await _found(platform, request)
        file = stored.object
        if file.purpose == "batch_output":
            return await _text(request, stored.path)
        if file.purpose != "file-extract":
            raise InvalidRequest(
                f"Invalid request: file {file.id} was uploaded with the purpose '{file.purpose}'; only files with the "
                "purpose 'file-extract' have content that can be read, and the output of batches"
            )
        path = await files.text(owner_of(request), file.id)
        if path is None:
            raise unknown_file(file.id)
        return await _text(request, path)

    return [
        route("/v1/files", GET=list_files, POST=upload),
        route("/v1/files/{file_id}", GET=get_file, DELETE=delete_file),
        Route("/v1/files/{file_id}/content", content, methods=["GET"]),
    ]


async def _found(platform: Platform, request: Request) -> StoredFile:
    """Raises `NotFound`, for another key's file as for none."""
    file_id = request.path_params["file_id"]
    stored = await platform.files.get(owner_of(request), file_id)
    if stored is None:
        raise unknown_file(file_id)
    return stored


def _page(files: list[FileObject], request: Request) -> list[FileObject]:
    """What the query asks for, in the words of OpenAI's API: without one, every file, the newest first.

    Clients ask for pages until one is empty; a file that was deleted since has none after it.
    """
    asked = request.query_params
    if "purpose" in asked:
        purpose = _choice("purpose", asked["purpose"], _PURPOSES)
        files = [file for file in files if file.purpose == purpose]
    if _choice("order", asked.get("order", "desc"), ("asc", "desc")) == "asc":
        files = files[::-1]
    if "after" in asked:
        places = [place for place, file in enumerate(files, 1) if file.id == asked["after"]]
        files = files[places[0] :] if places else []
    return files[: limit_of(asked["limit"], _MOST)] if "limit" in asked else files


def _choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise InvalidRequest(
            f"Invalid request: the query parameter `{name}` must be one of {', '.join(allowed)}, got {value[:50]!a}"
        )
    return value


async def _text(request: Request, path: Path) -> Response:
    """The file as plain text, in pieces. Raises `NotFound` where it was deleted in this moment."""
    try:
        file = _opened(path)
    except FileNotFoundError:
        raise unknown_file(request.path_params["file_id"]) from None
    headers = told(request, 200)
    headers |= {"content-length": str(os.fstat(file.fileno()).st_size), "x-content-type-options": "nosniff"}
    return StreamingResponse(_pieces(file), headers=headers, media_type="text/plain; charset=utf-8")


def _opened(path: Path) -> BinaryIO:
    """At once, not in a thread: an open file that nobody waits for any more would stay open."""
    return path.open("rb")


async def _pieces(file: BinaryIO) -> AsyncGenerator[bytes]:
    with file:
        while piece := await asyncio.to_thread(file.read, _CHUNK):
            yield piece
