"""GET /usage."""

from __future__ import annotations

import re
from typing import Final

from aws_lambda_powertools.event_handler import Response

from imagegen.api import scope
from imagegen.api.limits_report import UsageReport
from imagegen.api.openapi.problems import KEYED
from imagegen.api.openapi.responses import problems, success
from imagegen.api.parameters import FromMonth, ToMonth
from imagegen.api.problem import JSON
from imagegen.api.query import query_parameters
from imagegen.api.router import Router
from imagegen.errors import InvalidRequest
from imagegen.limits.quota import month_of
from imagegen.problem_details import FieldError

_MONTH: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")

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
    last = _month("to", query.get("to"), month_of(container.clock()))
    first = _month("from", query.get("from"), last)
    if first > last:
        raise InvalidRequest([FieldError("from", "out_of_range", "must not be later than to")])
    found = container.usage.usage(scope.current().caller.tenant, first, last)
    return Response(200, JSON, UsageReport.of(found).model_dump_json())


def _month(name: str, text: str | None, default: str) -> str:
    if text is not None and not _MONTH.fullmatch(text):
        raise InvalidRequest([FieldError(name, "out_of_range", "must be a month such as 2026-11")])
    return default if text is None else text
