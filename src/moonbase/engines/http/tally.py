"""What is counted of an upstream, for whoever watches the server."""

from __future__ import annotations

from collections import Counter

from moonbase.contract.readings import UPSTREAM_FAILURES, UPSTREAM_REQUESTS, UPSTREAM_UP, Reading


class Tally:
    """`up`: whether it answered when it was last asked, be it with an error."""

    def __init__(self) -> None:
        self.up = False
        self.requests = 0
        self._failures: Counter[str] = Counter()

    def refused(self, status: int) -> None:
        self._failures[str(status)] += 1

    def broke(self, *, begun: bool) -> None:
        """The connection ended; `begun`: after something of the answer."""
        self.up = begun
        self._failures["stream" if begun else "connection"] += 1

    def failed(self) -> None:
        """It told of a failure in an answer that had begun."""
        self._failures["stream"] += 1

    def readings(self, upstream: str) -> list[Reading]:
        failures = [
            Reading(UPSTREAM_FAILURES, count, (upstream, reason)) for reason, count in sorted(self._failures.items())
        ]
        name = (upstream,)
        return [Reading(UPSTREAM_UP, self.up, name), Reading(UPSTREAM_REQUESTS, self.requests, name), *failures]
