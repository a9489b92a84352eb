"""Every way a request can fail, drawn once (contract.md 4).

MoonbaseError
├── SettingsError                    the operator's configuration is wrong; start-up ends with a message
└── ApiError                         has a status, a type and a message; serialises to the envelope of 4.1
    ├── InvalidRequest       400     invalid_request_error
    ├── InvalidAuthentication 401    invalid_authentication_error (a wrong key)
    ├── MissingApiKey        401     incorrect_api_key_error (no key sent)
    ├── PermissionDenied     403     permission_denied_error
    ├── NotFound             404     resource_not_found_error
    ├── MethodNotAllowed     405     invalid_request_error
    ├── RequestTimeout       408     request_timeout_error (the client stopped in the middle of its request)
    ├── RequestTooLarge      413     invalid_request_error
    ├── HeadTooLarge         431     invalid_request_error
    ├── EngineOverloaded     429     engine_overloaded_error
    ├── QuotaExceeded        429     exceeded_current_quota_error
    ├── RateLimited          429     rate_limit_reached_error
    ├── ClientClosed         499     client_closed_request
    ├── ServerError          500     server_error
    ├── UnexpectedOutput     500     unexpected_output
    ├── Unavailable          503     server_unavailable
    │   Of /v1/tools alone, whose types have other names:
    ├── InvalidToolRequest   400     invalid_request
    ├── InvalidUrl           400     invalid_url
    ├── SecurityRisk         403     security_risk
    ├── MarkdownNotFound     404     markdown_not_found
    ├── UpstreamFailed       502     upstream_failed
    └── TimedOut             504     timeout
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec


class MoonbaseError(Exception):
    """Root of every error that Moonbase raises on purpose."""


class SettingsError(MoonbaseError):
    """The operator's configuration cannot be used; the message names the setting and what to do."""


class ErrorDetail(msgspec.Struct, frozen=True):
    """The inner object of the error envelope (contract.md 4.1)."""

    message: str
    type: str


class ErrorBody(msgspec.Struct, frozen=True):
    """The error envelope `{"error": {"message", "type"}}` (contract.md 4.1)."""

    error: ErrorDetail


class ApiError(MoonbaseError):
    """A failure that the client is told of: HTTP `status`, envelope `type` and `message`, extra `headers`."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"

    def __init__(self, message: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = headers or {}

    def body(self) -> ErrorBody:
        return ErrorBody(ErrorDetail(self.message, self.type))

    def encode(self) -> bytes:
        return msgspec.json.encode(self.body())


class InvalidRequest(ApiError):
    status, type = 400, "invalid_request_error"


class InvalidAuthentication(ApiError):
    status, type = 401, "invalid_authentication_error"


class MissingApiKey(ApiError):
    status, type = 401, "incorrect_api_key_error"


class PermissionDenied(ApiError):
    status, type = 403, "permission_denied_error"


class NotFound(ApiError):
    status, type = 404, "resource_not_found_error"


class MethodNotAllowed(ApiError):
    status, type = 405, "invalid_request_error"


class RequestTimeout(ApiError):
    status, type = 408, "request_timeout_error"


class RequestTooLarge(ApiError):
    status, type = 413, "invalid_request_error"


class HeadTooLarge(ApiError):
    status, type = 431, "invalid_request_error"


class EngineOverloaded(ApiError):
    status, type = 429, "engine_overloaded_error"


class QuotaExceeded(ApiError):
    status, type = 429, "exceeded_current_quota_error"


class RateLimited(ApiError):
    status, type = 429, "rate_limit_reached_error"


class ClientClosed(ApiError):
    status, type = 499, "client_closed_request"


class ServerError(ApiError):
    status, type = 500, "server_error"


class UnexpectedOutput(ApiError):
    status, type = 500, "unexpected_output"


class Unavailable(ApiError):
    status, type = 503, "server_unavailable"


class InvalidToolRequest(ApiError):
    status, type = 400, "invalid_request"


class InvalidUrl(ApiError):
    status, type = 400, "invalid_url"


class SecurityRisk(ApiError):
    status, type = 403, "security_risk"


class MarkdownNotFound(ApiError):
    status, type = 404, "markdown_not_found"


class UpstreamFailed(ApiError):
    status, type = 502, "upstream_failed"


class TimedOut(ApiError):
    status, type = 504, "timeout"


def missing_field(field: str) -> InvalidRequest:
    """What a request must have is not there."""
    return InvalidRequest(f"Invalid request: the `{field}` field in the request is required")


def unknown_model(model: str) -> NotFound:
    return NotFound(f"Not found the model {model} or Permission denied")


def insufficient_balance(account: str) -> QuotaExceeded:
    """Nothing is left to spend (contract.md 4.2). `account` is `{organization-id}<{ak-id}>`."""
    return QuotaExceeded(
        f"Your account {account} is suspended due to insufficient balance, "
        "please recharge your account or check your plan and billing details"
    )


def rate_limited(
    account: str, limit: Literal["concurrency", "rpm", "tpm", "tpd"], most: int, current: int, wait: int
) -> RateLimited:
    """Too much at once, in a minute or in a day (contract.md 4.2). `account` is `{organization-id}<{ak-id}>`; `current`
    is what there would be of `most`, `wait` the seconds until there is room again."""
    reached = {
        "concurrency": f"max concurrency: {most}, please try again after {wait} seconds",
        "rpm": f"max RPM: {most}, please try again after {wait} seconds",
        "tpm": f"TPM rate limit, current:{current}, limit:{most}",
        "tpd": f"TPD rate limit, current:{current}, limit:{most}",
    }
    return RateLimited(
        f"Your account {account} request reached organization {reached[limit]}", headers={"Retry-After": str(wait)}
    )


def context_exceeded(limit: int, requested: int) -> InvalidRequest:
    """The prompt alone does not fit (contract.md 4.3, context overflow). Both in tokens."""
    return InvalidRequest(f"Invalid request: Your request exceeded model token limit: {limit} (requested: {requested})")
