"""Batches as they travel: what one is asked for with, what it is told as, and the lines of its files (contract.md 5.5).

A batch is a file of chat requests, a line each, that are answered in the background.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple, TypeVar

import msgspec

from moonbase.contract.decoding import decode, explain
from moonbase.contract.errors import InvalidRequest, NotFound

T = TypeVar("T")

ENDPOINT = "/v1/chat/completions"
Endpoint = Literal["/v1/chat/completions"]
Status = Literal["validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"]
ENDED: frozenset[Status] = frozenset({"failed", "completed", "expired", "cancelled"})
CANCELLABLE: frozenset[Status] = frozenset({"validating", "in_progress", "finalizing"})
_UNBATCHED = "kimi-k3"
MOST_METADATA, MOST_KEY, MOST_VALUE = 16, 64, 512
MOST_ERRORS = 50
"""Wrong lines that a batch tells of; the file is read no further."""
MOST_CUSTOM_ID = 512

_HOUR = 3600
_HOURS = {"h": 1, "d": 24}
_WINDOW = re.compile(r"([1-9][0-9]{0,3})([hd])\Z")
_LEAST_HOURS, _MOST_HOURS = 12, 7 * 24
_FIELD = re.compile(r"the `([^`]+)` field")
_BOM = b"\xef\xbb\xbf"


class BatchBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /v1/batches`. Unknown members are ignored."""

    input_file_id: str
    """A file that was uploaded with the purpose `batch`."""
    endpoint: Endpoint = ENDPOINT
    """What the requests are sent to."""
    completion_window: str
    """How long they may take: hours or days, from `12h` to `7d`."""
    metadata: dict[str, str] | None = None
    """Up to 16 texts of up to 512 characters, under names of up to 64; kept, and told with the batch."""


class RequestCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a batch's requests have been answered, have failed, and there are."""

    completed: int = 0
    failed: int = 0
    total: int = 0


