"""What a test has the scripted engine answer, one request after the other, instead of what it would say by itself.

A script is a line of steps: replies and refusals. Each request that reaches the engine takes the next one that is meant
for it: any, or one whose messages hold the text `to`, for programs that ask several things at once. A reply that no
model of the platform could have given to its request is a mistake of the test: the request fails with a 400 that says
why, and `misfits` has it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from threading import Lock

import msgspec
from msgspec.structs import replace

from moonbase.contract.errors import (
    ApiError,
    EngineOverloaded,
    InvalidAuthentication,
    InvalidRequest,
    MissingApiKey,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    RequestTimeout,
    RequestTooLarge,
    ServerError,
    Unavailable,
    UnexpectedOutput,
)
from moonbase.contract.events import ArgumentsDelta, ContentDelta, Event, Failed, FinishReason, ToolCallOpened
from moonbase.contract.promised import promised_calls
from moonbase.contract.request import ChatRequest
from moonbase.engines.promises import Look, Validators, promised

_WHOLE = (None, "stop", "tool_calls")
_BROKEN: dict[FinishReason, tuple[type[ApiError], str]] = {
    "engine_overloaded": (EngineOverloaded, "The engine is currently overloaded, please try again later"),
    "server_interrupted": (Unavailable, "the server is shutting down"),
    "unexpected_state": (UnexpectedOutput, "invalid state transition"),
    "malformed_byte_sequence": (UnexpectedOutput, "invalid state transition"),
    "repeat": (UnexpectedOutput, "invalid state transition"),
    "unknown": (UnexpectedOutput, "invalid state transition"),
}
"""How answers end that break after their first byte, and what one that is not streamed fails with (contract.md 2.1)."""
_REFUSALS: dict[type[ApiError], str] = {
    InvalidRequest: "Invalid request: it is refused",
    InvalidAuthentication: "Invalid Authentication",
    MissingApiKey: "Incorrect API key provided",
    PermissionDenied: "The API you are accessing is not open",
    NotFound: "Not found the model or Permission denied",
    RequestTimeout: "the request's body did not come in time",
    RequestTooLarge: "Request exceeds the maximum size",
    RateLimited: "request reached organization max RPM: 3, please try again later",
    EngineOverloaded: "The engine is currently overloaded, please try again later",
    QuotaExceeded: "You exceeded your current token quota, please check your account balance",
    ServerError: "the server failed unexpectedly",
    UnexpectedOutput: "invalid state transition",
    Unavailable: "the server is unavailable",
}
"""What the platform says (contract.md 4.2); the first of a status is meant where no type is named."""


class Call(msgspec.Struct, frozen=True):
    """A tool call; `arguments` is JSON text."""

    name: str
    arguments: str


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer. `reasoning` None is what the scripted engine thinks by itself, where the request wants thinking.

    `finish_reason` None is the natural one. With `cut` the connection is broken off where the answer would end. `pace`
    seconds pass before each token; None leaves them to the engine.
    """

    content: str = ""
    reasoning: str | None = None
    calls: tuple[Call, ...] = ()
    finish_reason: FinishReason | None = None
    cut: bool = False
    pace: float | None = None
    to: str | None = None

    @property
    def natural(self) -> bool:
        """Whether it ends as the model meant it to."""
        return not self.cut and self.finish_reason in _WHOLE

    @property
    def failure(self) -> Failed | None:
        """What it ends with instead of an end; None where it has one."""
        if self.finish_reason not in _BROKEN:
            return None
        error, said = _BROKEN[self.finish_reason]
        return Failed(error(said), self.finish_reason)


class Refusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error instead of an answer."""

    error: ApiError
    to: str | None = None


Step = Reply | Refusal


def refusal(
    status: int,
    *,
    type: str | None = None,
    message: str | None = None,
    retry_after: float | None = None,
    to: str | None = None,
) -> Refusal:
    """The platform's error of this status and `type`. Raises `ValueError` where it has none."""
    for error, said in _REFUSALS.items():
        if error.status == status and type in (None, error.type):
            headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
            return Refusal(error(said if message is None else message, headers=headers), to)
    known = ", ".join(f"{error.status} {error.type}" for error in _REFUSALS)
    raise ValueError(f"the platform has no error {status} {type or ''}".rstrip() + f"; it has: {known}")


