"""How routes respond with a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools.event_handler import Response

from imagegen.api import scope
from imagegen.api.polling import retry_after
from imagegen.api.problem import JSON
from imagegen.api.router import base_path
from imagegen.errors import JobAlreadyFinal, JobFailed
from imagegen.jobs.view import JobInfo

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

    from imagegen.generation.result import Result
    from imagegen.jobs.service import Submitted

FINAL_RETRY_AFTER_S: Final = "1"
"""Retry-After of a 202 whose job is already final: there is nothing to wait for."""


def replay_header(submitted: Submitted) -> dict[str, str]:
    """Return the Idempotency-Replayed header of a replayed response; empty for a new job."""
    return {"Idempotency-Replayed": "true"} if submitted.replayed else {}


def result_of(info: JobInfo, headers: Mapping[str, str] | None = None) -> Result | None:
    """Return the result of a job that is run in place, or None while it has none.

    Raises JobFailed, or JobAlreadyFinal if the job was cancelled; the errors get `headers`.
    """
    if info.error is not None:
        error = info.error
        raise JobFailed(
            *(error.code, error.status, error.detail),
            field=error.field,
            headers=dict(headers or {}),
            members=error.members,
        )
    if info.status == "cancelled":
        detail = "The job was cancelled. Send a new request; do not reuse its Idempotency-Key."
        raise JobAlreadyFinal(detail, headers=dict(headers or {}))
    return info.result


def job_response(info: JobInfo, headers: Mapping[str, str] | None = None) -> Response[str]:
    """Return 200 with the job, and when to look at it again unless it is final."""
    return Response(200, JSON, info.model_dump_json(), headers=polling_header(info) | dict(headers or {}))


def polling_header(*jobs: JobInfo) -> dict[str, str]:
    """Return the Retry-After header for these jobs; empty if all are final."""
    return retry_after(jobs, scope.current().now)


def accepted_response(
    event: APIGatewayProxyEvent, info: JobInfo, headers: Mapping[str, str] | None = None
) -> Response[str]:
    """Return 202 with the job, its location and when to look at it; a repeated request's job may be final."""
    polling = {"Location": f"{base_path(event)}/jobs/{info.id}", "Retry-After": FINAL_RETRY_AFTER_S} | polling_header(
        info
    )
    return Response(202, JSON, info.model_dump_json(), headers=polling | dict(headers or {}))
