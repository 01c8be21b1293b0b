"""The jobs' routes, which the zip function answers, and how an accepted job is answered on any route."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from imagegen import cursor, http, tenant
from imagegen.entrypoints.parameters import STATES, Cursor, IdempotencyKey, Limit, Status, Wait
from imagegen.errors import FieldError, InvalidRequest, StorageUnavailable
from imagegen.idempotency import KeyedBody, check_key
from imagegen.request import GenerateRequest
from imagegen.result import JobInfo, JobPage
from imagegen.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

    from imagegen.job_service import JobService, Submitted
    from imagegen.jobs import Job

settings = Settings()
MAX_WAIT_S: Final = 25.0
"""API Gateway waits 29 s, of which the rest is for a cold start and the answer."""
POLL_S: Final = 0.5
RETRY_AFTER_S: Final = 2
"""What callers are asked to wait between two looks at a job."""
MAX_PAGE_BYTES: Final = 5_000_000
"""Lambda refuses an answer of more than 6 MB, and the metadata of one job may be 0.4 MB of it."""
REFUSALS: Final = (401, 405, 429, 500, 503)
OF_ONE: Final = (404, *REFUSALS)
router = http.build_router(
    {"/jobs": ["GET", "POST"], "/jobs/<job_id>": ["GET", "DELETE"], "/jobs/<job_id>/cancel": ["POST"]}
)


@cache
def jobs() -> JobService:
    from imagegen.wiring import build_jobs  # boto3: not for documentation and preflights

    return build_jobs(settings)


@router.post(
    "/jobs",
    summary="Generate images later",
    description="Prefer: wait=N answers 200 if it finishes within N seconds. Idempotency-Key makes repeating safe.",
    responses=http.answers(JobInfo, 400, *OF_ONE, 406, 410, 413, 415, 422, accepted=JobInfo),
)
def submit(body: Annotated[GenerateRequest, Body()], _key: IdempotencyKey = None, _prefer: Wait = None):  # type: ignore[no-untyped-def]
    event = router.current_event
    http.check_accept(event)
    submitted = jobs().submit(body, tenant=caller(event), keyed=keyed(event))
    job, waited = _wait(submitted, http.preferences(event).get("wait"))
    headers = replayed(submitted) | ({"Preference-Applied": "wait"} if waited else {})
    info = jobs().describe(job)
    return answer(info, headers) if job.final else accepted(event, info, headers)


@router.get("/jobs", summary="Your jobs, newest first", responses=http.answers(JobPage, 400, *REFUSALS, 422))
def list_jobs(_limit: Limit = None, _cursor: Cursor = None, _status: Status = None):  # type: ignore[no-untyped-def]
    event = router.current_event
    owner, query = caller(event), event.query_string_parameters or {}
    after = cursor.decode(owner, query["cursor"]) if "cursor" in query else None
    found, last = jobs().list(owner, limit=_count(query.get("limit")), after=after, state=_state(query.get("status")))
    listed = _that_fit(found)
    if len(listed) < len(found):
        last = listed[-1].id
    page = JobPage(jobs=listed, cursor=cursor.encode(owner, last) if last is not None else None)
    return Response(200, http.JSON, page.model_dump_json())


@router.get("/jobs/<job_id>", summary="One job", responses=http.answers(JobInfo, *OF_ONE, 410))
def get_job(job_id: str):  # type: ignore[no-untyped-def]
    return answer(jobs().describe(jobs().get(caller(router.current_event), job_id)))


@router.post("/jobs/<job_id>/cancel", summary="Cancel a job", responses=http.answers(JobInfo, 400, *OF_ONE, 409))
def cancel(job_id: str, _key: IdempotencyKey = None):  # type: ignore[no-untyped-def]
    return answer(jobs().describe(jobs().cancel(_repeatable(router.current_event), job_id)))


@router.delete("/jobs/<job_id>", summary="Forget a finished job", responses=http.answers(None, 400, *OF_ONE, 409))
def delete(job_id: str, _key: IdempotencyKey = None):  # type: ignore[no-untyped-def]
    jobs().delete(_repeatable(router.current_event), job_id)
    return Response(204, body="")  # None is more than the local gateway takes


def caller(event: APIGatewayProxyEvent) -> str:
    return tenant.of_api_key(event.request_context.identity.api_key or "")


def keyed(event: APIGatewayProxyEvent) -> KeyedBody | None:
    """Raises IdempotencyKeyInvalid."""
    return KeyedBody.of(_key_of(event), event.path, http.body_of(event))


def _repeatable(event: APIGatewayProxyEvent) -> str:
    """The caller of a write that repeats without harm by itself: its key need only be legal.

    Raises IdempotencyKeyInvalid.
    """
    check_key(_key_of(event))
    return caller(event)


def _key_of(event: APIGatewayProxyEvent) -> str | None:
    return event.headers.get("Idempotency-Key")


def replayed(submitted: Submitted) -> dict[str, str]:
    return {"Idempotency-Replayed": "true"} if submitted.replayed else {}


def answer(info: JobInfo, headers: dict[str, str] | None = None) -> Response[str]:
    return Response(200, http.JSON, info.model_dump_json(), headers=dict(headers or {}))


def accepted(event: APIGatewayProxyEvent, info: JobInfo, headers: dict[str, str] | None = None) -> Response[str]:
    """202: where to look, and when."""
    found = {"Location": f"{http.base_of(event)}/jobs/{info.id}", "Retry-After": str(RETRY_AFTER_S)}
    return Response(202, http.JSON, info.model_dump_json(), headers=found | (headers or {}))


def _wait(submitted: Submitted, seconds: str | None) -> tuple[Any, bool]:
    """The job when it is final, or when the caller's patience ends; whether there was any."""
    if seconds is None or not seconds.isdecimal():
        return submitted.job, False
    job, ends = submitted.job, time.monotonic() + min(float(seconds), MAX_WAIT_S)
    while not job.final and time.monotonic() + POLL_S < ends:
        time.sleep(POLL_S)
        with suppress(StorageUnavailable):  # accepted it is; a 503 would have its caller ask for another
            job = jobs().get(job.tenant, job.job_id)
    return job, True


def _that_fit(found: Sequence[Job]) -> list[JobInfo]:
    """Those of the first jobs that one answer can hold: JSON as ASCII in JSON, as Lambda's runtime hands it on."""
    listed: list[JobInfo] = []
    size = 0
    for job in found:
        info = jobs().summarize(job)
        size += len(json.dumps(info.model_dump_json()))
        if size > MAX_PAGE_BYTES:
            break
        listed.append(info)
    return listed


def _count(text: str | None) -> int:
    limit = int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) <= 3 else 0
    if text is None:
        return 20
    if not 1 <= limit <= 100:
        raise InvalidRequest([FieldError("limit", "out_of_range", "must be an integer from 1 to 100")])
    return limit


def _state(text: str | None) -> Any:
    if text is not None and text not in STATES:
        raise InvalidRequest([FieldError("status", "out_of_range", f"must be one of {', '.join(STATES)}")])
    return text