class Script:
    """Steps in order. `hang_up` breaks off the connection of the request that the task which calls it answers, and says
    whether there is one. Any thread may use it."""

    def __init__(self, steps: Iterable[Step] = (), *, hang_up: Callable[[], bool] = lambda: False) -> None:
        self.hang_up = hang_up
        self.misfits: list[str] = []
        """What was wrong with replies that did not fit their requests."""
        self._waiting: deque[tuple[int, Step]] = deque(enumerate(steps, 1))
        self._said = len(self._waiting)
        self._lock = Lock()
        self._validators = Validators()

    def add(self, step: Step) -> None:
        with self._lock:
            self._said += 1
            self._waiting.append((self._said, step))

    def clear(self) -> None:
        """As if nothing had been said, and nothing taken."""
        with self._lock:
            self._waiting.clear()
            self.misfits.clear()
            self._said = 0

    @property
    def waiting(self) -> tuple[Step, ...]:
        """The steps that no request has taken yet."""
        with self._lock:
            return tuple(step for _, step in self._waiting)

    def take(self, request: ChatRequest) -> Reply | None:
        """The reply to `request`; None where no step is left for it. Raises `ApiError`: a refusal, or for a misfit."""
        with self._lock:
            taken = next((each for each in self._waiting if _meant(each[1], request)), None)
            if taken is None:
                return None
            self._waiting.remove(taken)
        number, step = taken
        if isinstance(step, Refusal):
            raise step.error
        reply = _named(step, request)
        if fault := _fault(reply, request, self._validators):
            misfit = f"reply {number} of the test's script cannot answer its request: {fault}"
            self.misfits.append(misfit)
            raise InvalidRequest(f"Invalid request: {misfit}")
        return reply


def _meant(step: Step, request: ChatRequest) -> bool:
    return step.to is None or any(step.to in message.text for message in request.messages)


def _named(reply: Reply, request: ChatRequest) -> Reply:
    """The reply with the platform's own functions named as engines see them (`server.searching`)."""
    if not any(call.name.startswith("$") for call in reply.calls):
        return reply
    offered = {tool.function.name for tool in request.declared if tool.function}
    calls = [replace(call, name=_seen(call.name, offered)) for call in reply.calls]
    return replace(reply, calls=tuple(calls))


def _seen(name: str, offered: set[str]) -> str:
    plain = name.removeprefix("$")
    return f"builtin_{plain}" if plain != name and f"builtin_{plain}" in offered else plain


def _fault(reply: Reply, request: ChatRequest, validators: Validators) -> str | None:
    """Why no model could have given this reply to this request; None where one could."""
    if reply.reasoning and not request.thinking.enabled:
        return "it has reasoning, and the request turns thinking off"
    if fault := _uncallable(reply, request):
        return fault
    promises = promised(request) if reply.natural else None
    if promises is None:
        return None
    look = Look(promises, validators)
    for event in _told(reply):
        look.take(event)
    return look.fault()


def _uncallable(reply: Reply, request: ChatRequest) -> str | None:
    """What is called that cannot be."""
    offered = list(promised_calls(request))
    unknown = next((call.name for call in reply.calls if call.name not in offered), None)
    if unknown is None:
        return None
    if near := get_close_matches(unknown, offered, 1):
        hint = f"did you mean {near[0]!r}?"
    elif offered:
        hint = f"it offers {', '.join(offered)}"
    else:
        hint = "its tool_choice is 'none'" if request.declared else "it declares no functions"
    return f"it calls {unknown!r}, which the request does not offer; {hint}"


def _told(reply: Reply) -> Iterable[Event]:
    yield ContentDelta(reply.content)
    for index, call in enumerate(reply.calls):
        yield ToolCallOpened(index, "", call.name)
        yield ArgumentsDelta(index, call.arguments)
