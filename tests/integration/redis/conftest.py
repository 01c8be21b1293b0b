"""A running Redis and a running Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegen.redis.server import RedisServer
from tests.support.limits_world import LimitsWorld
from tests.support.redis_servers import Running, Told, connected, debians_redis, running, valkey

PROGRAMS = {"redis": debians_redis(), "valkey": valkey()}


@pytest.fixture(params=PROGRAMS, scope="session")
def program(request: pytest.FixtureRequest) -> Path:
    path = PROGRAMS[request.param]
    if path is None:
        pytest.skip(f"{request.param} is not installed")
    return path


@pytest.fixture
def process(program: Path) -> Iterator[Running]:
    with running(program) as process:
        yield process


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def server(process: Running, told: Told) -> RedisServer:
    return connected(process.url, told)


@pytest.fixture
def limits(resources: dict[str, str]) -> LimitsWorld:
    return LimitsWorld(resources["Table"])
