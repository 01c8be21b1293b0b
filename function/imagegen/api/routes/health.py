"""GET /health."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from imagegen.api.openapi.problems import PUBLIC
from imagegen.api.openapi.responses import problems, success
from imagegen.api.problem import JSON
from imagegen.api.resources import Health
from imagegen.api.router import OPEN, Router

router = Router({"/health": {"GET": OPEN}})


@router.get(
    "/health",
    operation_id="getHealth",
    tags=["Service"],
    summary="Liveness",
    description="200 whenever the service runs. It checks neither models nor AWS services. Needs no credential.",
    responses=success(200, "The service runs.", Health, ["health"]) | problems(*PUBLIC),
)
def health():  # type: ignore[no-untyped-def]
    """Return 200 whenever the function runs; models and AWS services are not checked."""
    return Response(200, JSON, Health().model_dump_json())
