"""Batches as servers tell of them, ours and the hosted API (contract.md 5.5), and asking for them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

import msgspec

from moonbase.cli.asking import Server
from moonbase.cli.exits import Failure, Unusable
from moonbase.contract.batches import ENDED, RequestCounts
from moonbase.contract.errors import MethodNotAllowed, NotFound

_PAGE = 100
LATEST = "last"
"""What the user may call the newest one."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A batch: what the commands need of it."""

    id: str
    status: str
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    completion_window: str | None = None
    created_at: float | None = None
    expires_at: float | None = None
    completed_at: float | None = None
    request_counts: RequestCounts | None = None
    metadata: dict[str, Any] | None = None
    errors: object = None

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def counts(self) -> RequestCounts:
        return self.request_counts or RequestCounts()

    @property
    def complaints(self) -> list[str]:
        """What was wrong with the input, a line each."""
        errors: Any = self.errors
        listed = cast("dict[str, Any]", errors).get("data") if isinstance(errors, dict) else None
        rows = cast("list[Any]", listed or [])
        wrong = [cast("dict[str, Any]", row) for row in rows if isinstance(row, dict)]
        places = [f"line {row['line']}: " if row.get("line") else "" for row in wrong]
        return [f"{place}{row.get('message')}" for place, row in zip(places, wrong, strict=True)]


@dataclass(frozen=True, slots=True)
class Known:
    """A batch, and the JSON that it came as."""

    told: Told
    raw: dict[str, Any]


class Batches:
    """The batches of a key at `server`. Everything raises `Unusable` and `ApiError`."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def create(self, file_id: str, window: str, metadata: dict[str, str]) -> Known:
        body: dict[str, Any] = {"input_file_id": file_id, "endpoint": "/v1/chat/completions"}
        body |= {"completion_window": window, **({"metadata": metadata} if metadata else {})}
        with self._has_batches():
            return self._known(await self._server.post("/batches", body))

    async def get(self, name: str) -> Known:
        """By its id, or `LATEST`. Raises `Failure` where there is none."""
        if name == LATEST:
            return await self._latest()
        with _unknown():
            return self._known(await self._server.get(f"/batches/{quote(name, safe='')}"))

    async def cancel(self, batch_id: str) -> Known:
        """Raises `Failure` where there is none."""
        with _unknown():
            return self._known(await self._server.post(f"/batches/{quote(batch_id, safe='')}/cancel"))

    async def every(self) -> AsyncGenerator[Known]:
        """All of them, the newest first."""
        after = ""
        while True:
            page = await self._page(f"?limit={_PAGE}{after}")
            rows = [self._known(row) for row in page.get("data") or ()]
            for row in rows:
                yield row
            if not page.get("has_more") or not rows:
                return
            after = f"&after={quote(rows[-1].told.id, safe='')}"

    async def _latest(self) -> Known:
        async for found in self.every():
            return found
        raise Failure(f"there are no batches of this key at {self._server.where.base_url}")

    async def _page(self, query: str) -> dict[str, Any]:
        with self._has_batches():
            page = await self._server.get(f"/batches{query}")
        if not isinstance(page, dict):
            raise Unusable(f"{self._server.where.base_url} answers with something else than a list of batches")
        return cast("dict[str, Any]", page)

    def _known(self, raw: Any) -> Known:
        try:
            return Known(msgspec.convert(raw, Told), raw)
        except msgspec.ValidationError as error:
            raise Unusable(f"{self._server.where.base_url} answers with something else than a batch: {error}") from None

    @contextmanager
    def _has_batches(self) -> Generator[None]:
        """Other servers have models, and no batches."""
        try:
            yield
        except (NotFound, MethodNotAllowed) as error:
            raise Unusable(f"{self._server.where.base_url} has no batches ({error.message})") from None


@contextmanager
def _unknown() -> Generator[None]:
    try:
        yield
    except NotFound as error:
        raise Failure(f"{error.message}; `moonbase batches list` lists those of your key") from None
