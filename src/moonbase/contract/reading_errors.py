"""Failures as they travel inside a stream: a frame that holds an error, and the finish reasons of broken answers."""

from __future__ import annotations

from typing import Any, cast

from moonbase.contract.errors import (
    ApiError,
    EngineOverloaded,
    InvalidRequest,
    RateLimited,
    ServerError,
    Unavailable,
    UnexpectedOutput,
)
from moonbase.contract.events import Failed, FinishReason

_KINDS: tuple[type[ApiError], ...] = (
    InvalidRequest,
    EngineOverloaded,
    RateLimited,
    ServerError,
    UnexpectedOutput,
    Unavailable,
)
_BY_TYPE = {kind.type: kind for kind in _KINDS}
_BY_STATUS: dict[object, type[ApiError]] = {
    400: InvalidRequest,
    429: EngineOverloaded,
    **dict.fromkeys((408, 502, 503, 504, 529), Unavailable),
}
_REASONS: dict[type[ApiError], FinishReason] = {
    EngineOverloaded: "engine_overloaded",
    Unavailable: "server_interrupted",
}
BROKEN: dict[FinishReason, type[ApiError]] = {
    "unexpected_state": UnexpectedOutput,
    "malformed_byte_sequence": UnexpectedOutput,
    "engine_overloaded": EngineOverloaded,
    "server_interrupted": Unavailable,
}
"""Finish reasons that say that an answer broke (contract.md 2.1), with the failures that they stand for."""


def failure_of(error: Any) -> Failed:
    """The failure that the `error` member of a frame tells of, whatever its form."""
    told = cast("dict[str, Any]", error) if isinstance(error, dict) else {"message": error}
    message = told.get("message")
    kind = _BY_TYPE.get(str(told.get("type"))) or _by_status(told.get("code")) or UnexpectedOutput
    text = message if isinstance(message, str) and message else "the stream holds an error without a message"
    return Failed(kind(text), _REASONS.get(kind, "unexpected_state"))


def _by_status(code: Any) -> type[ApiError] | None:
    """By a status, which some write as text."""
    if isinstance(code, str) and code.isdecimal() and len(code) == 3:
        code = int(code)
    return _BY_STATUS.get(code) if isinstance(code, int) else None


def failure_of_reason(reason: FinishReason | None) -> Failed | None:
    """The failure behind an answer that ended for one of the `BROKEN` reasons; None for any other."""
    kind = BROKEN.get(reason) if reason is not None else None
    if reason is None or kind is None:
        return None
    return Failed(kind(f"the answer broke off: the stream ended with the finish reason {reason}"), reason)
