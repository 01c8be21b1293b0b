"""Logs and metrics through Powertools. Neither ever holds a prompt or a key.

Traces are Lambda's own active tracing (template.yaml): the X-Ray SDK behind Powertools' Tracer is in maintenance.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from imagegen.errors import ServiceError
from imagegen.jobs import Job
from imagegen.result import Result, WarmUp

if TYPE_CHECKING:
    from imagegen.webhooks import Attempt

NAMESPACE: Final = "ImageGen"
logger: Final = Logger(service="imagegen", log_uncaught_exceptions=False)
metrics: Final = Metrics(namespace=NAMESPACE, service="imagegen")


def requested(request_id: str) -> None:
    """Name the gateway's request in every later line: it is the id the caller sees."""
    logger.append_keys(request_id=request_id)
    metrics.add_metric("Requests", MetricUnit.Count, 1)


def generated(result: Result) -> None:
    """One line and a few metrics for an answered request."""
    logger.info(
        "generated",
        extra={
            "job_id": result.id,
            "model": result.model,
            "images": len(result.images),
            "cached": result.cached,
            "timings": result.timings.model_dump(),
            "usd": result.cost.usd,
        },
    )
    metrics.add_metric("Images", MetricUnit.Count, len(result.images))
    metrics.add_metric("CacheHits", MetricUnit.Count, int(result.cached))
    metrics.add_metric("ColdStarts", MetricUnit.Count, int(result.cold_start))
    metrics.add_metric("Duration", MetricUnit.Milliseconds, result.timings.total_ms)


def warmed(answer: WarmUp) -> None:
    logger.info("warmed", extra={"model": answer.model, "load_ms": answer.load_ms, "reason": answer.reason})
    metrics.add_metric("WarmUps", MetricUnit.Count, 1)


def webhook_tried(ended: Attempt, attempt: int) -> None:
    """One line and a count for an attempt to deliver a webhook. Its URL may hold a receiver's key and stays out."""
    level = logger.error if ended.verdict == "dead" else logger.info
    level(f"webhook {ended.verdict}", extra={"job_id": ended.job_id, "attempt": attempt, "reason": ended.reason})
    name = {"delivered": "WebhooksDelivered", "retry": "WebhookRetries", "dead": "WebhookDeadLetters"}[ended.verdict]
    metrics.add_metric(name, MetricUnit.Count, 1)


def ran(job_id: str, job: Job | None) -> None:
    """One line for a run, by how it ended; without a job the message came for work that is done, gone or another's."""
    state = job.state if job is not None else "not ours"
    attempt = job.attempt if job is not None else 0
    error = job.error["code"] if job is not None and job.error is not None else None
    logger.info("ran", extra={"job_id": job_id, "state": state, "attempt": attempt, "code": error})
    metrics.add_metric("Runs", MetricUnit.Count, int(job is not None))
    metrics.add_metric("JobFailures", MetricUnit.Count, int(state == "failed"))


def handed_over() -> None:
    """A request that did not fit the gateway's time became a job: no failure, but a reason to look at the models."""
    logger.info("handed over")
    metrics.add_metric("HandOvers", MetricUnit.Count, 1)


def buried(reason: str) -> None:
    """A message that went to the dead letters; its body stays out of the log."""
    logger.error("buried", extra={"reason": reason})


def dead_letter(reason: str, job_id: str | None = None, *, failed: bool = False) -> None:
    """`failed` tells that it was the end of its job."""
    logger.error("dead letter", extra={"reason": reason, "job_id": job_id})
    metrics.add_metric("DeadLetters", MetricUnit.Count, 1)
    metrics.add_metric("JobFailures", MetricUnit.Count, int(failed))


def swept(jobs: int, given_up: list[str]) -> None:
    for job_id in given_up:
        logger.error("given up", extra={"job_id": job_id})
    logger.info("swept", extra={"jobs": jobs})
    metrics.add_metric("Swept", MetricUnit.Count, jobs)
    metrics.add_metric("JobFailures", MetricUnit.Count, len(given_up))


def failed(error: ServiceError) -> None:
    """One line for a refused or failed request: by its code, and by what only the log may say."""
    level = logger.error if error.status >= 500 else logger.info
    level("failed", extra={"code": error.public_code, "status": error.status, "cause": error.private})
    _count_failure("Errors" if error.status >= 500 else "Refusals", error.public_code)


def crashed(error: BaseException) -> None:
    """A fault of ours: where it happened, without the message, which might quote the request."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    logger.error("crashed", extra={"exception": type(error).__name__, "frames": frames[-12:]})


def _count_failure(name: str, code: str) -> None:
    """Once for the alarm and once by code: a metric's dimensions are those of its whole document."""
    metrics.add_metric(name, MetricUnit.Count, 1)
    with single_metric(name, MetricUnit.Count, 1, namespace=NAMESPACE) as by_code:
        by_code.add_dimension("code", code)
