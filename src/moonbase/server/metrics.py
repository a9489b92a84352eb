"""What the server counts of its requests, for whoever watches it (`GET /metrics`). Nothing here tells of a caller."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter

from moonbase.server.journal import Entry

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280)
TOKEN_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.4, 0.8, 1.6)
OTHER = "other"
"""The route of a request for a path that there is not."""
BATCH = "batch"
"""That of a request of a batch."""


Kind = tuple[str, str, int, str]
"""What requests are counted by: the route, the model, the status, and the type of the error, empty where there was
none."""


class Histogram:
    """Values by the first of `bounds` that is not below them; `counts` has one more, of those above all."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class ModelMetrics:
    """Of the answers of one model."""

    __slots__ = ("between_tokens", "cached", "completion", "first_token", "prompt", "reasked", "reasoning", "restored")

    def __init__(self) -> None:
        self.prompt = self.cached = self.completion = self.reasoning = 0
        self.restored = self.reasked = 0
        self.first_token = Histogram(SECONDS)
        self.between_tokens = Histogram(TOKEN_SECONDS)


class Metrics:
    """Of one event loop. `models` are those that are served: what else a client writes there is not told apart."""

    def __init__(self, models: frozenset[str] = frozenset()) -> None:
        self._known = models
        self.requests: Counter[Kind] = Counter()
        self.durations: dict[tuple[str, str], Histogram] = {}
        """Seconds that requests took, by route and model."""
        self.models: dict[str, ModelMetrics] = {}

    def note(self, entry: Entry, route: str) -> None:
        """A request that is over."""
        now = time.perf_counter()
        name = entry.model if entry.model is not None and entry.model in self._known else ""
        self.requests[route, name, entry.status, entry.error or ""] += 1
        durations = self.durations.get((route, name))
        if durations is None:
            durations = self.durations[route, name] = Histogram(SECONDS)
        durations.add(now - entry.began)
        if name:
            self._note_answer(self.models.get(name) or self.models.setdefault(name, ModelMetrics()), entry, now)

    def _note_answer(self, model: ModelMetrics, entry: Entry, now: float) -> None:
        model.restored += entry.restored
        model.reasked += entry.reasked
        usage = entry.usage
        if usage is None:
            return
        model.prompt += usage.prompt_tokens
        model.cached += usage.cached_tokens
        model.completion += usage.completion_tokens
        model.reasoning += usage.reasoning_tokens
        if entry.first:
            model.first_token.add(entry.first - entry.began)
            if usage.completion_tokens > 1 and not entry.steps:
                model.between_tokens.add((now - entry.first) / (usage.completion_tokens - 1))
