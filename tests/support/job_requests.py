"""Requests that tests submit as jobs, and whether a job used the cache."""

from __future__ import annotations

from imagegen.jobs.idempotency import IdempotencyFingerprint
from imagegen.jobs.job import Job
from tests.support.job_world import JobWorld
from tests.support.plans import plan

PLAN = plan(num_inference_steps=4)


def keyed(prompt: str = "body") -> IdempotencyFingerprint:
    """The same idempotency key each time. Another prompt makes it another body."""
    planned = plan(prompt)
    made = IdempotencyFingerprint.of("key", "/generate", {"prompt": prompt}, planned.request, planned.spec)
    assert made is not None
    return made


def was_cached(world: JobWorld, job: Job) -> bool:
    """Whether the job's images came from the cache."""
    result = world.renderer.render(job).result
    assert result is not None
    return result.cached
