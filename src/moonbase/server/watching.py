"""`GET /metrics`: how the server and its engines do, for Prometheus."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from moonbase.contract.errors import PermissionDenied
from moonbase.contract.readings import Reading, readings
from moonbase.server.metrics import Metrics
from moonbase.server.platform import Platform
from moonbase.server.replies import told
from moonbase.server.traffic import Traffic

PATH = "/metrics"


def routes(platform: Platform, metrics: Metrics, traffic: Traffic) -> list[Route]:
    async def expose(request: Request) -> Response:
        from moonbase.server.exposition import Snapshot, encoded  # it takes memory, which few servers need

        _check(platform, request)
        names = {id(served.engine): served.engine_name for served in platform.models.values()}
        engines = platform.engines()
        found: dict[str, list[Reading]] = {}
        for engine, said in zip(engines, await asyncio.gather(*map(readings, engines)), strict=True):
            found.setdefault(names[id(engine)], []).extend(said)
        snapshot = Snapshot(platform, metrics, under_way=traffic.under_way, engines=found)
        body, media_type = encoded(snapshot, request.headers.get("accept", ""))
        return Response(body, 200, {**told(request, 200), "content-type": media_type})

    return [Route(PATH, expose, methods=["GET"])]


def _check(platform: Platform, request: Request) -> None:
    """Raise `ApiError` for who may not see what all keys together do."""
    if platform.watchers is not None:
        platform.watchers.authenticate(request.headers.get("authorization"))
    elif not platform.keys.open:
        raise PermissionDenied(
            "the metrics of a server with API keys need a key of their own: set --metrics-key or server.metrics_key, "
            "and send it as `Authorization: Bearer`"
        )
