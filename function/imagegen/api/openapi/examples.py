"""Examples of requests and responses. Every request example is one that every deployment can serve."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from imagegen.api.key_resources import KeyInfo, KeyList, NewKeyInfo
from imagegen.api.limits_report import LimitsInfo, ModelUsage, MonthlyReport, RateInfo, TenantUsage, UsageReport
from imagegen.api.openapi.problems import examples as problem_examples
from imagegen.api.openapi.webhooks import JobEvent
from imagegen.api.provenance_resources import ProvenanceCheck
from imagegen.api.resources import Health, Identity, ModelList
from imagegen.api.upload_resources import UploadInfo
from imagegen.generation.aws_calls import REQUEST
from imagegen.generation.pricing import Pricing, Stored
from imagegen.generation.request import WebhookEvent
from imagegen.generation.result import ImageResult, ResponseModel, Result, Timings
from imagegen.jobs.job import JobError, State
from imagegen.jobs.view import JobInfo, JobPage, ProgressInfo
from imagegen.provenance.verdict import Report

_JOB_ID: Final = "01KAJ9X2S4QZ8W3V5N7M6K1H0G"
_UPLOAD_ID: Final = "upload_01KAJ9X2S4QZ8W3V5N7M6K1H0G"
_CREATED: Final = datetime(2026, 11, 21, 14, tzinfo=UTC)
_STARTED: Final = _CREATED + timedelta(seconds=1)
_FINISHED: Final = _CREATED + timedelta(seconds=3)
_IMAGE: Final = ImageResult(
    key="images/3f1b2c4d5e6f7a8b/9c0d/2c26b46b68ffc68f/demo-7.png",
    url="https://images-bucket.s3.us-east-1.amazonaws.com/images/3f1b2c4d5e6f7a8b/9c0d/2c26b46b68ffc68f/demo-7.png?X-Amz-Signature=0a1b",
    seed=7,
    width=128,
    height=128,
    content_type="image/png",
    bytes=5123,
    sha256="2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    pixels_sha256="fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9",
    content_credentials=True,
    expires_at=_FINISHED + timedelta(hours=1),
)
_RESULT: Final = Result(
    id=_JOB_ID,
    model="demo",
    model_version="demo@6cc6991b014f",
    image_url=_IMAGE.url,
    images=[_IMAGE],
    cached=False,
    cold_start=False,
    timings=Timings(text_encode_ms=4, denoise_ms=310, decode_ms=25, store_ms=40, total_ms=382),
    cost=Pricing(10240, 0.0000166667).cost(0.382, REQUEST, Stored(puts=2, byte_hours=Decimal(_IMAGE.bytes * 7 * 24))),
    warnings=[],
    metadata={"order": "A-17"},
)
_KEY_VALUE: Final = "imagegen_0000EXAMPLE0000EXAMPLE0000EXAMPLE0000EXAMPLE00"
_ME: Final = Identity(
    tenant="acme",
    principal="key:01KAJ9ZV6Y3T0R8M4C2B7D5F1E",
    roles=["user"],
    scopes=["images:read", "images:write"],
    limits=LimitsInfo(
        rates=[RateInfo(route_class="drawing", per_second=2, burst=10)],
        month="2026-11",
        resets_at="2026-12-01T00:00:00Z",
        monthly_images=500,
        images_left=482,
        monthly_usd="20",
        usd_left="19.9512",
        usd_per_request="0.15",
        unfinished_jobs=None,
    ),
)
_USAGE: Final = UsageReport(
    usage=[ModelUsage(month="2026-11", model="demo", images=18, seconds=292.8, usd="0.0488")],
    images=18,
    seconds=292.8,
    usd="0.0488",
)
_REPORT: Final = MonthlyReport(
    month="2026-11",
    rows=[
        TenantUsage(tenant="acme", month="2026-11", model="demo", images=18, seconds=292.8, usd="0.0488"),
        TenantUsage(tenant="example", month="2026-11", model="demo", images=2, seconds=0.764, usd="0.0001777"),
    ],
    cursor=None,
)
_KEY: Final = KeyInfo(
    id="01KAJ9ZV6Y3T0R8M4C2B7D5F1E",
    tenant="acme",
    name="website",
    roles=["user"],
    scopes=["images:read", "images:write"],
    created_at=_CREATED,
    ends_at=None,
    replaced_by=None,
)
_ROTATED: Final = _KEY.model_copy(
    update={
        "id": "01K9ZQ7W3N5V8X2S4Q6Z0H1G9J",
        "created_at": _CREATED - timedelta(days=90),
        "ends_at": _CREATED + timedelta(days=1),
        "replaced_by": _KEY.id,
    }
)
_UPLOAD: Final = UploadInfo(
    id=_UPLOAD_ID,
    url="https://images-bucket.s3.us-east-1.amazonaws.com/",
    fields={
        "Content-Type": "image/jpeg",
        "key": f"uploads/acme/{_UPLOAD_ID}",
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": "ASIAEXAMPLE/20261121/us-east-1/s3/aws4_request",
        "x-amz-date": "20261121T140000Z",
        "x-amz-security-token": "IQoJb3JpZ2luEXAMPLE",
        "policy": "eyJleHBpcmF0aW9uIjoiMjAyNi0xMS0yMVQxNDoxNTowMFoifQ==",
        "x-amz-signature": "0a1b2c3d",
    },
    max_bytes=10_000_000,
    expires_at=_CREATED + timedelta(minutes=15),
    usable_until=_CREATED + timedelta(days=1),
)
_VERIFIED: Final = ProvenanceCheck.of(Report("trusted", "Example Studios", "demo", _FINISHED), _FINISHED)
_QUEUED: Final = JobInfo(
    id=_JOB_ID,
    status="queued",
    created_at=_CREATED,
    started_at=None,
    finished_at=None,
    expires_at=_CREATED + timedelta(days=7),
    attempt=0,
    progress=ProgressInfo(phase="queue", position=1, step=0, of=10, percent=0, resumed_at=0, eta_ms=None, preview=None),
    result=None,
    error=None,
    metadata={"order": "A-17"},
)


def examples(models: ModelList) -> dict[str, Any]:
    """Return the document's examples by name: of responses, webhooks and errors."""
    running = _job(
        "running",
        progress=ProgressInfo(
            phase="step", position=None, step=3, of=10, percent=30, resumed_at=0, eta_ms=230, preview=None
        ),
    )
    succeeded = _job("succeeded", finished_at=_FINISHED, result=_RESULT)
    failed = _job("failed", finished_at=_FINISHED, error=_error())
    cancelled = _job("cancelled", finished_at=_FINISHED)
    return {
        "health": _example("The service runs", Health()),
        "me": _example("A user", _ME),
        "usage": _example("A month with one model", _USAGE),
        "report": _example("A month with two tenants", _REPORT),
        "new_key": _example("A key with its value", NewKeyInfo(**dict(_KEY), key=_KEY_VALUE)),
        "keys": _example("A key that was rotated, and its successor", KeyList(keys=[_ROTATED, _KEY])),
        "upload": _example("A form for a JPEG file", _UPLOAD),
        "provenance": _example("A picture of this deployment", _VERIFIED),
        "models": _example("The models of this deployment", models),
        "result": _example("One image", _RESULT),
        "job_queued": _example("A job that waits for a worker", _QUEUED),
        "job_running": _example("A job that runs", running),
        "job_succeeded": _example("A job with its result", succeeded),
        "job_failed": _example("A job with its error", failed),
        "job_cancelled": _example("A cancelled job", cancelled),
        "jobs": _example("The last page", JobPage(jobs=[_QUEUED, succeeded], cursor=None)),
        "job_succeeded_event": _event("job.succeeded", succeeded),
        "job_failed_event": _event("job.failed", failed),
        "job_cancelled_event": _event("job.cancelled", cancelled),
        **problem_examples(),
    }


def _error() -> JobError:
    return JobError(code="model_unavailable", status=503, detail="The model cannot be loaded.")


def _job(status: State, **changes: Any) -> JobInfo:
    started = {"status": status, "started_at": _STARTED, "attempt": 1, "progress": None}
    return _QUEUED.model_copy(update=started | changes)


def _event(event: WebhookEvent, job: JobInfo) -> dict[str, Any]:
    return _example(f"The webhook of a job that is {job.status}", JobEvent(type=event, timestamp=_FINISHED, data=job))


def _example(summary: str, value: ResponseModel) -> dict[str, Any]:
    return {"summary": summary, "value": value.model_dump(mode="json")}
