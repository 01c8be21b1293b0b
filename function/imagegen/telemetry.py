"""Logs and metrics through Powertools. Neither ever contains a prompt or a key.

Events contain both. Every handler has `log_event=False`, which overrides POWERTOOLS_LOGGER_LOG_EVENT.
Traces use Lambda's active tracing (template.yaml): the X-Ray SDK behind Powertools' Tracer is in maintenance mode.
"""

from __future__ import annotations

import traceback
import warnings
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from imagegen import __version__
from imagegen.errors import ProvenanceUnavailable, ServiceError

if TYPE_CHECKING:
    from imagegen.access.caller import Caller
    from imagegen.errors.moderation import Stage
    from imagegen.generation.result import Result, WarmUp
    from imagegen.jobs.job import Job
    from imagegen.moderation.ports import Blocked
    from imagegen.provenance.certificate_chain import CertificateChain
    from imagegen.webhooks.delivery import Attempt

NAMESPACE: Final = "ImageGen"
logger: Final = Logger(service="imagegen", log_uncaught_exceptions=False, version=__version__)
metrics: Final = Metrics(namespace=NAMESPACE)  # dimension `service`: POWERTOOLS_SERVICE_NAME, the stack's name
_RENEW_BEFORE: Final = timedelta(days=30)
warnings.filterwarnings("ignore", "No application metrics to publish")  # an invocation without metrics is normal


def requested(request_id: str) -> None:
    """Add the gateway's request id, which the caller sees, to every later log line, and count the request."""
    logger.append_keys(request_id=request_id)
    metrics.add_metric("Requests", MetricUnit.Count, 1)


def authenticated(caller: Caller) -> None:
    """Log who sent a request: the id of a key or a digest of a token's subject, never the credential."""
    logger.info("authenticated", extra={"tenant": caller.tenant, "principal": caller.principal})


def called(caller: Caller) -> None:
    """Add who sent the request to every later log line of the function that handles it."""
    logger.append_keys(tenant=caller.tenant, principal=caller.principal)


def key_changed(action: Literal["created", "rotated", "revoked"], tenant: str, key_id: str) -> None:
    """Log what an operator, whom `called` has named, did to a key. Its value is never known here."""
    logger.info(f"key {action}", extra={"key_id": key_id, "key_tenant": tenant})


def generated(result: Result) -> None:
    """Log and count a result that the caller receives now. A worker's runs are counted by `ran` instead."""
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


def warmed(warm_up: WarmUp) -> None:
    """Log a warm-up."""
    logger.info("warmed", extra={"model": warm_up.model, "load_ms": warm_up.load_ms, "reason": warm_up.reason})
    metrics.add_metric("WarmUps", MetricUnit.Count, 1)


def webhook_attempted(attempt: Attempt, number: int) -> None:
    """Log the attempt `number` to deliver a webhook: as an error if it was the last, or if the operator must act.

    Its URL may contain a receiver's secret and is not logged.
    """
    level = logger.error if attempt.verdict == "dead" or attempt.secret else logger.info
    extra = {"job_id": attempt.job_id, "attempt": number, "reason": attempt.reason}
    if attempt.secret:
        extra["parameter"] = attempt.secret
    level(f"webhook {attempt.verdict}", extra=extra)
    name = {"delivered": "WebhooksDelivered", "retry": "WebhookRetries", "dead": "WebhookDeadLetters"}[attempt.verdict]
    metrics.add_metric(name, MetricUnit.Count, 1)


def ran(job_id: str, job: Job | None) -> None:
    """Log a run by how it ended; None means that the job was final, deleted or held by another worker."""
    state = job.state if job is not None else "not ours"
    attempt = job.runs if job is not None else 0  # as the API's `attempt`
    error = job.error.code if job is not None and job.error is not None else None
    logger.info("ran", extra={"job_id": job_id, "state": state, "attempt": attempt, "code": error})
    metrics.add_metric("Runs", MetricUnit.Count, int(job is not None))
    metrics.add_metric("JobFailures", MetricUnit.Count, int(state == "failed"))


