"""One exchange with an upstream: a body out, increments or a reason back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from moonbase.engines.http.client import Client, Reply
from moonbase.engines.remote.dialects import Answer, Increment, Refused, refusal

_MOST = 4 << 20
"""Bytes of a reply that is not streamed: the ids of a long text among them."""
_WITHIN_S = 30.0


async def increments(reply: Reply, answer: Answer) -> AsyncGenerator[Increment, None]:
    """What the stream in `reply` says; raises `Refused` and `Broken`."""
    if reply.status != 200:
        raise refusal(await reply.whole(_MOST), reply.status)
    while not answer.done and (data := await reply.read()):
        for increment in answer.feed(data):
            yield increment


async def ask(client: Client, method: str, route: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """A JSON object for a JSON object; raises `Refused`, `Broken`, and `TimeoutError` after half a minute."""
    data = b"" if body is None else msgspec.json.encode(body)
    async with asyncio.timeout(_WITHIN_S), await client.ask(method, route, data) as reply:
        received = await reply.whole(_MOST)
        if reply.status != 200:
            raise refusal(received, reply.status)
    try:
        return msgspec.json.decode(received, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise Refused(f"its answer to {route} is no JSON object") from None
