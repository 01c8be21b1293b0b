"""Which job log lines are about, and the lines that are written when a job is stored, requeued or given up, or
its webhook sent again.

Implements jobs.ports.JobLog. A line about a job has its `job_id`, and the `request_id` and `trace_id` of the request
that created it, in whichever function.

Powertools' `append_context_keys` is not used: its keys are those of all threads, and at its end it also removes the
request's own ones. Its removal of single thread-safe keys changes a dictionary that other threads may share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from imagegen.origin import UNKNOWN, Origin
from imagegen.telemetry import logger

if TYPE_CHECKING:
    from imagegen.jobs.job import Job


@contextmanager
def one_job() -> Iterator[None]:
    """Forget at the end of the block, or of a function that this decorates, which job the lines are `about`."""
    before = logger.thread_safe_get_current_keys()
    try:
        yield
    finally:
        _replace_keys(before)


def about(job_id: str, origin: Origin = UNKNOWN) -> None:
    """Add these ids to every later log line of this thread, until `one_job` or the invocation ends.

    They replace those of another job.
    """
    _replace_keys({**logger.thread_safe_get_current_keys(), "job_id": job_id, **asdict(origin)})


def submitted(job: Job) -> None:
    """Log that a job was stored. Later lines are about it."""
    about(job.job_id, job.origin)
    logger.info("submitted")


def requeued(job: Job) -> None:
    """Log that the sweeper sends a job to the workers, again or for the first time."""
    logger.info("requeued", extra={"attempt": job.runs})


def given_up(job: Job) -> None:
    """Log that the sweeper has failed a job. telemetry.swept counts it."""
    logger.error("given up", extra={"attempt": job.runs})


def webhook_sent() -> None:
    """Log that the sweeper sends a webhook, which waited for its next attempt, to its queue."""
    logger.info("webhook sent")


def _replace_keys(keys: Mapping[str, object]) -> None:
    logger.thread_safe_clear_keys()
    logger.thread_safe_append_keys(**keys)