def moderation_blocked(record: Blocked) -> None:
    """Log and count a block: whose request, what was judged, and by which lists. The prompt is not known here."""
    logger.warning("moderation_blocked", extra=asdict(record))
    _count_by("ModerationBlocked", stage=record.stage, category=record.category)


def moderation_unavailable(stage: Stage, cause: str) -> None:
    """Log and count what could not be judged, or only by earlier lists. The metric is for an alarm."""
    logger.error("moderation_unavailable", extra={"stage": stage, "cause": cause})
    _count_by("ModerationUnavailable", stage=stage)


def became_job() -> None:
    """Log that a request did not fit the gateway's timeout and became a job. If frequent, use a faster model."""
    logger.info("became a job")
    metrics.add_metric("HandOvers", MetricUnit.Count, 1)


def unreadable(reason: str) -> None:
    """Log that a message was sent to the dead-letter queue because it cannot be parsed. Its body is not logged."""
    logger.error("unreadable message", extra={"reason": reason})


def dead_letter(reason: str, job_id: str | None = None, *, failed: bool = False) -> None:
    """Log a message from the dead-letter queue; `failed`: whether its job is now failed."""
    logger.error("dead letter", extra={"reason": reason, "job_id": job_id})
    metrics.add_metric("DeadLetters", MetricUnit.Count, 1)
    metrics.add_metric("JobFailures", MetricUnit.Count, int(failed))


def swept(jobs: int, given_up: list[str], released: int) -> None:
    """Log a sweep: the number of jobs handled, the ids of those that are now failed, and the reservations released.

    An idle sweep writes nothing: CloudWatch bills a custom metric for every hour in which it gets a value, even a zero.
    """
    if released:
        logger.warning("reservations released", extra={"count": released})
        metrics.add_metric("Released", MetricUnit.Count, released)
    if jobs == 0:
        return
    for job_id in given_up:
        logger.error("given up", extra={"job_id": job_id})
    logger.info("swept", extra={"jobs": jobs})
    metrics.add_metric("Swept", MetricUnit.Count, jobs)
    metrics.add_metric("JobFailures", MetricUnit.Count, len(given_up))


def signs_with(chain: CertificateChain) -> None:
    """Log the certificate that pictures are signed with from now on: as a warning if it expires within 30 days."""
    left = chain.expires_at - datetime.now(UTC)
    level = logger.warning if left < _RENEW_BEFORE else logger.info
    extra = {"certificate": chain.fingerprint, "expires_at": chain.expires_at.isoformat()}
    level("pictures are signed", extra=extra)


def signs_nothing() -> None:
    """Log that this deployment has no key for content credentials."""
    logger.warning("pictures are not signed: no key for content credentials is configured")


def provenance_unavailable(error: ProvenanceUnavailable) -> None:
    """Log and count that pictures cannot be signed. Jobs wait, and other requests fail, until that is repaired."""
    logger.error("pictures cannot be signed", extra={"cause": error.private})
    metrics.add_metric("ProvenanceUnavailable", MetricUnit.Count, 1)


def verified(state: str) -> None:
    """Log and count a check of a picture's content credentials."""
    logger.info("verified", extra={"validation_state": state})
    metrics.add_metric("Verifications", MetricUnit.Count, 1)


def failed(error: ServiceError) -> None:
    """Log a rejected or failed request: its code, and the private part that the caller does not see."""
    level = logger.error if error.status >= 500 else logger.info
    level("failed", extra={"code": error.public_code, "status": error.status, "cause": error.private})
    _count_by("Errors" if error.status >= 500 else "Refusals", code=error.public_code)


def crashed(error: BaseException) -> None:
    """Log an unexpected exception: its frames, without its message, which might quote the request."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    logger.error("crashed", extra={"exception": type(error).__name__, "frames": frames[-12:]})


def _count_by(name: str, **dimensions: str) -> None:
    """Count once for the alarm and once by its dimensions: they apply to a whole EMF document."""
    metrics.add_metric(name, MetricUnit.Count, 1)
    service = {"service": metrics.service} if metrics.service else {}
    with single_metric(name, MetricUnit.Count, 1, namespace=NAMESPACE, default_dimensions=service) as counted:
        for dimension, value in dimensions.items():
            counted.add_dimension(dimension, value)
