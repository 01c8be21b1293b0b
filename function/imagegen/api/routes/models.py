"""GET /models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Self

from aws_lambda_powertools.event_handler import Response

from imagegen.api import scope
from imagegen.api.problem import JSON, responses
from imagegen.api.query import query_parameters
from imagegen.api.router import build_router, caller
from imagegen.catalog.registry import Model
from imagegen.engines.selection import supported_schedulers
from imagegen.generation.result import ResponseModel

router = build_router({"/models": ["GET"]})


class ModelInfo(ResponseModel):
    """A model with its defaults and limits; sizes are in pixels."""

    id: str
    family: str
    revision: str
    engine: str
    defaults: dict[str, int | float | str]
    limits: dict[str, int]
    schedulers: list[str]

    @classmethod
    def of(cls, model: Model, engine: str, schedulers: Sequence[str]) -> Self:
        """Return the registry entry as this deployment serves it."""
        return cls(
            id=model.id,
            family=model.family,
            revision=model.revision,
            engine=engine,
            defaults=asdict(model.defaults),
            limits=asdict(model.limits),
            schedulers=list(schedulers),
        )


class ModelList(ResponseModel):
    """The response of GET /models."""

    default: str
    models: list[ModelInfo]


@router.get(
    "/models", summary="The models this deployment offers", responses=responses(ModelList, 400, 401, 405, 422, 429, 500)
)
def list_models():  # type: ignore[no-untyped-def]
    """Return the deployment's models, and which is the default."""
    caller(router.current_event)  # like every route with a key: no response without a caller
    container = scope.current().container
    query_parameters(router.current_event)
    backends = container.backends
    infos = [
        ModelInfo.of(model, backends[0].engine, supported_schedulers(model, backends))
        for model in container.models.values()
    ]
    listed = ModelList(default=container.settings.default_model_id, models=infos)
    return Response(200, JSON, listed.model_dump_json())
