"""GET /report."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from imagegen.api import cursor, scope
from imagegen.api.limits_report import MonthlyReport
from imagegen.api.openapi.problems import KEYED
from imagegen.api.openapi.responses import problems, success
from imagegen.api.parameters import Month, RowCursor, RowLimit
from imagegen.api.problem import JSON
from imagegen.api.query import MAX_LIMIT, limit_parameter, month_parameter, query_parameters
from imagegen.api.router import Router
from imagegen.limits.quota import month_of

router = Router({"/report": {"GET": "tenants:manage"}})


@router.get(
    "/report",
    operation_id="getReport",
    tags=["Access"],
    summary="What all tenants have used in a month",
    description=(
        "Images, seconds and dollars by tenant and model: each row is exactly the sum of the month's bills. A page can "
        "be shorter than `limit`: there are more rows as long as `cursor` is not null."
    ),
    responses=success(200, "A page of the report.", MonthlyReport, ["report"])
    | problems(*KEYED, "invalid_cursor", "out_of_range"),
)
def report(_month: Month = None, _limit: RowLimit = None, _cursor: RowCursor = None):  # type: ignore[no-untyped-def]
    """Return a page of the month's usage of all tenants."""
    container, query = scope.current().container, query_parameters(router.current_event, "month", "limit", "cursor")
    month = month_parameter("month", query.get("month"), month_of(container.clock()))
    after = cursor.decode_row(month, query["cursor"]) if "cursor" in query else None
    page = container.usage.report(month, limit=limit_parameter(query.get("limit"), MAX_LIMIT), after=after)
    following = cursor.encode_row(month, page.after) if page.after is not None else None
    return Response(200, JSON, MonthlyReport.of(month, page, following).model_dump_json())
