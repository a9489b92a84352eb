"""Requests to an engine, and its events folded to what a client would get."""

from __future__ import annotations

from typing import Any

import msgspec

from moonbase.contract.cards import CARDS
from moonbase.contract.engine import Engine, at_once
from moonbase.contract.errors import ApiError
from moonbase.contract.events import Event, Failed, Finished
from moonbase.contract.fold import Fold
from moonbase.contract.request import ChatRequest, decode_chat_body, resolve
from tests.server.client import Json, body, user

BY_ID = {card.id: card for card in CARDS}


def asking(*messages: Json, model: str = "kimi-k2.6", **extra: Any) -> ChatRequest:
    payload = body(*(messages or (user("Hi."),)), model=model, **extra)
    return resolve(decode_chat_body(msgspec.json.encode(payload)), BY_ID[model], sees=("image", "video"))


async def events_of(engine: Engine, request: ChatRequest | None = None) -> list[Event]:
    """Every event, asked for as the server does; the last ends the answer, and nothing follows it."""
    request = request or asking()
    events: list[Event] = []
    asked = None if request.streams else at_once(engine, request, events)
    if asked is None:
        events = [event async for event in engine.stream(request)]
    else:
        await asked
    assert isinstance(events[-1], Finished | Failed), events
    assert not any(isinstance(event, Failed) for event in events[:-1])
    return events


async def answer_of(engine: Engine, request: ChatRequest | None = None) -> Json:
    """The whole answer: message, finish_reason, usage."""
    fold = Fold()
    for event in await events_of(engine, request):
        fold.add(event)
    completion = msgspec.to_builtins(fold.completion(id="", created=0, model=""))
    choice = completion["choices"][0]
    return {**choice["message"], "finish_reason": choice["finish_reason"], "usage": completion["usage"]}


async def failure_of(engine: Engine, request: ChatRequest | None = None) -> ApiError:
    last = (await events_of(engine, request))[-1]
    assert isinstance(last, Failed), last
    return last.error
