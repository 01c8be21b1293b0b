"""GET /usage."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from imagegen.api import scope
from imagegen.api.limits_report import UsageReport
from imagegen.api.openapi.problems import KEYED
from imagegen.api.openapi.responses import problems, success
from imagegen.api.parameters import FromMonth, ToMonth
from imagegen.api.problem import JSON
from imagegen.api.query import month_parameter, query_parameters
from imagegen.api.router import Router
from imagegen.errors import InvalidRequest
from imagegen.limits.quota import month_of
from imagegen.problem_details import FieldError

router = Router({"/usage": {"GET": "images:read"}})


@router.get(
    "/usage",
    operation_id="getUsage",
    tags=["Access"],
    summary="What you have used",
    description=(
        "Images, seconds and dollars of your tenant by month and model: exactly the sums of its bills. Failed and "
        "cancelled work, and images from the cache, cost nothing."
    ),
    responses=success(200, "The usage.", UsageReport, ["usage"]) | problems(*KEYED, "out_of_range"),
)
def usage(_from: FromMonth = None, _to: ToMonth = None):  # type: ignore[no-untyped-def]
    """Return the usage of the current month, or of those that the caller names."""
    container, query = scope.current().container, query_parameters(router.current_event, "from", "to")
    last = month_parameter("to", query.get("to"), month_of(container.clock()))
    first = month_parameter("from", query.get("from"), last)
    if first > last:
        raise InvalidRequest([FieldError("from", "out_of_range", "must not be later than to")])
    found = container.usage.usage(scope.current().caller.tenant, first, last)
    return Response(200, JSON, UsageReport.of(found).model_dump_json())
