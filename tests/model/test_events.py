"""Every sample event of the API through the real handlers, with the demo model and S3 as moto plays it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from imagegen.entrypoints import api, dead_letters, generator, job_routes, sweeper, webhooks, worker
from tests.support.expectations import EVENTS, EXPECTATIONS, events_of, load, outcome
from tools.lambda_event import Context
from tools.local import job_resources

HANDLERS = {
    "Generator": generator.handler,
    "Worker": worker.handler,
    "Api": api.handler,
    "Sweeper": sweeper.handler,
    "DeadLetters": dead_letters.handler,
    "Webhooks": webhooks.handler,
}
KEPT = [
    generator.service,
    worker.service,
    worker.queue,
    webhooks.sender,
    *(each.jobs for each in (job_routes, generator, worker, sweeper, dead_letters)),
]
"""What handlers make once and keep, clients of an earlier moto with it."""


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=generator.settings.bucket_name)
        job_resources.make()
        for kept in KEPT:
            kept.cache_clear()
        yield
        for kept in KEPT:
            kept.cache_clear()


def test_every_event_has_an_expectation_and_the_reverse() -> None:
    assert {file.name for file in EVENTS.glob("*.json")} == set(EXPECTATIONS)


@pytest.mark.parametrize("name", events_of(*HANDLERS))
def test_each_event_gets_its_answer(name: str) -> None:
    expected = EXPECTATIONS[name]
    answer = HANDLERS[expected.function](load(name), Context())
    assert outcome(answer) == (expected.status, expected.code)
    assert json.dumps(answer)


def test_the_service_answers_after_all_of_them() -> None:
    assert outcome(generator.handler({"warmup": True}, Context()))[0] == 200
