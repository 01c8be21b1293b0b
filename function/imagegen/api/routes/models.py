"""GET /models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response

from imagegen.api import scope
from imagegen.api.openapi.problems import KEYED
from imagegen.api.openapi.responses import problems, success
from imagegen.api.problem import JSON
from imagegen.api.query import query_parameters
from imagegen.api.resources import ModelList
from imagegen.api.router import Router
from imagegen.catalog.features import features_of

if TYPE_CHECKING:
    from imagegen.catalog.ports import OnOffer
    from imagegen.wiring import Container

router = Router({"/models": {"GET": "images:read"}})


@router.get(
    "/models",
    operation_id="listModels",
    tags=["Models"],
    summary="List the models of this deployment",
    description="Each model with its versions, and the defaults, limits, schedulers and features of the current one.",
    responses=success(200, "The models.", ModelList, ["models"]) | problems(*KEYED),
)
def list_models():  # type: ignore[no-untyped-def]
    """Return the deployment's models, and which is the default."""
    query_parameters(router.current_event)
    return Response(200, JSON, _current().model_dump_json())


def _current() -> ModelList:
    container = scope.current().container
    return models_of(container, container.catalog.on_offer())


def models_of(container: Container, offer: OnOffer) -> ModelList:
    """Return what is on offer as the container's deployment serves it."""
    return ModelList.of(offer, container.backend.engine, features_of(container.settings.engines))
