"""GET /health."""

from __future__ import annotations

from typing import Literal

from aws_lambda_powertools.event_handler import Response

from imagegen.api.problem import JSON, responses
from imagegen.api.router import build_router
from imagegen.generation.result import ResponseModel

router = build_router({"/health": ["GET"]})


class Health(ResponseModel):
    """The response of GET /health."""

    status: Literal["ok"] = "ok"


@router.get("/health", summary="Liveness", security=[], responses=responses(Health, 405, 429, 500))
def health():  # type: ignore[no-untyped-def]
    """Return 200 whenever the function runs; models and AWS services are not checked."""
    return Response(200, JSON, Health().model_dump_json())
