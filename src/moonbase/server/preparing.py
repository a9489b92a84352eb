"""From a body to a request that engines take: what chat completions and the count of their tokens have in common."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from moonbase.contract.messages import Message, last_user_index
from moonbase.contract.request import ChatBody, ChatRequest, StreamOptions, decode_chat_body, resolve
from moonbase.contract.thinking import Thinking, resolve_thinking
from moonbase.contract.tracing import Trace
from moonbase.server.journal import Entry
from moonbase.server.platform import Platform, Served
from moonbase.server.recall import places_of
from moonbase.server.recalled import Place
from moonbase.server.references import referred, refers, with_files
from moonbase.server.searching import SearchingEngine, check_builtins, searches
from moonbase.server.wire import OFF_LOOP_BYTES, off_loop
from moonbase.tools.plan import Plan, plan_beside, plan_of
from moonbase.tools.seal import BEGIN
from moonbase.tools.searched import opened_searches


class Prepared(NamedTuple):
    """A request that can be answered: by whom, and how the answer is to travel."""

    served: Served
    request: ChatRequest
    streams: bool
    options: StreamOptions
    plan: Plan | None = None
    """Of the loop that the server is to run; None where the client runs the calls."""


class _Opened(NamedTuple):
    """A body with everything in clear, and the messages whose reasoning is to be put back: their indexes and places."""

    body: ChatBody
    thinking: Thinking
    plan: Plan | None
    dropped: Sequence[int] = ()
    places: Sequence[Place] = ()


class Preparation:
    """Reads requests; raises `ApiError` that says what is wrong with one. `entry` is told what was found."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def read(self, data: bytes, *, owner: str, entry: Entry) -> Prepared:
        """`data` is a body."""
        size = len(data)
        body = decode_chat_body(data) if size <= OFF_LOOP_BYTES else await to_thread(decode_chat_body, data)
        entry.model = body.model
        return await self.prepare(body, self._platform.model(body.model), size=size, owner=owner, entry=entry)

    async def prepare(
        self, body: ChatBody, served: Served, *, size: int, owner: str, entry: Entry, beside: str | None = None
    ) -> Prepared:
        """`body` came in so many bytes. `beside`: a formula whose functions the server runs beside the client's."""
        limit = self._platform.max_body
        # Asked at each step instead of `off_loop`, which would cost small bodies a closure and a coroutine each time.
        here = size <= OFF_LOOP_BYTES
        if refers(body.messages):
            files = await referred(self._platform.files, owner, body.messages, served.sees, limit=limit)
            size += sum(file.object.bytes for file in files.values())
            here = size <= OFF_LOOP_BYTES
            body = await off_loop(lambda: replace(body, messages=with_files(body.messages, files)), size=size)
        given = body, served, owner, beside
        opened = self._opened(*given) if here else await to_thread(self._opened, *given)
        if opened.dropped:
            recall = self._platform.recall
            back = await recall.put_back(opened.body.messages, opened.dropped, opened.places)
            entry.restored = back.restored
            opened = opened._replace(body=replace(opened.body, messages=back.messages))
        found = opened, served, owner, entry.trace
        return self._resolved(*found) if here else await to_thread(self._resolved, *found)

    def _opened(self, body: ChatBody, served: Served, owner: str, beside: str | None) -> _Opened:
        thinking = resolve_thinking(served.card, body.thinking, body.reasoning_effort)
        toolset = self._platform.toolset
        body, plan = plan_of(body, toolset) if beside is None else plan_beside(body, toolset, beside)
        body = self._unsealed(body, owner)
        dropped = self._dropped(body, thinking)
        if dropped and self._platform.missing_reasoning == "ignore":
            return _Opened(replace(body, messages=[_without_reasoning(each) for each in body.messages]), thinking, plan)
        return _Opened(body, thinking, plan, dropped, places_of(owner, body.messages, dropped))

    def _resolved(self, opened: _Opened, served: Served, owner: str, trace: Trace | None) -> Prepared:
        body, thinking, plan = opened.body, opened.thinking, opened.plan
        level = self._platform.schema_level
        request = resolve(body, served.card, level, sees=served.sees, thinking=thinking, trace=trace)
        check_builtins(request, self._platform)
        if searches(request):
            served = Served(served.card, SearchingEngine(served.engine, self._platform, owner))
        return Prepared(served, request, bool(body.stream), body.stream_options or StreamOptions(), plan)

    def _unsealed(self, body: ChatBody, owner: str) -> ChatBody:
        """The body with encrypted tool outputs and searches opened; they never leave the server in clear (contract.md
        6.1, 6.3). What was inside is not looked into again."""
        messages = body.messages
        if [message for message in messages if message.role == "tool" and may_be_sealed(message)]:
            messages = [self._open(message, owner) if message.role == "tool" else message for message in messages]
        messages = opened_searches(self._platform.sealer, messages, owner=owner)
        return body if messages is body.messages else replace(body, messages=messages)

    def _dropped(self, body: ChatBody, thinking: Thinking) -> list[int]:
        """Where the client has dropped reasoning that may be put back (contract.md 3)."""
        if not thinking.enabled or self._platform.missing_reasoning == "strict":
            return []
        return missing_reasoning(body.messages, keep_all=thinking.keep_all)

    def _open(self, message: Message, owner: str) -> Message:
        unseal = self._platform.sealer.unseal_all
        if isinstance(message.content, str):
            text = unseal(message.content, owner=owner)
            return message if text is message.content else replace(message, content=text)
        if any(part.type != "text" for part in message.parts):
            parts = [
                replace(part, text=unseal(part.text, owner=owner)) if part.text else part for part in message.parts
            ]
            return replace(message, content=parts)
        text = unseal(message.text, owner=owner)
        return message if text == message.text else replace(message, content=text)


def may_be_sealed(message: Message) -> bool:
    """Whether the mark of an encrypted output may be in it; most outputs are plain text without one."""
    return BEGIN in message.content if isinstance(message.content, str) else True


def missing_reasoning(messages: list[Message], *, keep_all: bool) -> list[int]:
    """Where reasoning would be read, or asked for, and is not there."""
    turn_begins = last_user_index(messages)
    return [
        index
        for index, message in enumerate(messages)
        if message.role == "assistant"
        and (keep_all or index > turn_begins or message.tool_calls)
        and not (isinstance(message.reasoning_content, str) and message.reasoning_content.strip())
        and (message.tool_calls or message.text.strip())
    ]


def _without_reasoning(message: Message) -> Message:
    """The message as one that reasoned, but emptily."""
    if message.role != "assistant" or message.has_reasoning:
        return message
    return replace(message, reasoning_content="")
