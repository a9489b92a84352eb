"""Request signatures: that this server has taken a request, for whoever is shown it (contract.md 1).

A client sends a nonce; the answer's headers have a time and a signature over the nonce, that time and the model.
`POST /v1/signatures/verify` says whether such a signature is this server's. The hosted API's page is
/docs/api/signatures-verify: nothing is kept, so the same four values are valid again and again, for whatever key asks.
"""

from __future__ import annotations

import re

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from moonbase.contract.compact import compact_json
from moonbase.contract.decoding import decode
from moonbase.contract.errors import InvalidRequest
from moonbase.server.exchange import Exchange
from moonbase.server.journal import Entry
from moonbase.server.platform import Platform
from moonbase.server.replies import body_of, reply

PATH = "/v1/signatures/verify"
PREFIX = "reqsigv1_"
_HEADER = b"x-msh-request-nonce"
_NONCE = re.compile(r"[!-~]{1,256}\Z")
_MOST = 64 * 1024
"""Bytes of a body; a nonce is short."""


class Signed(msgspec.Struct, frozen=True):
    """The body of `POST /v1/signatures/verify`."""

    nonce: str
    """What the request had as `X-Msh-Request-Nonce`."""
    timestamp: int
    """What the answer had as `Msh-Request-Timestamp`: Unix time in milliseconds."""
    model: str
    """The request's model, as it was sent."""
    signature: str
    """What the answer had as `Msh-Request-Signature`."""


class SignatureReply(msgspec.Struct, frozen=True):
    valid: bool
    """Whether this server made the signature for just these values."""


def sign(platform: Platform, exchange: Exchange, entry: Entry, model: str) -> None:
    """Have the answer's headers say that the request is taken, where it brings one nonce; another is not looked at."""
    if exchange.header(_HEADER) is None:
        return
    values = exchange.values(_HEADER)
    if len(values) == 1 and _NONCE.match(values[0]):
        now = int(platform.clock() * 1000)
        token = platform.sealer.sign(_said(values[0], now, model))
        signed = (b"msh-request-timestamp", b"%d" % now), (b"msh-request-signature", f"{PREFIX}{token}".encode())
        entry.named = (*entry.named, *signed)


def routes(platform: Platform) -> list[Route]:
    async def verify(request: Request) -> Response:
        told = decode(await body_of(request, limit=_MOST, patience=platform.patience), Signed)
        for name in ("nonce", "model", "signature"):
            if not getattr(told, name):
                raise InvalidRequest(f"Invalid request: {name} must not be empty")
        if told.timestamp < 1:
            raise InvalidRequest(f"Invalid request: timestamp must be at least 1, got {told.timestamp}")
        ours, token = told.signature.startswith(PREFIX), told.signature.removeprefix(PREFIX)
        valid = ours and platform.sealer.signed(_said(told.nonce, told.timestamp, told.model), token)
        return reply(request, SignatureReply(valid), headers={"cache-control": "no-store"})

    return [Route(PATH, verify, methods=["POST"])]


def _said(nonce: str, timestamp: int, model: str) -> str:
    return compact_json([nonce, timestamp, model])
