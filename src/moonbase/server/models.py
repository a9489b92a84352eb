"""`GET /v1/models` (contract.md 5.1), with the extra fields that official clients read."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from moonbase.contract.cards import ModelCard
from moonbase.server.platform import Platform, Served
from moonbase.server.replies import reply


class ThinkEfforts(msgspec.Struct, frozen=True):
    """What official clients read to offer a choice of efforts (contract.md 5.1)."""

    valid_efforts: tuple[str, ...]
    default_effort: str
    support: bool = True


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """One model. `context_length` is in tokens, and never more than the engine behind it can take; nor can more be
    shown to it than that engine can see."""

    id: str
    object: str = "model"
    created: int
    owned_by: str = "moonshot"
    context_length: int
    display_name: str
    supports_image_in: bool
    supports_video_in: bool
    supports_thinking_type: str
    think_efforts: ThinkEfforts | UnsetType = UNSET
    supports_reasoning: bool = True
    supports_tool_use: bool = True


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[ModelRow]


def model_row(served: Served) -> ModelRow:
    card: ModelCard = served.card
    limit = served.engine.context_length
    return ModelRow(
        id=card.id,
        created=card.created,
        context_length=min(card.context_length, limit) if limit else card.context_length,
        display_name=card.display_name,
        supports_image_in="image" in served.sees,
        supports_video_in="video" in served.sees,
        supports_thinking_type=card.thinking,
        think_efforts=ThinkEfforts(card.efforts.valid, card.efforts.default) if card.efforts else UNSET,
    )


def routes(platform: Platform) -> list[Route]:
    async def list_models(request: Request) -> Response:
        return reply(request, ModelList(data=[model_row(served) for served in platform.models.values()]))

    async def get_model(request: Request) -> Response:
        return reply(request, model_row(platform.model(request.path_params["model"])))

    return [
        Route("/v1/models", list_models, methods=["GET"]),
        Route("/v1/models/{model:path}", get_model, methods=["GET"]),
    ]
