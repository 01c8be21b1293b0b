"""The real Lambda handlers, wired to AWS as moto implements it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import boto3
from moto import mock_aws

from imagegen.entrypoints import api, dead_letters, generator, job_routes, sweeper, webhooks, worker
from tools.lambda_event import Context
from tools.local import job_resources

_HANDLERS: Final = {
    "Generator": generator.handler,
    "Worker": worker.handler,
    "Api": api.handler,
    "Sweeper": sweeper.handler,
    "DeadLetters": dead_letters.handler,
    "Webhooks": webhooks.handler,
}
_CACHED: Final = [
    generator.service,
    worker.service,
    worker.queue,
    webhooks.sender,
    *(each.jobs for each in (job_routes, generator, worker, sweeper, dead_letters)),
]
"""Objects that the handlers keep between invocations, including clients that belong to an earlier mock."""


def invoke(function: str, event: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = _HANDLERS[function](event, Context())
    return answer


@contextmanager
def wired_handlers() -> Iterator[None]:
    """A mock of AWS with the bucket, table, and queues that the handlers find in their environment."""
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=generator.settings.bucket_name)
        job_resources.make()
        _clear_caches()
        yield
        _clear_caches()


def _clear_caches() -> None:
    for cached in _CACHED:
        cached.cache_clear()
