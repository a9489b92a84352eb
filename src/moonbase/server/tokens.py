"""`POST /v1/tokenizers/estimate-token-count` (contract.md 5.2)."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from moonbase.contract.request import ChatRequest, decode_chat_body, resolve
from moonbase.server.platform import Platform, Served
from moonbase.server.replies import body_of, reply
from moonbase.server.wire import off_loop


class TokenCount(msgspec.Struct, frozen=True):
    total_tokens: int


class TokenCountReply(msgspec.Struct, frozen=True):
    data: TokenCount


def routes(platform: Platform) -> list[Route]:
    async def estimate(request: Request) -> Response:
        data = await body_of(request, limit=platform.max_body)

        def prepare() -> tuple[Served, ChatRequest]:
            body = decode_chat_body(data)
            served = platform.model(body.model)
            return served, resolve(body, served.card, sees=served.sees)

        served, asked = await off_loop(prepare, size=len(data))
        count = await served.engine.count(asked)
        return reply(request, TokenCountReply(TokenCount(count)))

    return [Route("/v1/tokenizers/estimate-token-count", estimate, methods=["POST"])]
