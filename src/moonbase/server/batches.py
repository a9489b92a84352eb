"""`/v1/batches`: files of requests that are answered in the background (contract.md 5.5)."""

from __future__ import annotations

from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from moonbase.contract.batches import Batch, decode_batch_body, no_input
from moonbase.contract.errors import InvalidRequest
from moonbase.server.batch_runner import BatchRunner
from moonbase.server.platform import Platform
from moonbase.server.replies import body_of, limit_of, owner_of, reply, route

LIMIT, MOST = 20, 100
"""Batches of a page, where the query does not say how many, and the most that it may ask for."""
_MAX_BODY = 1024 * 1024


class BatchList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the batches of a key."""

    object: Literal["list"] = "list"
    data: list[Batch]
    has_more: bool
    """Whether there are older ones."""


def routes(platform: Platform, runner: BatchRunner) -> list[Route]:
    batches = platform.batches

    async def create(request: Request) -> Response:
        owner = owner_of(request)
        body = decode_batch_body(await body_of(request, limit=_MAX_BODY, patience=platform.patience))
        file = await platform.files.get(owner, body.input_file_id)
        if file is None:
            raise no_input(body.input_file_id)
        if file.object.purpose != "batch":
            raise InvalidRequest(
                "Invalid request: the `input_file_id` field in the request names a file that was uploaded with the "
                f"purpose '{file.object.purpose}'; upload it with the purpose 'batch'"
            )
        batch = await batches.create(owner, body, file)
        runner.look()
        return reply(request, batch)

    async def list_batches(request: Request) -> Response:
        asked = request.query_params
        limit = limit_of(asked["limit"], MOST) if "limit" in asked else LIMIT
        found = await batches.page(owner_of(request), asked.get("after"), limit + 1)
        return reply(request, BatchList(data=found[:limit], has_more=len(found) > limit))

    async def get_batch(request: Request) -> Response:
        return reply(request, await batches.get(owner_of(request), request.path_params["batch_id"]))

    async def cancel(request: Request) -> Response:
        batch = await batches.cancel(owner_of(request), request.path_params["batch_id"])
        runner.look()
        return reply(request, batch)

    return [
        route("/v1/batches", GET=list_batches, POST=create),
        Route("/v1/batches/{batch_id}", get_batch, methods=["GET"]),
        Route("/v1/batches/{batch_id}/cancel", cancel, methods=["POST"]),
    ]
