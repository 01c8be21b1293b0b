"""Every event in events/ through the real handlers, with the demo model and moto."""

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
CACHED = [
    generator.service,
    worker.service,
    worker.queue,
    webhooks.sender,
    *(each.jobs for each in (job_routes, generator, worker, sweeper, dead_letters)),
]
"""Functions whose cached results hold boto3 clients, which must not outlive their mock_aws."""


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=generator.settings.bucket_name)
        job_resources.make()
        for cached in CACHED:
            cached.cache_clear()
        yield
        for cached in CACHED:
            cached.cache_clear()


def test_events_and_expectations_correspond() -> None:
    assert {file.name for file in EVENTS.glob("*.json")} == set(EXPECTATIONS)


@pytest.mark.parametrize("name", events_of(*HANDLERS))
def test_the_handler_gives_the_expected_response(name: str) -> None:
    expected = EXPECTATIONS[name]
    response = HANDLERS[expected.function](load(name), Context())
    assert outcome(response) == (expected.status, expected.code)
    assert json.dumps(response)


def test_the_generator_still_responds_after_all_events() -> None:
    assert outcome(generator.handler({"warmup": True}, Context()))[0] == 200
