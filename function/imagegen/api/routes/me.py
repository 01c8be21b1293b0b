"""GET /me."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from imagegen.api import scope
from imagegen.api.openapi.problems import KEYED
from imagegen.api.openapi.responses import problems, success
from imagegen.api.problem import JSON
from imagegen.api.query import query_parameters
from imagegen.api.resources import Identity
from imagegen.api.router import Router

router = Router({"/me": {"GET": "images:read"}})


@router.get(
    "/me",
    operation_id="getMe",
    tags=["Access"],
    summary="Who am I",
    description="Your tenant, and the roles and scopes of the credential that you sent.",
    responses=success(200, "The caller.", Identity, ["me"]) | problems(*KEYED),
)
def me():  # type: ignore[no-untyped-def]
    """Return the caller that the authorizer found; needs no call to AWS."""
    query_parameters(router.current_event)
    return Response(200, JSON, Identity.of(scope.current().caller).model_dump_json())
