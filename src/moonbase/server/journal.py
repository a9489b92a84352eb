"""The access log: one line a request, with counts and times, never with content or keys."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from moonbase.contract.events import Usage
from moonbase.contract.tracing import Trace

logger = logging.getLogger("moonbase.access")

_PLAIN = re.compile(r"[!-\[\]-~]{0,120}\Z")
"""What can stand in the log as it is: printable ASCII without blanks and backslashes."""
_PROBE = ("/health", 200)
"""Asked every few seconds by whoever looks after the server; only what is not well is worth a line."""


@dataclass(slots=True)
class Entry:
    """What the log will say of a request; handlers fill in what they know."""

    method: str
    path: str
    caller: str = ""
    """The id of the key, as the books have it."""
    trace_id: str = field(default_factory=lambda: f"{random.getrandbits(128):032x}")
    began: float = field(default_factory=time.perf_counter)
    first: float = 0.0
    """When the first increment of a stream left; 0 of any other answer."""
    status: int = 0
    model: str | None = None
    usage: Usage | None = None
    error: str | None = None
    restored: int = 0
    """Messages that got back the reasoning which their client had dropped."""
    steps: int = 0
    """How often the model was asked in a loop that this server ran."""
    reasked: int = 0
    """How often the model was asked again, because its answer broke its schema."""
    trace: Trace | None = None
    """Where the client says that its request stands in a trace of many services."""
    limits: tuple[tuple[bytes, bytes], ...] = ()
    """Response headers that say what the key may still ask for."""
    page: Sequence[tuple[bytes, bytes]] = ()
    """Response headers for the browser, where a web page asked."""
    named: Sequence[tuple[bytes, bytes]] = ()
    """Response headers with further names of the request, where its route has some."""

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Response headers: the request's name (contract.md 4.4), what the key may still ask for, whether reasoning was
        restored, whether the model was asked again, and what a browser has to know."""
        trace = self.trace_id.encode()
        named = [(b"x-trace-id", trace), (b"msh-request-id", trace), *self.limits]
        if self.restored:
            named.append((b"x-moonbase-reasoning-restored", b"%d" % self.restored))
        if self.reasked:
            named.append((b"x-moonbase-reasked", b"%d" % self.reasked))
        if self.page:
            named += self.page
        if self.named:
            named += self.named
        return named

    def write(self) -> None:
        if not logger.isEnabledFor(logging.INFO) or (self.path, self.status) == _PROBE:
            return
        milliseconds = (time.perf_counter() - self.began) * 1000
        parts = [f"{self.method} {_printable(self.path)} {self.status} {milliseconds:.1f}ms"]
        if self.model is not None:
            parts.append(f"model={_printable(self.model)}")
        if self.usage is not None:
            usage = self.usage
            parts.append(
                f"prompt={usage.prompt_tokens} cached={usage.cached_tokens} "
                f"completion={usage.completion_tokens} reasoning={usage.reasoning_tokens}"
            )
        if self.restored:
            parts.append(f"restored={self.restored}")
        if self.steps:
            parts.append(f"steps={self.steps}")
        if self.reasked:
            parts.append(f"reasked={self.reasked}")
        if self.error is not None:
            parts.append(f"error={self.error}")
        if self.caller:
            parts.append(f"caller={self.caller}")
        parts.append(f"trace={self.trace_id}")
        if self.trace is not None:
            parts.append(f"traceparent={self.trace.parent}")
        logger.handle(_Line(" ".join(parts)))


class _Line(logging.LogRecord):
    """A record of the access log. It looks for nothing: neither for its caller in the stack nor for what is the same of
    each, which would cost as much as all the rest of it."""

    _same = logging.LogRecord(logger.name, logging.INFO, __file__, 0, "", None, None).__dict__

    def __init__(self, text: str) -> None:
        self.__dict__.update(self._same)
        self.msg, self.created = text, time.time()
        self.msecs = self.created % 1 * 1000


def _printable(text: str) -> str:
    """Text from a client cannot forge a line of the log."""
    if _PLAIN.match(text):
        return text
    return text[:120].encode("unicode_escape").decode("ascii").replace(" ", "\\x20")
