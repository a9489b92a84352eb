"""The playground: a page and its files, from a folder. It is a client: all that it does goes through `/v1`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from moonbase.contract.errors import NotFound
from moonbase.server.replies import told

PAGE = "/playground"
_INDEX = "index.html"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_SAFE = {
    # Nothing but its own files and this server: what a model writes cannot make the page load or send anything.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class _File(NamedTuple):
    body: bytes
    kind: str
    tag: str

    @classmethod
    def read(cls, path: Path) -> _File:
        body = path.read_bytes()
        return cls(body, _TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:20]}"')


class Site:
    """The files of `folder`, read once. They hold no secrets, so no key is needed for them."""

    def __init__(self, folder: Path) -> None:
        files = sorted(path for path in folder.iterdir() if path.suffix in _TYPES)
        self._files = {_path_of(path.name): _File.read(path) for path in files}

    @property
    def paths(self) -> frozenset[str]:
        return frozenset(self._files) | {"/"}

    def routes(self) -> list[Route]:
        files = [Route(path, self._file, methods=["GET"]) for path in self._files]
        return [Route("/", _root, methods=["GET"]), *files]

    async def _file(self, request: Request) -> Response:
        file = self._files[request.url.path]
        known = request.headers.get("if-none-match") == file.tag
        status = 304 if known else 200
        headers = {**_SAFE, **told(request, status), "etag": file.tag, "content-type": file.kind}
        return Response(None if known else file.body, status, headers)


def _path_of(name: str) -> str:
    return PAGE if name == _INDEX else f"{PAGE}/{name}"


async def _root(request: Request) -> Response:
    """For who types the server's address into a browser; programs are told that there is nothing."""
    if "text/html" not in request.headers.get("accept", ""):
        raise NotFound("The requested resource was not found")
    return RedirectResponse(PAGE, 307, told(request, 307))
