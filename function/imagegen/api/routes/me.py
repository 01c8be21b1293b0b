"""GET /me."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from imagegen.api import scope
from imagegen.api.limits_report import LimitsInfo
from imagegen.api.openapi.problems import KEYED
from imagegen.api.openapi.responses import problems, success
from imagegen.api.problem import JSON
from imagegen.api.query import query_parameters
from imagegen.api.resources import Identity
from imagegen.api.router import Router
from imagegen.limits.quota import month_of

router = Router({"/me": {"GET": "images:read"}})


@router.get(
    "/me",
    operation_id="getMe",
    tags=["Access"],
    summary="Who am I",
    description=(
        "Your tenant, the roles and scopes of the credential that you sent, and what is left of your tenant's limits."
    ),
    responses=success(200, "The caller.", Identity, ["me"]) | problems(*KEYED),
)
def me():  # type: ignore[no-untyped-def]
    """Return the caller that the authorizer found, and its limits: one call to AWS, and one that counts the request."""
    query_parameters(router.current_event)
    container, caller = scope.current().container, scope.current().caller
    now = container.clock()
    committed = container.quotas.committed(caller.tenant, month_of(now))
    limits = LimitsInfo.of(container.limits_of(caller.tenant), committed, now)
    return Response(200, JSON, Identity.of(caller, limits).model_dump_json())
