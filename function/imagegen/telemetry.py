"""Logs and metrics through Powertools. Neither ever contains a prompt or a key.

Events contain both. Every handler has `log_event=False`, which overrides POWERTOOLS_LOGGER_LOG_EVENT.
Traces use Lambda's active tracing (template.yaml): the X-Ray SDK behind Powertools' Tracer is in maintenance mode.

CloudWatch bills each combination of a metric's name and dimensions that gets a value in an hour. So the only dimensions
are `service`, the stack, which Powertools reads from POWERTOOLS_SERVICE_NAME, the model of `Usd`, and the category of
`ModerationBlocked`. Routes, codes and stages are in log lines.
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from imagegen import __version__
from imagegen.errors import ProvenanceUnavailable, ServiceError

if TYPE_CHECKING:
    from imagegen.access.caller import Caller
    from imagegen.errors.moderation import Stage
    from imagegen.generation.result import ModelLoad, Outcome, Result, WarmUp
    from imagegen.jobs.job import Job
    from imagegen.moderation.ports import Blocked
    from imagegen.origin import Origin
    from imagegen.provenance.certificate_chain import CertificateChain
    from imagegen.rollout.warm_up import Warmed
    from imagegen.webhooks.delivery import Attempt

NAMESPACE: Final = "ImageGen"
logger: Final = Logger(service="imagegen", log_uncaught_exceptions=False, version=__version__)
metrics: Final = Metrics(namespace=NAMESPACE)
UNITS: Final[Mapping[str, MetricUnit]] = {
    **dict.fromkeys(("Requests", "Refusals", "Errors"), MetricUnit.Count),
    **dict.fromkeys(("Images", "CacheHits", "ColdStarts", "WarmUps", "HandOvers"), MetricUnit.Count),
    **dict.fromkeys(("Duration", "QueueTime", "LoadTime"), MetricUnit.Milliseconds),
    **dict.fromkeys(("DenoiseTime", "DecodeTime", "StoreTime"), MetricUnit.Milliseconds),
    "Usd": MetricUnit.NoUnit,
    **dict.fromkeys(("Runs", "JobFailures", "Swept", "Released"), MetricUnit.Count),
    **dict.fromkeys(("WebhooksDelivered", "WebhookRetries", "WebhookDeadLetters"), MetricUnit.Count),
    **dict.fromkeys(("ModerationBlocked", "ModerationUnavailable"), MetricUnit.Count),
    "ProvenanceUnavailable": MetricUnit.Count,
}
"""Every metric, and its unit. docs/operations.md says what each one counts."""
CATEGORIES: Final = ("sexual", "suggestive", "minors", "gore", "self_harm", "other")
"""Categories of `ModerationBlocked`: those of the packaged lists and of pictures. The owner's own ones are `other`."""
_RENEW_BEFORE: Final = timedelta(days=30)
warnings.filterwarnings("ignore", "No application metrics to publish")  # an invocation without metrics is normal


def requested(origin: Origin, method: str, resource: str) -> None:
    """Add the request's id, which the caller sees, its trace and its route to every later log line; count the request.

    `resource` is the gateway's, such as /jobs/{job_id}: it contains nothing of the caller's.
    """
    logger.append_keys(**asdict(origin), route=f"{method} {resource}")
    _add("Requests", 1)


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
            "model_version": result.model_version,
            "images": len(result.images),
            "cached": result.cached,
            "timings": result.timings.model_dump(),
            "usd": result.cost.usd,
            **_cold_start(result.model_load),
        },
    )
    _count_result(result)


def warmed(warm_up: WarmUp) -> None:
    """Log a warm-up, which waits in place of a caller."""
    extra = {"model": warm_up.model, "load_ms": warm_up.load_ms, "reason": warm_up.reason}
    logger.info("warmed", extra=extra | _cold_start(warm_up.model_load))
    _add("WarmUps", 1)


def environments_warmed(warmed: Warmed) -> None:
    """Log how many different environments answered: as a warning if fewer than wanted did. It is no metric."""
    level = logger.warning if warmed.environments < warmed.wanted else logger.info
    level("environments warmed", extra=asdict(warmed))


def rollout_unchecked(function: str) -> None:
    """Log that a new version may have traffic although it was not asked: jobs or webhooks keep the function busy."""
    logger.warning("rollout unchecked", extra={"function": function})


def rollout_checked(deployment: str, problem: str | None) -> None:
    """Log the verdict on a new version. CodeDeploy shows only that a check failed."""
    level = logger.error if problem else logger.info
    level("rollout checked", extra={"deployment": deployment, "problem": problem})


def webhook_attempted(attempt: Attempt) -> None:
    """Log an attempt to deliver a webhook: as an error if it was the last, or if the operator must act.

    Its URL may contain a receiver's secret and is not logged.
    """
    level = logger.error if attempt.verdict == "dead" or attempt.secret else logger.info
    extra = {"attempt": attempt.number, "reason": attempt.reason}
    if attempt.secret:
        extra["parameter"] = attempt.secret
    level(f"webhook {attempt.verdict}", extra=extra)
    names = {"delivered": "WebhooksDelivered", "retry": "WebhookRetries", "dead": "WebhookDeadLetters"}
    if attempt.verdict in names:
        _add(names[attempt.verdict], 1)


