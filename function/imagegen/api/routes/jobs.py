"""The routes under /jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools.event_handler import Response

from imagegen.api import cursor, scope
from imagegen.api.conditional import entity_tag, matches
from imagegen.api.headers import check_accept, preferred_wait
from imagegen.api.job_response import accepted_response, job_response, polling_header, replay_header
from imagegen.api.openapi.problems import BODY, IDEMPOTENCY, KEYED, WORK
from imagegen.api.openapi.responses import accepted, no_content, not_modified, problems, success
from imagegen.api.parameters import (
    Cursor,
    IdempotencyKey,
    IfNoneMatch,
    ImageRequest,
    JobId,
    Limit,
    Status,
    UnusedIdempotencyKey,
    Wait,
)
from imagegen.api.problem import JSON
from imagegen.api.query import limit_parameter, query_parameters
from imagegen.api.router import Router, check_unused_key, fingerprint
from imagegen.errors import InvalidRequest, StorageUnavailable
from imagegen.jobs.job import STATES
from imagegen.jobs.view import JobInfo, JobPage
from imagegen.problem_details import FieldError

if TYPE_CHECKING:
    from imagegen.jobs.job import Job, State
    from imagegen.jobs.service import JobService
    from imagegen.jobs.view import JobRenderer

MAX_WAIT_S: Final = 25.0
"""API Gateway waits 29 s; the rest is for a cold start and the response."""
POLL_S: Final = 0.25
"""Interval, in seconds, between reads of a job that a caller waits for: how late the response can be."""
MAX_PAGE_BYTES: Final = 5_000_000
"""Lambda rejects a response of more than 6 MB, and the metadata of one job can take 0.4 MB of it."""
DEFAULT_LIMIT: Final = 20
ONE_JOB: Final = (*KEYED, "job_not_found", "result_expired", "delivery_unavailable")
"""Errors of a route that returns an existing job."""
JOBS: Final = ("job_queued", "job_running", "job_succeeded", "job_failed", "job_cancelled")
"""Examples of a job in each state."""
APPLIED: Final = ("Idempotency-Replayed", "Preference-Applied")

router = Router(
    {
        "/jobs": {"GET": "images:read", "POST": "images:write"},
        "/jobs/<job_id>": {"GET": "images:read", "DELETE": "images:write"},
        "/jobs/<job_id>/cancel": {"POST": "images:write"},
    }
)


@router.post(
    "/jobs",
    operation_id="submitJob",
    tags=["Jobs"],
    summary="Submit a job",
    description=(
        "202 with the job; with `Prefer: wait=N` 200 as soon as it is final. An `Idempotency-Key` makes retries safe."
    ),
    responses=(
        success(200, "The job, which is final.", JobInfo, ["job_succeeded", "job_failed"], APPLIED)
        | accepted(JobInfo, APPLIED)
        | problems(*KEYED, *BODY, *IDEMPOTENCY, *WORK, "delivery_unavailable", "model_unavailable")
    ),
)
def submit(body: ImageRequest, _key: IdempotencyKey = None, _prefer: Wait = None):  # type: ignore[no-untyped-def]
    """Create a job: 202, or 200 if the caller waits and the job finishes in time."""
    received = time.monotonic()
    event, container, tenant = router.current_event, scope.current().container, scope.current().caller.tenant
    check_accept(event)
    query_parameters(event)
    container.prompt_judge.require_allowed(body, tenant=tenant, model=container.planner.model(body.model).id)
    plan = container.planner.plan(body, container.inputs.read(body, tenant))
    key = fingerprint(event, body, plan.spec)
    if body.webhook is not None:
        container.webhook_registration.require_secret(tenant)
    if (seconds := preferred_wait(event)) is not None:
        container.image_store.require_signer()  # a 503 after the job exists would make the caller submit another one
    submitted = container.jobs.submit(plan, tenant=tenant, fingerprint=key, origin=scope.current().origin)
    headers = replay_header(submitted)
    if seconds is None:
        return accepted_response(event, container.job_renderer.render(submitted.job), headers)
    job = _wait(container.jobs, submitted.job, received + min(seconds, MAX_WAIT_S))
    info, headers = container.job_renderer.render(job), headers | {"Preference-Applied": "wait"}
    return job_response(info, headers) if job.final else accepted_response(event, info, headers)


@router.get(
    "/jobs",
    operation_id="listJobs",
    tags=["Jobs"],
    summary="List your jobs",
    description=(
        "The jobs of your tenant, newest first. A page can be shorter than `limit`: there are more jobs as long as "
        "`cursor` is not null."
    ),
    responses=(
        success(200, "A page of jobs.", JobPage, ["jobs"], ["Retry-After"])
        | problems(*KEYED, "invalid_cursor", "out_of_range", "delivery_unavailable")
    ),
)
def list_jobs(_limit: Limit = None, _cursor: Cursor = None, _status: Status = None):  # type: ignore[no-untyped-def]
    """Return a page of the caller's jobs."""
    event, container, tenant = router.current_event, scope.current().container, scope.current().caller.tenant
    query = query_parameters(event, "limit", "cursor", "status")
    after = cursor.decode(tenant, query["cursor"]) if "cursor" in query else None
    limit, state = limit_parameter(query.get("limit"), DEFAULT_LIMIT), _state_of(query.get("status"))
    page = container.jobs.page(tenant, limit=limit, after=after, state=state)
    listed, last = _first_that_fit(page.jobs, container.job_renderer), page.last
    if len(listed) < len(page.jobs):
        last = listed[-1].id
    answer = JobPage(jobs=listed, cursor=cursor.encode(tenant, last) if last is not None else None)
    return Response(200, JSON, answer.model_dump_json(), headers=polling_header(*listed))


