"""Requests of a deployment that has Redis, while it answers and while it does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from imagegen.limits.rate_limit import RatePolicy, RouteClass
from imagegen.limits.tenant_limits import TenantLimits
from tests.support.expectations import outcome
from tests.support.job_handlers import PROMPT, JobHandlers, header
from tests.support.job_world import JobWorld
from tests.support.redis_servers import TIMEOUT_S, Running, free_port

CLASSES: tuple[RouteClass, ...] = ("drawing", "submitting", "looking")
SEEDED = PROMPT | {"seed": 7}
Environment = Callable[[str], JobHandlers]


@pytest.fixture
def environment(resources: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Start another environment of the functions, with Redis at a URL. All tenants have a burst of three.

    A busy machine needs more than the default 50 ms for an answer, and more than the breaker's pause for a test.
    """
    monkeypatch.setattr("imagegen.redis.breaker.PAUSE_S", 3600.0)

    def start(url: str) -> JobHandlers:
        monkeypatch.setenv("REDIS_URL", url)
        world = JobWorld(resources, limits=TenantLimits({each: RatePolicy(each, 0.001, 3) for each in CLASSES}))
        server = world.container.redis
        assert server is not None
        server._address = replace(server._address, timeout_s=TIMEOUT_S)
        return JobHandlers(world, monkeypatch)

    return start


def test_without_its_redis_every_route_answers(environment: Environment, printed: Callable[[], str]) -> None:
    handlers = environment(f"redis://127.0.0.1:{free_port()}")
    drawn, again = (handlers.call("POST", "/generate", SEEDED) for _ in range(2))
    assert [each["statusCode"] for each in (drawn, again)] == [200, 200]
    assert json.loads(again["body"])["cached"] is True
    assert handlers.submit()["statusCode"] == 202
    assert [handlers.call("GET", "/jobs")["statusCode"] for _ in range(4)] == [200, 200, 200, 429]
    assert handlers.world.crashes == []
    lines = [json.loads(line) for line in printed().splitlines() if '"redis failed"' in line]
    assert [(line["level"], line["cause"]) for line in lines] == [("WARNING", "ConnectionError")], "once in a pause"


def test_environments_share_results_and_rates(environment: Environment, process: Running) -> None:
    first = environment(process.url).call("POST", "/generate", SEEDED)
    second = environment(process.url).call("POST", "/generate", SEEDED)
    third = environment(process.url).call("POST", "/generate", SEEDED)
    assert [json.loads(each["body"])["cached"] for each in (first, second, third)] == [False, True, True]
    remaining = [(header(each, "RateLimit") or "").partition(";t")[0] for each in (first, second, third)]
    assert remaining == [f'"drawing";r={left}' for left in (2, 1, 0)]
    assert outcome(environment(process.url).call("POST", "/generate", SEEDED)) == (429, "rate_limited")
    stored = {key: process.raw.get(key) for key in list(process.raw.keys())}
    assert {key.split(b":")[1] for key in stored} == {b"7", b"rate"}
    assert not any(b"red circle" in each for each in [*stored, *stored.values()])


def test_a_redis_that_dies_between_two_requests_fails_neither(environment: Environment, process: Running) -> None:
    handlers = environment(process.url)
    assert handlers.call("POST", "/generate", SEEDED)["statusCode"] == 200
    process.stop()
    again = handlers.call("POST", "/generate", SEEDED)
    assert (again["statusCode"], json.loads(again["body"])["cached"]) == (200, True)
    assert [handlers.call("GET", "/jobs")["statusCode"] for _ in range(4)] == [200, 200, 200, 429]
