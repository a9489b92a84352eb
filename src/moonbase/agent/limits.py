"""How far a run of an agent may go, and how patient it is with an engine that fails. Values."""

from __future__ import annotations

import re
from random import Random

import msgspec

from moonbase.contract.errors import (
    ApiError,
    EngineOverloaded,
    RateLimited,
    RequestTimeout,
    ServerError,
    Unavailable,
    UnexpectedOutput,
)

_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,9})?\Z")
_TOLD = re.compile(r"try again after (\d{1,9}(?:\.\d{1,9})?) seconds")
"""How the platform says it where no header does (contract.md 4.2)."""
_TRANSIENT = (EngineOverloaded, RateLimited, RequestTimeout, ServerError, UnexpectedOutput, Unavailable)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of one run. Raises `ValueError` for one that is no number above 0, or no whole one of steps or
    tokens."""

    steps: int = 400
    """How often the model may be asked. The last time it may not call a tool, and so has to answer."""
    tokens: int | None = None
    """Tokens of all steps together, prompts and answers. Passed, the run ends with `LimitReached`."""
    seconds: float | None = None
    """Wall-clock seconds of the whole run, without those in which an approval is waited for. Passed, whatever is under
    way is stopped, and the run ends with `LimitReached`."""
    tool_seconds: float = 300.0
    """Seconds that one call of a tool may take; then the model reads that it took too long."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            kind = int if name in ("steps", "tokens") else int | float
            if value is not None and (not isinstance(value, kind) or not value > 0):
                what = "a whole number" if kind is int else "a number"
                raise ValueError(f"limits.{name} must be {what} above 0, got {value!r}")


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """What is done where an engine fails: the same step is asked for again, `times` times at most, after pauses that
    double, or as long as the engine asked for (`Retry-After`)."""

    times: int = 5
    """How often one step is asked for again; 0 never."""
    first_s: float = 0.5
    """Seconds before the first time."""
    longest_s: float = 30.0
    """The longest pause of our own."""
    patience_s: float = 300.0
    """The longest `Retry-After` that is waited for; a longer one ends the run."""

    def pause(self, error: ApiError, failures: int, draws: Random) -> float | None:
        """Seconds to wait after the failure of this number (from 1); None where asking again is of no use."""
        if failures > self.times or not isinstance(error, _TRANSIENT):
            return None
        wanted = _asked_for(error)
        if wanted is not None:
            return wanted if wanted <= self.patience_s else None
        # Half of it is drawn, so that many agents that failed together do not come back together.
        longest = min(self.first_s * 2 ** (failures - 1), self.longest_s)
        return longest * (0.5 + 0.5 * draws.random())


def _asked_for(error: ApiError) -> float | None:
    """The seconds that `error` asks to wait."""
    header = error.headers.get("Retry-After", "")
    if _SECONDS.match(header):
        return float(header)
    told = _TOLD.search(error.message)
    return float(told[1]) if told else None
