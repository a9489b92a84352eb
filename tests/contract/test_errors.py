"""The error tree, and the envelope of contract.md 4.1 and 4.2."""

from __future__ import annotations

import inspect
import json

import pytest

from moonbase.contract import errors
from moonbase.contract.errors import (
    ApiError,
    ClientClosed,
    EngineOverloaded,
    HeadTooLarge,
    InvalidAuthentication,
    InvalidRequest,
    InvalidToolRequest,
    InvalidUrl,
    MarkdownNotFound,
    MethodNotAllowed,
    MissingApiKey,
    MoonbaseError,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    RequestTimeout,
    RequestTooLarge,
    SecurityRisk,
    ServerError,
    SettingsError,
    TimedOut,
    Unavailable,
    UnexpectedOutput,
    UpstreamFailed,
    context_exceeded,
    insufficient_balance,
    unknown_model,
)

ROWS: list[tuple[type[ApiError], int, str]] = [
    (InvalidRequest, 400, "invalid_request_error"),
    (InvalidAuthentication, 401, "invalid_authentication_error"),
    (MissingApiKey, 401, "incorrect_api_key_error"),
    (PermissionDenied, 403, "permission_denied_error"),
    (NotFound, 404, "resource_not_found_error"),
    (MethodNotAllowed, 405, "invalid_request_error"),
    (RequestTimeout, 408, "request_timeout_error"),
    (RequestTooLarge, 413, "invalid_request_error"),
    (HeadTooLarge, 431, "invalid_request_error"),
    (EngineOverloaded, 429, "engine_overloaded_error"),
    (QuotaExceeded, 429, "exceeded_current_quota_error"),
    (RateLimited, 429, "rate_limit_reached_error"),
    (ClientClosed, 499, "client_closed_request"),
    (ServerError, 500, "server_error"),
    (UnexpectedOutput, 500, "unexpected_output"),
    (Unavailable, 503, "server_unavailable"),
    # Of /v1/tools (the hosted API's pages /docs/api/tools-search and tools-fetch).
    (InvalidToolRequest, 400, "invalid_request"),
    (InvalidUrl, 400, "invalid_url"),
    (SecurityRisk, 403, "security_risk"),
    (MarkdownNotFound, 404, "markdown_not_found"),
    (UpstreamFailed, 502, "upstream_failed"),
    (TimedOut, 504, "timeout"),
]


@pytest.mark.parametrize(("error", "status", "kind"), ROWS)
def test_status_and_type(error: type[ApiError], status: int, kind: str) -> None:
    """contract.md 4.2, and 4.3 for 413."""
    assert (error.status, error.type) == (status, kind)


def test_the_table_is_the_whole_tree() -> None:
    written = {
        value
        for _, value in inspect.getmembers(errors, inspect.isclass)
        if issubclass(value, MoonbaseError) and value.__module__ == errors.__name__
    }
    assert written == {row[0] for row in ROWS} | {MoonbaseError, SettingsError, ApiError}


def test_each_error_says_something_of_its_own() -> None:
    assert len({(status, kind) for _, status, kind in ROWS}) == len(ROWS)


def test_the_docstring_draws_every_error() -> None:
    drawing = errors.__doc__ or ""
    for error, status, kind in ROWS:
        line = next(line for line in drawing.splitlines() if f" {error.__name__} " in line)
        assert str(status) in line
        assert kind in line


def test_an_operators_error_never_reaches_a_client() -> None:
    assert not issubclass(SettingsError, ApiError)


@pytest.mark.parametrize("error", [row[0] for row in ROWS])
def test_the_envelope(error: type[ApiError]) -> None:
    """contract.md 4.1: message and type, and no code."""
    body = json.loads(error("what happened").encode())
    assert body == {"error": {"message": "what happened", "type": error.type}}


def test_headers_travel_with_the_error() -> None:
    assert EngineOverloaded("busy", headers={"Retry-After": "1"}).headers == {"Retry-After": "1"}
    assert EngineOverloaded("busy").headers == {}


def test_unknown_model() -> None:
    """contract.md 4.2."""
    error = unknown_model("kimi-k9")
    assert (error.status, error.message) == (404, "Not found the model kimi-k9 or Permission denied")


def test_insufficient_balance() -> None:
    """contract.md 4.2, word for word."""
    error = insufficient_balance("org-1<ak-2>")
    assert (error.status, error.type) == (429, "exceeded_current_quota_error")
    assert error.message == (
        "Your account org-1<ak-2> is suspended due to insufficient balance, please recharge your account or check "
        "your plan and billing details"
    )


def test_context_overflow() -> None:
    """contract.md 4.3."""
    error = context_exceeded(262144, 291351)
    assert error.status == 400
    assert error.message == ("Invalid request: Your request exceeded model token limit: 262144 (requested: 291351)")
