"""`POST /v1/chat/completions`, as a plain ASGI callable: the hot path has nothing between it and the socket."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from moonbase.contract.chunks import ChunkWriter
from moonbase.contract.errors import InvalidRequest, UnexpectedOutput
from moonbase.contract.events import Event, Failed, Finished, PromptRead
from moonbase.contract.fold import Fold
from moonbase.contract.messages import Message, last_user_index
from moonbase.contract.request import ChatBody, ChatRequest, StreamOptions, decode_chat_body, resolve
from moonbase.contract.sse import DONE, frame
from moonbase.contract.thinking import Thinking, resolve_thinking
from moonbase.server.journal import Entry
from moonbase.server.platform import Platform, Served
from moonbase.server.stream import batches
from moonbase.server.wire import (
    EVENT_STREAM,
    JSON,
    NO_CACHE,
    Headers,
    Receive,
    Scope,
    Send,
    off_loop,
    read_body,
    respond,
    send_body,
    start_response,
    until_disconnect,
)


class _Prepared(NamedTuple):
    """A request that can be answered: by whom, and how the answer is to travel."""

    served: Served
    request: ChatRequest
    streams: bool
    options: StreamOptions


class ChatCompletions:
    """Answers one request; raises `ApiError` for whatever fails before the first byte."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def __call__(self, scope: Scope, receive: Receive, send: Send, *, owner: str, entry: Entry) -> None:
        prepared = await self._read(scope, receive, owner, entry)
        answer = _Answer(self._platform, prepared.served, prepared.request, owner, entry, send)
        work = answer.stream(prepared.options) if prepared.streams else answer.whole()
        await until_disconnect(receive, work)

    async def _read(self, scope: Scope, receive: Receive, owner: str, entry: Entry) -> _Prepared:
        data = await read_body(scope, receive, limit=self._platform.max_body)
        return await off_loop(lambda: self._prepare(data, owner, entry), size=len(data))

    def _prepare(self, data: bytes, owner: str, entry: Entry) -> _Prepared:
        """From a body to a request that is resolved; for a large body this runs in a thread."""
        body = decode_chat_body(data)
        entry.model = body.model
        served = self._platform.model(body.model)
        thinking = resolve_thinking(served.card, body.thinking, body.reasoning_effort)
        body = self._reasoned(self._unsealed(body, owner), thinking, owner, entry)
        request = resolve(body, served.card, self._platform.schema_level, sees=served.sees, thinking=thinking)
        _check_engine(served, request)
        return _Prepared(served, request, bool(body.stream), body.stream_options or StreamOptions())

    def _unsealed(self, body: ChatBody, owner: str) -> ChatBody:
        """The body with encrypted tool outputs opened; they never leave the server in clear (contract.md 6.1)."""
        messages = [self._open(message, owner) for message in body.messages]
        return replace(body, messages=messages)

    def _reasoned(self, body: ChatBody, thinking: Thinking, owner: str, entry: Entry) -> ChatBody:
        """The body with the reasoning that its client dropped, where this server knows it (contract.md 3)."""
        if not thinking.enabled or self._platform.missing_reasoning == "strict":
            return body
        wanted = missing_reasoning(body.messages, keep_all=thinking.keep_all)
        if not wanted:
            return body
        messages = body.messages
        if self._platform.missing_reasoning == "restore":
            messages, entry.restored = self._platform.recall.restore(owner, messages, wanted)
        else:
            messages = [_without_reasoning(message) for message in messages]
        return replace(body, messages=messages)

    def _open(self, message: Message, owner: str) -> Message:
        if message.role != "tool" or not message.text:
            return message
        unseal = self._platform.sealer.unseal_all
        if any(part.type != "text" for part in message.parts):
            parts = [
                replace(part, text=unseal(part.text, owner=owner)) if part.text else part for part in message.parts
            ]
            return replace(message, content=parts)
        text = unseal(message.text, owner=owner)
        return message if text == message.text else replace(message, content=text)


