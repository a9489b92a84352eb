"""What an upstream says of itself: its models, how long their context is, what they can be shown."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from moonbase.contract.media_formats import MediaKind
from moonbase.engines.http.client import Client
from moonbase.engines.http.connection import Broken

_LARGEST = 4 << 20
"""Bytes of a list of models; some hosted services list hundreds."""


class _Meta(msgspec.Struct, frozen=True):
    n_ctx: int | None = None


class _Row(msgspec.Struct, frozen=True):
    """A row of `/v1/models`: the platform's (contract.md 5.1), vLLM's and SGLang's `max_model_len`, llama.cpp's
    `meta`."""

    id: str
    owned_by: Any = None
    context_length: int | None = None
    max_model_len: int | None = None
    meta: _Meta | None = None
    supports_image_in: bool | None = None
    supports_video_in: bool | None = None

    @property
    def context(self) -> int | None:
        return self.context_length or self.max_model_len or (self.meta and self.meta.n_ctx)


class Offer(msgspec.Struct, frozen=True):
    """`context` is the longest of its models', in tokens; `sees` is None where it does not say. `owner` is whom it says
    its models to be of: vLLM, SGLang and llama.cpp name themselves."""

    models: tuple[str, ...] = ()
    owner: str = ""
    context: int | None = None
    sees: frozenset[MediaKind] | None = None


class NoOffer(Exception):
    """The upstream could not be asked; the message says why, in words for the operator."""

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


async def ask_offer(client: Client, model: str | None, *, within: float) -> Offer:
    """Ask for the models, or for what is said of `model` alone; raises `NoOffer`."""
    try:
        async with asyncio.timeout(within), await client.ask("GET", "/models") as reply:
            status, body = reply.status, await reply.whole(_LARGEST)
    except Broken as broken:
        raise NoOffer(broken.reason) from None
    except TimeoutError:
        raise NoOffer(f"no answer within {within:g} seconds") from None
    if status != 200:
        raise NoOffer(f"GET {client.upstream.path}/models is answered with the status {status}", status=status)
    rows = _rows(body)
    return _offer([row for row in rows if row.id == model] or rows if model else rows)


def _rows(body: bytes) -> list[_Row]:
    """The rows that can be read; a row of another form says nothing."""
    try:
        listed: Any = msgspec.json.decode(body)["data"]
        found = list(listed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
        raise NoOffer(_NO_LIST, status=200) from None
    rows: list[_Row] = []
    for row in found:
        try:
            rows.append(msgspec.convert(row, _Row))
        except msgspec.ValidationError:
            continue
    return rows


def _offer(rows: list[_Row]) -> Offer:
    contexts = [row.context for row in rows if row.context and row.context > 0]
    sees: set[MediaKind] = set()
    if any(row.supports_image_in for row in rows):
        sees.add("image")
    if any(row.supports_video_in for row in rows):
        sees.add("video")
    says = any(row.supports_image_in is not None or row.supports_video_in is not None for row in rows)
    return Offer(
        models=tuple(row.id for row in rows),
        owner=next((row.owned_by for row in rows if isinstance(row.owned_by, str)), ""),
        context=max(contexts, default=None),
        sees=frozenset(sees) if says else None,
    )


_NO_LIST = "its list of models is none; is this the base URL of an OpenAI-compatible API?"
