"""The routes of Anthropic's wire format: `POST /anthropic/v1/messages`, and the count of its tokens (contract.md 9)."""

from __future__ import annotations

import random

import msgspec

from moonbase.contract.anthropic.body import CountBody, MessagesBody, chat_body
from moonbase.contract.anthropic.reply import MessageWriter, TokensCounted, error_reply, whole_message
from moonbase.contract.decoding import decode
from moonbase.contract.errors import ApiError
from moonbase.contract.fold import Fold
from moonbase.contract.sse import escaped
from moonbase.server.answering import answer
from moonbase.server.exchange import Exchange
from moonbase.server.journal import Entry
from moonbase.server.platform import Platform
from moonbase.server.preparing import Preparation, Prepared
from moonbase.server.signatures import sign
from moonbase.server.traffic import Traffic
from moonbase.server.wire import JSON, off_loop

BASE = "/anthropic/"
MESSAGES = f"{BASE}v1/messages"
COUNT = f"{MESSAGES}/count_tokens"
_encode = msgspec.json.Encoder().encode


def key_of(exchange: Exchange) -> str | None:
    """The `Authorization` header; Anthropic's clients may send the key as `x-api-key` instead."""
    sent = exchange.header(b"authorization")
    key = exchange.header(b"x-api-key") if sent is None else None
    return sent if key is None else f"Bearer {key}"


def name(entry: Entry) -> None:
    """Have the answer's headers name the request as Anthropic's clients expect."""
    entry.named = [(b"request-id", entry.trace_id.encode())]


def encode_error(error: ApiError, entry: Entry) -> bytes:
    return _encode(error_reply(error, entry.trace_id))


class Messages:
    """Answers one request; raises `ApiError` for whatever fails before the first byte."""

    def __init__(self, platform: Platform, traffic: Traffic) -> None:
        self._platform, self._traffic = platform, traffic
        self._preparation = Preparation(platform)

    async def __call__(self, exchange: Exchange, *, owner: str, entry: Entry) -> None:
        data = await self._received(exchange)
        with self._traffic:
            prepared, sent = await self._read(data, MessagesBody, owner=owner, entry=entry)
            sign(self._platform, exchange, entry, sent)
            form = MessageForm(prepared, entry)
            await answer(self._platform, prepared, form, exchange, owner=owner, entry=entry)

    async def count(self, exchange: Exchange, *, owner: str, entry: Entry) -> None:
        prepared, _ = await self._read(await self._received(exchange), CountBody, owner=owner, entry=entry)
        tokens = await prepared.served.engine.count(prepared.request)
        entry.status = 200
        exchange.respond(200, _encode(TokensCounted(tokens)), [JSON, *entry.headers()])

    async def _received(self, exchange: Exchange) -> bytes:
        return await exchange.read(limit=self._platform.max_body, patience=self._platform.patience)

    async def _read(self, data: bytes, kind: type[MessagesBody], *, owner: str, entry: Entry) -> tuple[Prepared, str]:
        """The request, and the model's name as it was sent."""
        body = await off_loop(lambda: decode(data, kind), size=len(data))
        entry.model = body.served_as
        served = self._platform.model(body.served_as)
        asked = chat_body(body, served.card)
        prepared = await self._preparation.prepare(asked, served, size=len(data), owner=owner, entry=entry)
        return prepared, body.model


class MessageForm:
    """An answer as Anthropic's API writes it. See `answering.Form`."""

    def __init__(self, prepared: Prepared, entry: Entry) -> None:
        self._model, self._entry = prepared.request.model, entry
        self._id = f"msg_{random.getrandbits(96):024x}"

    def whole(self, fold: Fold) -> bytes:
        return _encode(whole_message(fold, id=self._id, model=self._model))

    def writer(self) -> MessageWriter:
        return MessageWriter(id=self._id, model=self._model, request_id=self._entry.trace_id)

    def frames(self, written: list[bytes]) -> bytes:
        return escaped(b"".join(written))

    def last(self, written: list[bytes]) -> bytes:
        return self.frames(written)
