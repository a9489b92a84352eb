"""`POST /v1/responses`: conversations in the form of the Responses API."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import partial

import msgspec

from moonbase.contract.decoding import decode
from moonbase.contract.fold import Fold
from moonbase.contract.responses.body import ResponsesBody, chat_body
from moonbase.contract.responses.reply import Head, SearchSource
from moonbase.contract.responses.tools import WEB_SEARCH, Called
from moonbase.contract.responses.writer import ResponseWriter, whole_response
from moonbase.contract.sse import escaped
from moonbase.server.answering import answer
from moonbase.server.exchange import Exchange
from moonbase.server.journal import Entry
from moonbase.server.platform import Platform
from moonbase.server.preparing import Preparation, Prepared
from moonbase.server.signatures import sign
from moonbase.server.traffic import Traffic
from moonbase.server.wire import off_loop
from moonbase.tools.official.web_search import URI
from moonbase.tools.search.sites import SiteSearch

RESPONSES = "/v1/responses"
_encode = msgspec.json.Encoder().encode


class Responses:
    """Answers one request; raises `ApiError` for whatever fails before the first byte."""

    def __init__(self, platform: Platform, traffic: Traffic) -> None:
        self._platform, self._traffic = platform, traffic
        self._preparation = Preparation(platform)

    async def __call__(self, exchange: Exchange, *, owner: str, entry: Entry) -> None:
        platform = self._platform
        data = await exchange.read(limit=platform.max_body, patience=platform.patience)
        with self._traffic:
            body = await off_loop(lambda: decode(data, ResponsesBody), size=len(data))
            entry.model = body.model
            served = platform.model(body.model)
            asked = await off_loop(lambda: chat_body(body, served.card), size=len(data))
            names = body.names()
            searches = any(called.kind == WEB_SEARCH for called in names.values())
            prepared = await self._preparation.prepare(
                asked, served, size=len(data), owner=owner, entry=entry, beside=URI if searches else None
            )
            search = SiteSearch(platform.search, body.domains)
            prepared = prepared._replace(search=search)
            sign(platform, exchange, entry, body.model)
            form = ResponseForm(platform, prepared, body, names, search)
            await answer(platform, prepared, form, exchange, owner=owner, entry=entry)


class ResponseForm:
    """An answer as the Responses API writes it. See `answering.Form`."""

    def __init__(
        self,
        platform: Platform,
        prepared: Prepared,
        body: ResponsesBody,
        names: Mapping[str, Called],
        search: SiteSearch,
    ) -> None:
        request = prepared.request
        self._clock, self._names = platform.clock, names
        self._sources = partial(_sources, search) if body.tells_sources else None
        self._head = Head(
            id=f"resp_{random.getrandbits(96):024x}",
            created=int(platform.clock()),
            model=request.model,
            body=body,
            max_tokens=request.max_tokens,
            temperature=request.sampling.temperature,
            top_p=request.sampling.top_p,
            effort=request.thinking.effort,
        )

    def whole(self, fold: Fold) -> bytes:
        return _encode(whole_response(fold, self._head, self._names, self._clock, self._sources))

    def writer(self) -> ResponseWriter:
        return ResponseWriter(self._head, self._names, self._clock, self._sources)

    def frames(self, written: list[bytes]) -> bytes:
        return escaped(b"".join(written))

    def last(self, written: list[bytes]) -> bytes:
        return self.frames(written)


def _sources(search: SiteSearch, query: str) -> list[SearchSource]:
    return [SearchSource(found.url, found.title) for found in search.found(query)]