@router.get(
    "/jobs/<job_id>",
    operation_id="getJob",
    tags=["Jobs"],
    summary="Get a job",
    description=(
        "The job with its progress, its result or its error. Each response signs the images' URLs again. With "
        "`If-None-Match`, 304 without a body while nothing but the estimate has changed."
    ),
    responses=(
        success(200, "The job.", JobInfo, JOBS, ["Retry-After", "ETag"])
        | not_modified("The job is as it was.", ["Retry-After", "ETag"])
        | problems(*ONE_JOB)
    ),
)
def get_job(job_id: JobId, _tag: IfNoneMatch = None):  # type: ignore[no-untyped-def]
    """Return the job; each response signs new URLs. 304 if the caller has it already."""
    event, container, tenant = router.current_event, scope.current().container, scope.current().caller.tenant
    query_parameters(event)
    info = container.job_renderer.render(container.jobs.get(tenant, job_id))
    tag = entity_tag(info, scope.current().now, container.settings.url_expires_seconds)
    if matches(event, tag):
        return Response(304, body="", headers=polling_header(info) | {"ETag": tag})
    return job_response(info, {"ETag": tag})


@router.post(
    "/jobs/<job_id>/cancel",
    operation_id="cancelJob",
    tags=["Jobs"],
    summary="Cancel a job",
    description="A running job stops at its next denoising step. Canceling a cancelled job returns it again.",
    responses=(
        success(200, "The cancelled job.", JobInfo, ["job_cancelled"])
        | problems(*ONE_JOB, "idempotency_key_invalid", "job_already_final")
    ),
)
def cancel(job_id: JobId, _key: UnusedIdempotencyKey = None):  # type: ignore[no-untyped-def]
    """Cancel the job and return it."""
    event, container = router.current_event, scope.current().container
    query_parameters(event)
    check_unused_key(event)
    cancelled = container.jobs.cancel(scope.current().caller.tenant, job_id)
    return job_response(container.job_renderer.render(cancelled))


@router.delete(
    "/jobs/<job_id>",
    operation_id="deleteJob",
    tags=["Jobs"],
    summary="Delete a finished job",
    description="Deletes the job. Its images, which other jobs may share, stay until they expire.",
    responses=(
        no_content("The job is deleted.")
        | problems(*KEYED, "job_not_found", "idempotency_key_invalid", "job_not_final")
    ),
)
def delete(job_id: JobId, _key: UnusedIdempotencyKey = None):  # type: ignore[no-untyped-def]
    """Delete a final job; its images stay."""
    event, container = router.current_event, scope.current().container
    query_parameters(event)
    check_unused_key(event)
    container.jobs.delete(scope.current().caller.tenant, job_id)
    return Response(204, body="")  # the local gateway does not accept None


def _wait(jobs: JobService, job: Job, ends: float) -> Job:
    """Return the job as soon as it is final, at the latest at `ends`, in seconds of the monotonic clock."""
    while not job.final and (left := ends - time.monotonic()) > 0:
        time.sleep(min(POLL_S, left))
        with suppress(StorageUnavailable):  # the job exists; a 503 would make the caller submit another one
            job = jobs.get(job.tenant, job.job_id)
    return job


def _first_that_fit(jobs: Sequence[Job], renderer: JobRenderer) -> list[JobInfo]:
    """Return the first jobs that fit into one response. Lambda's runtime encodes the body again, as a JSON string."""
    listed: list[JobInfo] = []
    size = 0
    for job in jobs:
        info = renderer.render_listed(job)
        size += len(json.dumps(info.model_dump_json()))
        if size > MAX_PAGE_BYTES:
            break
        listed.append(info)
    return listed


def _state_of(text: str | None) -> State | None:
    if text is not None and text not in STATES:
        raise InvalidRequest([FieldError("status", "out_of_range", f"must be one of {', '.join(STATES)}")])
    return text
