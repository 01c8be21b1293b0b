"""The Sweeper function."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NoReturn

import pytest

from imagegen.entrypoints import sweeper
from imagegen.errors import InternalError, StorageUnavailable
from imagegen.jobs import states
from tests.support.fakes import PLENTY
from tests.support.job_handlers import JobHandlers
from tools.lambda_event import Context

NOTHING = {"swept": 0, "given_up": 0, "webhooks": 0, "released": 0}


def test_the_sweeper_counts_the_jobs_that_it_swept(handlers: JobHandlers) -> None:
    handlers.submit()
    handlers.world.clock.pass_s(3601)
    assert sweeper.handler({}, Context()) == NOTHING | {"swept": 1}


def test_what_a_sweep_did_is_reported_although_its_last_part_fails(
    handlers: JobHandlers, printed: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The jobs that were given up are counted and logged, and the invocation fails, so that its alarm sees it."""
    world = handlers.world
    job = world.submit()
    for _ in range(world.timing.max_attempts - 1):
        world.store.change(world.get(job), lambda seen: states.claimed(seen, "dead", world.clock(), world.timing))
        world.clock.pass_s(world.timing.lease_s)
        world.sweep.all(PLENTY)
    world.store.change(world.get(job), lambda seen: states.claimed(seen, "dead", world.clock(), world.timing))
    world.clock.pass_s(world.timing.lease_s)

    def unavailable(limit: int) -> NoReturn:
        raise StorageUnavailable("unavailable")

    monkeypatch.setattr(world.container.quotas, "lost", unavailable)
    with pytest.raises(StorageUnavailable):
        sweeper.handler({}, Context())
    assert world.get(job).state == "failed"
    lines = [json.loads(line) for line in printed().splitlines()]
    assert [line["job_id"] for line in lines if line.get("message") == "given up"] == [job.job_id]
    assert [line["Swept"] for line in lines if "Swept" in line] == [[1.0]]


def test_a_reservation_that_cannot_be_settled_does_not_keep_the_others(
    handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[str] = []

    class Broken:
        def lost(self, limit: int) -> list[str]:
            return ["first", "second", "third"]

        def settle(self, reservation: str) -> bool:
            if reservation == "first":
                raise InternalError(private="its bill exists")
            settled.append(reservation)
            return True

    monkeypatch.setattr(handlers.world.container, "quotas", Broken())
    assert sweeper.handler({}, Context()) == NOTHING | {"released": 2}
    assert settled == ["second", "third"]


def test_a_sweep_writes_metrics_only_if_it_handled_a_job(handlers: JobHandlers, printed: Callable[[], str]) -> None:
    """CloudWatch bills a custom metric for each hour in which it gets a value."""
    assert sweeper.handler({}, Context()) == NOTHING
    assert printed() == ""
    handlers.submit()
    handlers.world.clock.pass_s(3601)
    sweeper.handler({}, Context())
    assert '"Swept":[1.0]' in printed()
