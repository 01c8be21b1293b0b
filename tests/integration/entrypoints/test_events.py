"""The sample events that need no model, through the real handlers and the real wiring; tests/model runs them all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

from imagegen.entrypoints import api, dead_letters, generator, job_routes, sweeper, webhooks, worker
from tests.support.expectations import EXPECTATIONS, load, outcome
from tools.lambda_event import Context
from tools.local import job_resources

HANDLERS = {
    "Api": api.handler,
    "Generator": generator.handler,
    "Worker": worker.handler,
    "Sweeper": sweeper.handler,
    "DeadLetters": dead_letters.handler,
    "Webhooks": webhooks.handler,
}
NAMES = [
    name
    for name, expected in EXPECTATIONS.items()
    if expected.function != "Generator" or name == "generate-respond-async.json"
]


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    jobs = [module.jobs for module in (job_routes, generator, worker, sweeper, dead_letters)]
    made = [*jobs, worker.queue, webhooks.sender]
    with mock_aws():
        job_resources.make()
        for build in made:
            build.cache_clear()
        yield
        for build in made:
            build.cache_clear()


@pytest.mark.parametrize("name", NAMES)
def test_each_event_gets_its_answer(name: str) -> None:
    expected = EXPECTATIONS[name]
    assert outcome(HANDLERS[expected.function](load(name), Context())) == (expected.status, expected.code)