class _Answer:
    """One answer on its way out."""

    def __init__(
        self, platform: Platform, served: Served, request: ChatRequest, owner: str, entry: Entry, send: Send
    ) -> None:
        self._platform, self._served, self._request = platform, served, request
        self._owner, self._entry, self._send = owner, entry, send
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(platform.clock())

    async def whole(self) -> None:
        fold = Fold()
        async with self._batches(fold) as events:
            async for batch in events:
                for event in batch:
                    fold.add(event)
        completion = fold.completion(id=self._id, created=self._created, model=self._request.model)
        await self._remember(fold)
        headers = [JSON, *self._headers(fold.prompt)]
        self._entry.status = 200
        await respond(self._send, 200, msgspec.json.encode(completion), headers)

    async def stream(self, options: StreamOptions) -> None:
        writer = ChunkWriter(
            id=self._id,
            created=self._created,
            model=self._request.model,
            boundary=self._served.card.reasoning_boundary,
            continuous=bool(options.continuous_usage_stats),
            token_ids=self._request.token_ids,
        )
        started = failed = False
        async with self._batches(writer.fold) as events:
            async for batch in events:
                if not started:
                    started = await self._started(batch, writer.fold)
                failed = isinstance(batch[-1], Failed)
                data = b"".join(frame(chunk) for event in batch for chunk in writer.write(event))
                if isinstance(batch[-1], Finished):
                    # Before the client can know that the answer is whole, and come back with it.
                    await self._remember(writer.fold)
                if data:
                    await send_body(self._send, data, more=True)
        if not started:
            raise UnexpectedOutput("invalid state transition: the engine answered nothing")
        tail = b"" if failed else (frame(writer.summary()) if options.include_usage else b"") + DONE
        await send_body(self._send, tail)

    @asynccontextmanager
    async def _batches(self, fold: Fold) -> AsyncGenerator[AsyncGenerator[list[Event], None]]:
        """The engine's events. What they came to is logged however they end: whole, failed, or cut by the client."""
        try:
            async with aclosing(batches(self._served.engine.stream(self._request), self._platform.drain)) as events:
                yield events
        finally:
            self._entry.usage = fold.usage() if fold.began else None

    async def _remember(self, fold: Fold) -> None:
        """Once every choice is whole: keep what the next turn may ask for."""
        if len(fold.ended) == self._request.n:
            note = partial(self._platform.recall.remember, self._owner, self._request.messages, fold.messages())
            await off_loop(note, size=sum(len(media.data) for media in self._request.media))

    async def _started(self, batch: list[Event], fold: Fold) -> bool:
        """Send the head of the answer once there is something of it, and say whether; until then a failure can still
        be an error of its own, with a status. Raises that failure."""
        for event in batch:
            if isinstance(event, PromptRead):
                fold.add(event)
                continue
            if isinstance(event, Failed):
                raise event.error
            self._entry.status = 200
            await start_response(self._send, 200, [EVENT_STREAM, NO_CACHE, *self._headers(fold.prompt)])
            return True
        return False

    def _headers(self, prompt: PromptRead | None) -> Headers:
        headers = self._entry.headers()
        if prompt is not None:
            headers.append((b"x-msh-usage-prompt-tokens", b"%d" % prompt.prompt_tokens))
            headers.append((b"x-msh-usage-cached-tokens", b"%d" % prompt.cached_tokens))
        return headers


def _check_engine(served: Served, request: ChatRequest) -> None:
    if request.logprobs is not None and not served.engine.gives_logprobs:
        raise InvalidRequest(
            f"Invalid request: the engine that serves '{request.model}' gives no logprobs; leave logprobs out, or send "
            "false"
        )


def missing_reasoning(messages: list[Message], *, keep_all: bool) -> list[int]:
    """Where reasoning would be read, or asked for, and is not there."""
    turn_begins = last_user_index(messages)
    return [
        index
        for index, message in enumerate(messages)
        if message.role == "assistant"
        and not message.reasoning.strip()
        and (message.text.strip() or message.calls)
        and (message.calls or keep_all or index > turn_begins)
    ]


def _without_reasoning(message: Message) -> Message:
    """The message as one that reasoned, but emptily."""
    if message.role != "assistant" or message.has_reasoning:
        return message
    return replace(message, reasoning_content="")