def ran(job: Job | None) -> None:
    """Log a run by how it ended; None means that the job was final, deleted or held by another worker."""
    state = job.state if job is not None else "not ours"
    attempt = job.runs if job is not None else 0  # as the API's `attempt`
    error = job.error if job is not None and state == "failed" else None
    extra: dict[str, Any] = {"state": state, "attempt": attempt, "code": error.code if error else None}
    if job is not None and job.result is not None:
        extra |= {"images": len(job.result.images), "timings": job.result.timings.model_dump()}
        extra |= {"model_version": job.result.model_version, **_cold_start(job.result.model_load)}
    logger.info("ran", extra=extra)
    _add("Runs", int(job is not None))
    _add("JobFailures", int(state == "failed"))
    _add("Errors", int(error is not None and error.status >= 500))
    if job is not None and job.result is not None:
        _count_result(job.result)
        _add("QueueTime", job.result.timings.queue_ms)


def moderation_blocked(record: Blocked) -> None:
    """Log and count a block: whose request, what was judged, and by which lists. The prompt is not known here."""
    logger.warning("moderation_blocked", extra=asdict(record))
    category = record.category if record.category in CATEGORIES else "other"
    _add_by("category", category, "ModerationBlocked", 1)


def moderation_unavailable(stage: Stage, cause: str) -> None:
    """Log and count what could not be judged, or only by earlier lists. The metric is for an alarm."""
    logger.error("moderation_unavailable", extra={"stage": stage, "cause": cause})
    _add("ModerationUnavailable", 1)


def rollout_refused(name: str, version: str, cause: str) -> None:
    """Log that `name` keeps its version, because the new one cannot be used; or the rollout, if `name` is empty."""
    logger.error("rollout_refused", extra={"alias": name, "version": version, "cause": cause})


def became_job() -> None:
    """Log that a request did not fit the gateway's timeout and became a job. If frequent, use a faster model."""
    logger.info("became a job")
    _add("HandOvers", 1)


def unreadable(reason: str) -> None:
    """Log that a message was sent to the dead-letter queue because it cannot be parsed. Its body is not logged."""
    logger.error("unreadable message", extra={"reason": reason})


def dead_letter(reason: str, *, failed: bool = False) -> None:
    """Log a message from the dead-letter queue, which SQS counts; `failed`: whether its job is now failed."""
    logger.error("dead letter", extra={"reason": reason})
    _add("JobFailures", int(failed))
    _add("Errors", int(failed))


def swept(jobs: int, given_up: int, released: int) -> None:
    """Log a sweep: the numbers of jobs handled, of those that are now failed, and of reservations released.

    An idle sweep writes nothing: CloudWatch bills a custom metric for every hour in which it gets a value, even a zero.
    """
    if released:
        logger.warning("reservations released", extra={"count": released})
        _add("Released", released)
    if jobs == 0:
        return
    logger.info("swept", extra={"jobs": jobs})
    _add("Swept", jobs)
    _add("JobFailures", given_up)
    _add("Errors", given_up)


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
    _add("ProvenanceUnavailable", 1)


def redis_failed(cause: str) -> None:
    """Log that Redis gave no usable answer, so that the stores behind it are asked for the next seconds.

    `cause` names the kind of failure. There is no metric: no request fails, and CacheHits counts hits of both.
    """
    logger.warning("redis failed", extra={"cause": cause})


def verified(state: str) -> None:
    """Log a check of a picture's content credentials."""
    logger.info("verified", extra={"validation_state": state})


def failed(error: ServiceError) -> None:
    """Log a rejected or failed request: its code, and the private part that the caller does not see."""
    level = logger.error if error.status >= 500 else logger.info
    level("failed", extra={"code": error.public_code, "status": error.status, "cause": error.private})
    _add("Errors" if error.status >= 500 else "Refusals", 1)


def aborted(error: BaseException) -> None:
    """Log and count an unexpected exception that no response or job reports."""
    crashed(error)
    _add("Errors", 1)


def crashed(error: BaseException) -> None:
    """Log an unexpected exception: its frames, without its message, which might quote the request."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    logger.error("crashed", extra={"exception": type(error).__name__, "frames": frames[-12:]})


def _count_result(result: Result | Outcome) -> None:
    """Count what was drawn or found in the cache, how long each part took, and what it cost.

    A cached result has no parts: its zeros would hide how long drawing takes.
    """
    _add("Images", len(result.images))
    _add("CacheHits", int(result.cached))
    _add("ColdStarts", int(result.cold_start))
    _add("Duration", result.timings.total_ms)
    if not result.cached:
        _add("LoadTime", result.timings.load_ms)
        _add("DenoiseTime", result.timings.denoise_ms)
        _add("DecodeTime", result.timings.decode_ms)
        _add("StoreTime", result.timings.store_ms)
    _add_by("model", result.model, "Usd", result.cost.usd)


def _add(name: str, value: float) -> None:
    metrics.add_metric(name, UNITS[name], value)


def _add_by(dimension: str, of: str, name: str, value: float) -> None:
    """Add a value with one more dimension. Dimensions apply to a whole EMF document, so it gets one of its own."""
    with single_metric(name, UNITS[name], value, namespace=NAMESPACE) as counted:
        counted.add_dimension(dimension, of)


def _cold_start(load: ModelLoad | None) -> dict[str, object]:
    """Return the fields of a cold start; none for what was warm, so that a count of the field counts cold starts."""
    if load is None:
        return {}
    return {"cold_start_cause": load.cause, "cold_start_ms": load.waited_ms, "cold_start_usd": load.usd}
