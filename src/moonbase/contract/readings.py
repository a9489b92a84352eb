"""What an engine says of itself to whoever watches the server."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Meter(NamedTuple):
    """Something that is measured: `name` without what stands before it of all, in the unit that it ends with; a counter
    only grows. `labels` are the names of what its readings tell apart."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    labels: tuple[str, ...] = ()


class Reading(NamedTuple):
    """`labels`: a value for each of the meter's."""

    meter: Meter
    value: float
    labels: tuple[str, ...] = ()


UPSTREAM_UP = Meter("upstream_up", "gauge", "Whether the upstream answered when it was last asked.", ("upstream",))
UPSTREAM_LEFT_ALONE = Meter(
    "upstream_left_alone", "gauge", "Whether the upstream is left alone for now (its circuit is open).", ("upstream",)
)
UPSTREAM_IN_PROGRESS = Meter(
    "upstream_requests_in_progress", "gauge", "Requests that the upstream is answering.", ("upstream",)
)
UPSTREAM_REQUESTS = Meter("upstream_requests", "counter", "Requests that were sent to the upstream.", ("upstream",))
UPSTREAM_FAILURES = Meter(
    "upstream_failures",
    "counter",
    "Answers of the upstream that failed: by their status, as `connection`, or as `stream` after they had begun.",
    ("upstream", "reason"),
)
ENGINE_UP = Meter("engine_up", "gauge", "Whether the embedded engine's process runs.")
ENGINE_RESTARTS = Meter("engine_restarts", "counter", "How often the embedded engine's process was started again.")
ENGINE_SLOTS_BUSY = Meter("engine_slots_busy", "gauge", "Slots of the embedded engine that compute.")
ENGINE_SLOTS = Meter("engine_slots", "gauge", "Slots of the embedded engine.")
ENGINE_WAITING = Meter("engine_requests_waiting", "gauge", "Requests that wait for a slot of the embedded engine.")


class Watched:
    """Of an engine that says how it is."""

    async def readings(self) -> list[Reading]:
        """What it is doing and has done. MUST NOT raise."""
        raise NotImplementedError


async def readings(engine: object) -> list[Reading]:
    """See `Watched`; none of an engine that says nothing."""
    return await engine.readings() if isinstance(engine, Watched) else []
