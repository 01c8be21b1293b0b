"""What a caller gets back: the contract's Result, its timings and its receipt. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from imagegen.jobs import Job, Phase, State
from imagegen.registry import Model


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class ImageResult(_Answer):
    """One stored image; `url` is presigned and lives until `expires_at`."""

    url: str
    seed: int
    width: int
    height: int
    content_type: str
    bytes: int
    sha256: str = Field(description="of the file, in hex")
    expires_at: datetime


class Timings(_Answer):
    """Where the time went, in milliseconds; all but total are 0 for an answer from the cache.

    `load_ms` is loading the model and compiling it for a size that the environment had not drawn before.
    """

    queue_ms: int = 0
    load_ms: int = 0
    text_encode_ms: int = 0
    denoise_ms: int = 0
    decode_ms: int = 0
    store_ms: int = 0
    total_ms: int = 0


class Cost(_Answer):
    """What the request cost in Lambda's compute; requests, storage and transfer come on top."""

    billed_ms: int
    memory_mb: int
    usd: float

    @classmethod
    def of(cls, seconds: float, memory_mb: int, usd_per_gb_second: float) -> Cost:
        """Lambda bills memory x duration, the duration rounded up to a millisecond (AWS Lambda pricing page)."""
        billed_ms = math.ceil(seconds * 1000)
        return cls(
            billed_ms=billed_ms,
            memory_mb=memory_mb,
            usd=round(billed_ms / 1000 * memory_mb / 1024 * usd_per_gb_second, 8),
        )


class Result(_Answer):
    """The answer of POST /generate."""

    id: str
    status: Literal["succeeded"] = "succeeded"
    model: str
    image_url: str = Field(description="the first image's url")
    images: list[ImageResult]
    cached: bool
    cold_start: bool = Field(description="whether this request waited for the model to load")
    timings: Timings
    cost: Cost
    warnings: list[str]
    metadata: dict[str, str]


class KeptImage(_Answer):
    """One stored image by its key, from which a URL can be signed until the store may delete it."""

    key: str
    seed: int
    width: int
    height: int
    content_type: str
    bytes: int
    sha256: str
    kept_until: datetime


class Outcome(_Answer):
    """A Result before its URLs are signed: what a job keeps."""

    model: str
    images: list[KeptImage]
    cached: bool
    cold_start: bool
    timings: Timings
    cost: Cost
    warnings: list[str]


class ProgressInfo(_Answer):
    """Of a running job; steps are those of all its images together."""

    phase: Phase
    step: int
    of: int
    percent: int
    eta_ms: int | None = Field(description="milliseconds until the last step is done; null until it can be told")


class JobError(_Answer):
    """Why a job failed, as a problem document would say it."""

    code: str
    status: int
    detail: str


class JobInfo(_Answer):
    """A job as its caller sees it."""

    id: str
    status: State
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime = Field(description="when the job is forgotten")
    attempt: int = Field(description="runs begun; another one follows a worker that died")
    progress: ProgressInfo | None = Field(description="while it runs")
    result: Result | None = Field(description="once it has succeeded; URLs are signed anew each time")
    error: JobError | None = Field(description="once it has failed, or its images have expired")
    metadata: dict[str, str]

    @classmethod
    def of(cls, job: Job, result: Result | None, error: Mapping[str, Any] | None) -> JobInfo:
        return cls(
            id=job.job_id,
            status=job.state,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            expires_at=datetime.fromtimestamp(job.expires_at, UTC),
            attempt=job.attempt,
            progress=_progress(job),
            result=result,
            error=JobError(**error) if error is not None else None,
            metadata=dict(job.metadata),
        )


class JobPage(_Answer):
    """The answer of GET /jobs."""

    jobs: list[JobInfo]
    cursor: str | None = Field(description="of the next page; null on the last")


def _progress(job: Job) -> ProgressInfo | None:
    if job.phase is None:
        return None
    step, of, eta_ms = (job.progress.step, job.progress.of, job.progress.eta_ms) if job.progress else (0, 0, None)
    percent = job.progress.percent if job.progress else 0
    return ProgressInfo(phase=job.phase, step=step, of=of, percent=percent, eta_ms=eta_ms)


class WarmUp(_Answer):
    """The answer to a warm-up ping."""

    status: Literal["warm"] = "warm"
    model: str
    engine: str
    device: str
    precision: str
    reason: str = Field(description="why this device and precision")
    cold_start: bool
    load_ms: int


class Health(_Answer):
    """The answer of GET /health."""

    status: Literal["ok"] = "ok"


class ModelInfo(_Answer):
    """A model as GET /models shows it; sizes in pixels."""

    id: str
    family: str
    revision: str
    engine: str
    defaults: dict[str, int | float | str]
    limits: dict[str, int]
    schedulers: list[str]

    @classmethod
    def of(cls, model: Model, engine: str, schedulers: Sequence[str]) -> ModelInfo:
        return cls(
            id=model.id,
            family=model.family,
            revision=model.revision,
            engine=engine,
            defaults=asdict(model.defaults),
            limits=asdict(model.limits),
            schedulers=list(schedulers),
        )


class ModelList(_Answer):
    """The answer of GET /models."""

    default: str
    models: list[ModelInfo]