class LineError(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with the input file."""

    code: str
    message: str
    param: str | None = None
    """The member of the line."""
    line: int | None = None
    """Its number, from 1; null where the file as a whole is at fault."""


class LineErrors(msgspec.Struct, frozen=True, kw_only=True):
    """Why a batch has failed: up to 50 wrong lines."""

    object: Literal["list"] = "list"
    data: list[LineError]


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch. Times are Unix seconds, null until they come."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: Endpoint = ENDPOINT
    errors: LineErrors | None = None
    """Why its status is `failed`."""
    input_file_id: str
    completion_window: str
    status: Status = "validating"
    output_file_id: str | None = None
    """The answers; null until the batch has ended, and where there are none."""
    error_file_id: str | None = None
    """The requests that have none; null until the batch has ended, and where each was answered."""
    created_at: int
    in_progress_at: int | None = None
    expires_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    request_counts: RequestCounts = RequestCounts()
    metadata: dict[str, str] | None = None


class LineResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What chat completions answered to a request."""

    status_code: int
    request_id: str
    """Its name in the server's log."""
    body: msgspec.Raw


class Unanswered(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was never answered."""

    code: Literal["batch_expired", "batch_cancelled"]
    message: str


class ResultLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an output or an error file: a `response`, or an `error`."""

    id: str
    custom_id: str
    response: LineResponse | None
    error: Unanswered | None


class RequestLine(NamedTuple):
    """A request of a batch: its line in the file, from 1, and the JSON of its body."""

    number: int
    custom_id: str
    body: bytes


class _Line(msgspec.Struct, frozen=True):
    custom_id: str
    method: str
    url: str
    body: msgspec.Raw


class _Head(msgspec.Struct, frozen=True):
    """What a batch itself asks of a body; the rest is read when its turn comes."""

    model: str
    stream: bool | None = None


def window_seconds(window: str) -> int:
    """Raises `InvalidRequest`."""
    found = _WINDOW.match(window)
    hours = int(found[1]) * _HOURS[found[2]] if found else 0
    if not _LEAST_HOURS <= hours <= _MOST_HOURS:
        raise InvalidRequest(
            "Invalid request: the `completion_window` field in the request must be hours or days from 12h to 7d, as in "
            f"24h or 3d, got {window[:50]!a}"
        )
    return hours * _HOUR


def check_metadata(metadata: dict[str, str] | None) -> None:
    """Raises `InvalidRequest`."""
    if not metadata:
        return
    if len(metadata) > MOST_METADATA:
        raise InvalidRequest(
            f"Invalid request: the `metadata` field in the request may have {MOST_METADATA} members, got "
            f"{len(metadata)}"
        )
    for key, value in metadata.items():
        if len(key) > MOST_KEY:
            raise InvalidRequest(
                f"Invalid request: a name in the `metadata` field may have {MOST_KEY} characters, got {len(key)}: "
                f"{key[:MOST_KEY]!a}..."
            )
        if len(value) > MOST_VALUE:
            raise InvalidRequest(
                f"Invalid request: the `metadata.{key}` field in the request may have {MOST_VALUE} characters, got "
                f"{len(value)}"
            )


def decode_batch_body(data: bytes) -> BatchBody:
    """Raises `InvalidRequest`."""
    body = decode(data, BatchBody)
    window_seconds(body.completion_window)
    check_metadata(body.metadata)
    return body


def check_batched(model: str) -> None:
    """Raises `InvalidRequest` for a model that batches never have."""
    if model == _UNBATCHED:
        raise InvalidRequest(f"Invalid request: the model {model} is not available for batches")


def request_lines(file: Iterable[bytes]) -> Iterator[RequestLine]:
    """The requests of a file that was checked."""
    for number, data in _lines(file):
        line = msgspec.json.decode(data, type=_Line)
        yield RequestLine(number, line.custom_id, bytes(line.body))


def check_lines(file: Iterable[bytes], check_model: Callable[[str], None]) -> tuple[int, list[LineError]]:
    """How many requests a file has, and what is wrong with it. `check_model` raises `InvalidRequest` or `NotFound` for
    a model that batches cannot have."""
    errors: list[LineError] = []
    first: dict[str, int] = {}
    model: str | None = None
    total = 0
    for number, data in _lines(file):
        total += 1
        try:
            line, head = _read(data)
            if line.custom_id in first:
                raise _Wrong(
                    "duplicate_custom_id",
                    f"the `custom_id` field {line.custom_id[:100]!a} is that of line {first[line.custom_id]} too; each "
                    "request needs one of its own",
                )
            first[line.custom_id] = number
            if model is None:
                _check_model(head.model, check_model)
                model = head.model
            elif head.model != model:
                raise _Wrong(
                    "mismatched_model",
                    f"the `body.model` field is {head.model[:100]!a}, and lines before have {model!a}; all requests of "
                    "a batch are for one model",
                )
        except _Wrong as wrong:
            errors.append(LineError(code=wrong.code, message=wrong.message, param=wrong.param, line=number))
            if len(errors) == MOST_ERRORS:
                break
    if not total:
        errors.append(LineError(code="empty_file", message="the input file has no requests; write one on each line"))
    return total, errors


def unknown_batch(batch_id: str) -> NotFound:
    shown = batch_id if len(batch_id) <= 100 else f"{batch_id[:100]}…"
    return NotFound(f"batch {shown} is not found")


def no_input(file_id: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid request: the `input_file_id` field in the request names no file of yours: {file_id[:100]!a}"
    )


def unanswered(code: Literal["batch_expired", "batch_cancelled"]) -> Unanswered:
    if code == "batch_expired":
        return Unanswered(code=code, message="This request could not be executed before the completion window expired.")
    return Unanswered(code=code, message="This request was not executed because the batch was cancelled.")


class _Wrong(Exception):
    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        found = _FIELD.search(message)
        self.param = param or (found[1] if found else None)


def _lines(file: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Those that are not blank, with their numbers. A byte order mark, which some editors write, is none of JSON."""
    for number, data in enumerate(file, 1):
        data = (data.removeprefix(_BOM) if number == 1 else data).strip()
        if data:
            yield number, data


def _read(data: bytes) -> tuple[_Line, _Head]:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _Wrong("invalid_json_line", f"the line is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise _Wrong("invalid_json_line", "the line is not a JSON object")
    line = _typed(data, _Line, "")
    if not 1 <= len(line.custom_id) <= MOST_CUSTOM_ID:
        raise _Wrong(
            "invalid_custom_id",
            f"the `custom_id` field must have 1 to {MOST_CUSTOM_ID} characters, and has {len(line.custom_id)}",
        )
    if line.method != "POST":
        raise _Wrong("invalid_method", f"the `method` field must be 'POST', got {line.method[:50]!a}")
    if line.url != ENDPOINT:
        raise _Wrong("invalid_url", f"the `url` field must be '{ENDPOINT}', got {line.url[:100]!a}")
    head = _typed(bytes(line.body), _Head, "body")
    if head.stream:
        raise _Wrong(
            "stream_not_supported", "the `body.stream` field must be left out or false: a batch has no streams"
        )
    return line, head


def _typed(data: bytes, kind: type[T], inside: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        message = explain(str(error), inside=inside, kind=kind).removeprefix("Invalid request: ")
        raise _Wrong("invalid_request", message) from None


def _check_model(model: str, check: Callable[[str], None]) -> None:
    try:
        check(model)
    except (InvalidRequest, NotFound) as error:
        raise _Wrong("invalid_model", error.message.removeprefix("Invalid request: "), "body.model") from None
