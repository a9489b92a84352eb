"""What goes wrong at an upstream, as the failures of the contract (contract.md 4.2); the one place that maps it.

A failure that concerns the request goes on to the client with the upstream's words. One that concerns this server's
own standing there (its key, its account, its address) is the operator's: the client learns that the engine is not
available, the log has the rest. Where the client is the operator (`Upstream.candid`), it is told instead.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from moonbase.contract.errors import (
    ApiError,
    EngineOverloaded,
    InvalidAuthentication,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    RequestTooLarge,
    ServerError,
    Unavailable,
    UnexpectedOutput,
    context_exceeded,
)
from moonbase.engines.http.connection import Broken, NoConnection
from moonbase.engines.http.dialect import Dialect
from moonbase.engines.http.upstream import Upstream

logger = logging.getLogger("moonbase.engines")

_TYPES: Mapping[str, type[ApiError]] = {
    kind.type: kind for kind in (EngineOverloaded, RateLimited, ServerError, UnexpectedOutput, Unavailable)
}
_PASSING = frozenset({408, 409, 425, 499, 502, 503, 504, *range(520, 531)})
"""Statuses that say nothing of the request: another time, or elsewhere, it may be answered. Those that clients of
OpenAI's API ask again for, and those of gateways whose own upstream failed them; Cloudflare's are 520 to 530."""
_RETRY = re.compile(r"\d{1,9}(?:\.\d{1,9})?\Z")
_BLIND = re.compile(r"(?:image|audio|video) input is not supported")
"""How llama.cpp's server refuses what its model cannot be shown, with the status 500."""
_NO_EFFORT = re.compile(r"does not support thinking|think value|reasoning[_.]effort")
_TWICE = re.compile(r"duplicate field `?(\w+)")
_LONGEST = 2000
"""Characters of an upstream's message that are passed on."""


class Unreachable(Unavailable):
    """Nobody is at the upstream's address, as its owner is told."""


class Refusal(msgspec.Struct, frozen=True):
    """A reply that is no answer: its status, headers and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def read_told(refusal: Refusal) -> tuple[str, str]:
    """(message, type), each "" where it is not told: `{"error": {...}}`, `{"error": "text"}`, `{"message", "type"}` at
    the top (vLLM to 0.9, SGLang), `{"detail": ...}` (FastAPI)."""
    try:
        told: Any = msgspec.json.decode(refusal.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", ""
    inner = cast("dict[str, Any]", told).get("error", told) if isinstance(told, dict) else told
    if not isinstance(inner, dict):
        return _text(inner), ""
    found = cast("dict[str, Any]", inner)
    return _text(found.get("message") or found.get("detail")), _text(found.get("type"))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def twice_named(message: str) -> str | None:
    """The member that a server says it has got twice: "duplicate field `reasoning_content`" (serde, in smg 1.13)."""
    found = _TWICE.search(message)
    return found[1] if found else None


def refuses_effort(message: str) -> bool:
    """Whether a server says that its model has no effort of reasoning: `"llama3.1:8b" does not support thinking`
    (Ollama); others name the member."""
    return _NO_EFFORT.search(message) is not None


def failure_of_refusal(refusal: Refusal, dialect: Dialect, upstream: Upstream, model: str) -> ApiError:
    """`model` is what the client asked for."""
    message, kind = read_told(refusal)
    message = upstream.scrubbed(message)[:_LONGEST]
    status = refusal.status
    if status in (400, 422) or _BLIND.match(message):
        room = dialect.room(message)
        if room is not None:
            return context_exceeded(room.limit, room.prompt)
        return InvalidRequest(message or "Invalid request: the engine refused it without saying why")
    if status == 413:
        return RequestTooLarge("Request exceeds the maximum size")
    if status == 404:
        return NotFound(f"Not found the model {model} or Permission denied")
    known = _TYPES.get(kind)
    if upstream.candid and (own := _own(refusal, message, kind, upstream)):
        return own
    if status == 429:
        if kind == "exceeded_current_quota_error":
            return Unavailable(_OURS)
        overloaded = known if known in (EngineOverloaded, RateLimited) else EngineOverloaded
        said = message if known is not None and message else _BUSY
        return overloaded(said, headers=_retry_after(refusal))
    if status in (401, 402, 403):
        return Unavailable(_OURS)
    said = message if upstream.candid else ""
    if status >= 500 and known is not None and known.status == status:
        return known(message or _FAILED, headers=_retry_after(refusal))
    if status in _PASSING:
        return Unavailable(said or _AWAY, headers=_retry_after(refusal))
    if status >= 500:
        return ServerError(said or _FAILED)
    return ServerError(f"the engine of this model answered with the status {status}, which Moonbase did not expect")


def _own(refusal: Refusal, message: str, kind: str, upstream: Upstream) -> ApiError | None:
    """What concerns the key or the account, for their owner."""
    if refusal.status == 401:
        sent = "the API key is not accepted" if upstream.authorization else "no API key was sent"
        return InvalidAuthentication(f"{upstream.name} refuses the request: {sent}{message and f' ({message})'}")
    if refusal.status in (402, 403):
        return PermissionDenied(f"{upstream.name} refuses the request{message and f': {message}'}")
    if refusal.status == 429 and kind == "exceeded_current_quota_error":
        return QuotaExceeded(message or "the account's balance is spent")
    return None


def failure_in_stream(error: ApiError, dialect: Dialect, upstream: Upstream) -> ApiError:
    """The same for a failure that stood in a frame, which `contract.reading` has given its kind."""
    message = upstream.scrubbed(error.message)[:_LONGEST]
    room = dialect.room(message)
    if room is not None and (isinstance(error, InvalidRequest) or room.prompt >= room.limit):
        return context_exceeded(room.limit, room.prompt)
    if isinstance(error, InvalidRequest):
        return InvalidRequest(message)
    if dialect.platform or isinstance(error, EngineOverloaded | RateLimited) or message.startswith(_UNREADABLE):
        return type(error)(message)
    if upstream.candid:
        return type(error)(message or _FAILED)
    logger.warning("the upstream %s failed in the middle of an answer: %s", upstream.name, message[:300])
    return type(error)(_FAILED)


def _retry_after(refusal: Refusal) -> dict[str, str]:
    """`Retry-After` of the upstream, where it is a number of seconds."""
    value = refusal.headers.get("retry-after", "").strip()
    return {"Retry-After": value} if _RETRY.match(value) else {}


def unreachable(upstream: Upstream, broken: Broken) -> Unavailable:
    """No connection, or one that ended before it answered."""
    if not upstream.candid:
        return Unavailable(_AWAY)
    kind = Unreachable if isinstance(broken, NoConnection) else Unavailable
    return kind(f"{upstream.name} cannot be reached: {broken.reason}")


def broken_off() -> Unavailable:
    """The connection ended in the middle of an answer."""
    return Unavailable("the engine of this model went away in the middle of its answer")


def no_stream(media_type: str) -> ServerError:
    """The reply is neither a stream nor an answer."""
    kind = media_type[:120] or "no type"
    return ServerError(f"the engine of this model answered with {kind} instead of an event stream")


_UNREADABLE = "invalid state transition: "
"""How `contract.reading` begins to say what is wrong with a stream itself."""
_BUSY = "The engine is currently overloaded, please try again later"
_OURS = "the engine of this model does not accept this server; its operator finds the reason in the log"
_AWAY = "the engine of this model is not available at the moment, please try again later"
_FAILED = "the engine of this model failed"
