"""Where a request stands in a trace of many services, as W3C's Trace Context says it in headers."""

from __future__ import annotations

import re
from typing import NamedTuple

_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]{0,64})?")
_STATE = re.compile(r"[ -~]{1,512}")


class Trace(NamedTuple):
    """`parent` and `state` are the values of the headers `traceparent` and `tracestate`."""

    parent: str
    state: str = ""


def read_trace(parent: str, state: str | None) -> Trace | None:
    """None where `parent` is none; a state that is none is left out, as the specification asks."""
    if not _PARENT.fullmatch(parent):
        return None
    return Trace(parent, state if state is not None and _STATE.fullmatch(state) else "")
