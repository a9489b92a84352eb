"""`POST /v1/chat/completions`, as a plain ASGI callable: the hot path has nothing between it and the socket."""

from __future__ import annotations

import random

import msgspec

from moonbase.contract.chunks import ChunkWriter
from moonbase.contract.fold import Fold
from moonbase.contract.loop import with_loop
from moonbase.contract.sse import DONE, frames
from moonbase.server.answering import Charge, answer
from moonbase.server.exchange import Exchange
from moonbase.server.journal import Entry
from moonbase.server.platform import Platform
from moonbase.server.preparing import Preparation, Prepared
from moonbase.server.signatures import sign
from moonbase.server.traffic import Traffic

_encode = msgspec.json.Encoder().encode


class ChatCompletions:
    """Answers one request; raises `ApiError` for whatever fails before the first byte."""

    def __init__(self, platform: Platform, traffic: Traffic) -> None:
        self._platform, self._traffic = platform, traffic
        self._preparation = Preparation(platform)

    async def __call__(self, exchange: Exchange, *, owner: str, entry: Entry) -> None:
        platform = self._platform
        data = await exchange.read(limit=platform.max_body, patience=platform.patience)
        with self._traffic:
            prepared = await self._preparation.read(data, owner=owner, entry=entry)
            sign(platform, exchange, entry, prepared.request.model)
            form = ChatForm(prepared, created=int(platform.clock()))
            await answer(platform, prepared, form, exchange, owner=owner, entry=entry)

    async def in_background(self, data: bytes, exchange: Exchange, *, owner: str, entry: Entry, charge: Charge) -> None:
        """As a request with the body `data` for which nobody waits."""
        platform = self._platform
        prepared = await self._preparation.read(data, owner=owner, entry=entry)
        form = ChatForm(prepared, created=int(platform.clock()))
        await answer(platform, prepared, form, exchange, owner=owner, entry=entry, background=charge)


class ChatForm:
    """An answer as chat completions are written (contract.md 2). See `answering.Form`."""

    def __init__(self, prepared: Prepared, *, created: int) -> None:
        self._prepared, self._created = prepared, created
        # A name and no secret, so the system is not asked for randomness, which takes longer than a frame.
        self._id = f"chatcmpl-{random.getrandbits(96):024x}"
        self._writer: ChunkWriter | None = None

    def whole(self, fold: Fold) -> bytes:
        request = self._prepared.request
        completion = fold.completion(id=self._id, created=self._created, model=request.model, choices=request.n)
        if self._prepared.plan is not None:
            completion = with_loop(completion, fold)
        return _encode(completion)

    def writer(self) -> ChunkWriter:
        prepared, request = self._prepared, self._prepared.request
        self._writer = ChunkWriter(
            id=self._id,
            created=self._created,
            model=request.model,
            boundary=prepared.served.card.reasoning_boundary,
            continuous=bool(prepared.options.continuous_usage_stats),
            token_ids=request.token_ids,
            loop=prepared.plan is not None,
            choices=request.n,
        )
        return self._writer

    def frames(self, written: list[bytes]) -> bytes:
        return frames(written)

    def last(self, written: list[bytes]) -> bytes:
        if self._writer is not None and self._prepared.options.include_usage:
            written.append(self._writer.summary())
        return frames(written) + DONE
