"""What a route takes and answers, as a value; and what all of them have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from moonbase.contract.errors import ErrorBody

JSON = "application/json"
EVENTS = "text/event-stream"
FORM = "multipart/form-data"
TEXT = "text/plain"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a status means, and the type of its body for each media type; `headers` are names out of `HEADERS`."""

    description: str
    content: dict[str, Any] = field(default_factory=dict[str, Any])
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One route: a method, a path with its parameters in braces, the type of its body, and its answers by status.

    `errors` are the statuses that carry the error envelope, `error` its type. `public`: needs no key.
    """

    method: str
    path: str
    id: str
    summary: str
    description: str = ""
    parameters: dict[str, str] = field(default_factory=dict[str, str])
    """Path parameters, with a value that one could have."""
    query: dict[str, Any] = field(default_factory=dict[str, Any])
    """Query parameters, each with its schema; none is required."""
    body: type | None = None
    body_media: str = JSON
    example: Any = None
    answers: dict[int, Answer]
    errors: tuple[int, ...] = ()
    error: type = ErrorBody
    public: bool = False


HEADERS = {
    "X-Trace-Id": "The request's name in the server's log.",
    "Request-Id": "The same name, where clients of Anthropic's API look for it.",
    "X-Msh-Track-Id": "The request's name: the client's own, where it has sent one in this header.",
    "X-Msh-Chat-Id": "`toolgw-` and that name.",
    "X-Msh-Usage-Prompt-Tokens": "Tokens of the prompt.",
    "X-Msh-Usage-Cached-Tokens": "Tokens of the prompt that were cached.",
}

ERRORS = {
    400: "The request is wrong; the message names the field, what was expected and what came.",
    401: "No API key, or one that is not known.",
    403: "The request comes from a web page that may not use this server.",
    404: "There is nothing of this name: an unknown model, file, batch, formula or path.",
    413: "The body is larger than the server takes.",
    429: "Too much at once; try again later.",
    500: "The answer failed.",
    502: "What the server asked for it has failed.",
    503: "The engine cannot answer now, or the server is leaving; try again shortly.",
    504: "It took too long.",
}
