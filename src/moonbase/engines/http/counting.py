"""How many tokens a request's prompt has, as the upstream counts them."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from moonbase.contract.errors import UnexpectedOutput
from moonbase.contract.request import ChatRequest
from moonbase.engines.http.client import Client
from moonbase.engines.http.connection import Broken
from moonbase.engines.http.dialect import Counting, Dialect, Members
from moonbase.engines.http.failures import Refusal, failure_of_refusal, unreachable

_LARGEST = 64 << 20
"""Bytes of a reply; vLLM's has every token of the prompt in it."""
_BUDGETS = ("max_tokens", "max_completion_tokens")
_CONSTRAINTS = (
    "stream",
    "stream_options",
    "response_format",
    "tool_choice",
    "n",
    "logprobs",
    "top_logprobs",
    *_BUDGETS,
)


async def count_tokens(client: Client, dialect: Dialect, request: ChatRequest, body: Members) -> int:
    """`body` is that of the chat request. Raises `ApiError`.

    Where no route counts, an answer of one token is asked for; its usage has the count.
    """
    if dialect.counting is not None:
        found = await _post(client, dialect, request, dialect.counting, _members(body, dialect.counting))
        if found is not None:
            return found
    probe = {name: value for name, value in body.items() if name not in _CONSTRAINTS}
    asking = Counting("/chat/completions", (), ("usage", "prompt_tokens"))
    found = await _post(client, dialect, request, asking, {**probe, dialect.budget: 1})
    if found is None:
        raise UnexpectedOutput("invalid state transition: the engine answered without saying how long the prompt was")
    return found


def _members(body: Members, counting: Counting) -> Members:
    return {name: body[name] for name in counting.members if name in body}


async def _post(
    client: Client, dialect: Dialect, request: ChatRequest, counting: Counting, members: Members
) -> int | None:
    """The count; None where there is no such route, or it is not in the reply."""
    try:
        async with await client.ask("POST", counting.route, msgspec.json.encode(members), root=counting.root) as reply:
            refusal = Refusal(reply.status, reply.headers, await reply.whole(_LARGEST))
    except Broken as broken:
        raise unreachable(client.upstream, broken) from None
    if refusal.status in (404, 405, 501):
        return None
    if refusal.status != 200:
        raise failure_of_refusal(refusal, dialect, client.upstream, request.model)
    return _read(refusal.body, counting.path)


def _read(body: bytes, path: tuple[str, ...]) -> int | None:
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    for step in path:
        value = cast("dict[str, Any]", value).get(step) if isinstance(value, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
