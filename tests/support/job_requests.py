"""Requests that tests submit as jobs, and whether a job used the cache."""

from __future__ import annotations

from imagegen.idempotency import KeyedBody
from imagegen.jobs import Job
from imagegen.request import GenerateRequest
from tests.support.job_world import JobWorld

REQUEST = GenerateRequest.parse({"prompt": "a red circle", "num_inference_steps": 4})


def keyed(prompt: str = "body") -> KeyedBody:
    """The same idempotency key each time. Another prompt makes it another body."""
    made = KeyedBody.of("key", "/generate", {"prompt": prompt})
    assert made is not None
    return made


def was_cached(world: JobWorld, job: Job) -> bool:
    """Whether the job's images came from the cache."""
    result = world.jobs.describe(job).result
    assert result is not None
    return result.cached
