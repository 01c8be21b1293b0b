"""How routes respond with a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools.event_handler import Response

from imagegen.api.problem import JSON
from imagegen.api.router import base_path
from imagegen.jobs.view import JobInfo

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

    from imagegen.jobs.service import Submitted

RETRY_AFTER_S: Final = 2
"""Interval, in seconds, at which callers should poll a job."""


def replay_header(submitted: Submitted) -> dict[str, str]:
    """Return the Idempotency-Replayed header of a replayed response; empty for a new job."""
    return {"Idempotency-Replayed": "true"} if submitted.replayed else {}


def job_response(info: JobInfo, headers: Mapping[str, str] | None = None) -> Response[str]:
    """Return 200 with the job."""
    return Response(200, JSON, info.model_dump_json(), headers=dict(headers or {}))


def accepted_response(
    event: APIGatewayProxyEvent, info: JobInfo, headers: Mapping[str, str] | None = None
) -> Response[str]:
    """Return 202 with the job, its location and when to poll it."""
    polling = {"Location": f"{base_path(event)}/jobs/{info.id}", "Retry-After": str(RETRY_AFTER_S)}
    return Response(202, JSON, info.model_dump_json(), headers=polling | dict(headers or {}))
