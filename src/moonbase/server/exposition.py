"""The server's counts as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

import moonbase
from moonbase.contract.readings import Meter, Reading
from moonbase.server.metrics import Histogram, Metrics
from moonbase.server.platform import Platform

_PREFIX = "moonbase_"
_OPEN_METRICS = "application/openmetrics-text"
_REQUESTS = ("route", "model", "status", "error")


class Snapshot(Collector):
    """What is known now. `engines`: what each engine says of itself, by its name."""

    def __init__(
        self, platform: Platform, metrics: Metrics, *, under_way: int, engines: Mapping[str, Sequence[Reading]]
    ) -> None:
        self._platform, self._metrics, self._under_way, self._engines = platform, metrics, under_way, engines

    def collect(self) -> Iterator[Metric]:
        yield from self._server()
        yield from self._requests()
        yield from self._answers()
        yield from self._readings()

    def _server(self) -> Iterator[Metric]:
        platform = self._platform
        yield _gauge("build_info", "Which version this is.", ("version",), [((moonbase.__version__,), 1)])
        served = [((model, served.engine_name), 1.0) for model, served in platform.models.items()]
        yield _gauge("model_info", "The models that are served, and by which engine.", ("model", "engine"), served)
        yield _gauge("draining", "Whether the server is leaving.", (), [((), platform.drain.draining)])
        yield _gauge(
            "answers_in_progress", "Conversations whose callers wait for an answer.", (), [((), self._under_way)]
        )
        if platform.shared is not None:
            yield _gauge(
                "database_up", "Whether the database that servers share can be used.", (), [((), platform.shared())]
            )

    def _requests(self) -> Iterator[Metric]:
        metrics = self._metrics
        counts = [
            ((route, model, str(status), error), count)
            for (route, model, status, error), count in metrics.requests.items()
        ]
        yield _counter("requests", "Requests that are over.", _REQUESTS, counts)
        yield _histogram(
            "request_duration_seconds",
            "From a request's head to its answer's end.",
            ("route", "model"),
            metrics.durations.items(),
        )

    def _answers(self) -> Iterator[Metric]:
        models = self._metrics.models
        tokens = [
            ((name, kind), getattr(model, kind))
            for name, model in models.items()
            for kind in ("prompt", "cached", "completion", "reasoning")
        ]
        yield _counter(
            "tokens",
            "Tokens of prompts, of those the cached ones, of completions, and of those the reasoning.",
            ("model", "kind"),
            tokens,
        )
        yield _histogram(
            "first_token_seconds",
            "From a request's head to the first increment of its stream.",
            ("model",),
            [((name,), model.first_token) for name, model in models.items()],
        )
        yield _histogram(
            "output_token_seconds",
            "Seconds for each token of a stream after the first increment, a mean of each answer.",
            ("model",),
            [((name,), model.between_tokens) for name, model in models.items()],
        )
        yield _counter(
            "reasoning_restored",
            "Messages that got back the reasoning which their client had dropped.",
            ("model",),
            [((name,), model.restored) for name, model in models.items()],
        )
        yield _counter(
            "answers_reasked",
            "How often a model was asked again because its answer broke its schema.",
            ("model",),
            [((name,), model.reasked) for name, model in models.items()],
        )

    def _readings(self) -> Iterator[Metric]:
        by_meter: dict[Meter, list[tuple[tuple[str, ...], float]]] = {}
        for engine, said in self._engines.items():
            for reading in said:
                by_meter.setdefault(reading.meter, []).append(((engine, *reading.labels), reading.value))
        for meter, found in by_meter.items():
            family = _counter if meter.kind == "counter" else _gauge
            yield family(meter.name, meter.help, ("engine", *meter.labels), found)


def encoded(snapshot: Snapshot, accept: str) -> tuple[bytes, str]:
    """The metrics and those of the process, in the format that `accept` prefers, and its content type."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    registry.register(snapshot)
    # Not `accept` itself: a version there that is none makes this raise.
    encode, media_type = choose_encoder(_OPEN_METRICS if _OPEN_METRICS in accept else "")
    return encode(registry), media_type


Found = Iterable[tuple[tuple[str, ...], float]]


def _gauge(name: str, help: str, labels: tuple[str, ...], found: Found) -> Metric:
    family = GaugeMetricFamily(_PREFIX + name, help, labels=labels)
    for values, value in found:
        family.add_metric(values, value)
    return family


def _counter(name: str, help: str, labels: tuple[str, ...], found: Found) -> Metric:
    family = CounterMetricFamily(_PREFIX + name, help, labels=labels)
    for values, value in found:
        family.add_metric(values, value)
    return family


def _histogram(
    name: str, help: str, labels: tuple[str, ...], found: Iterable[tuple[tuple[str, ...], Histogram]]
) -> Metric:
    family = HistogramMetricFamily(_PREFIX + name, help, labels=labels)
    for values, histogram in found:
        bounds = [*(repr(float(bound)) for bound in histogram.bounds), "+Inf"]
        family.add_metric(values, list(zip(bounds, accumulate(histogram.counts), strict=True)), histogram.total)
    return family
