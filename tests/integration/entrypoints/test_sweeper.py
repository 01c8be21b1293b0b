"""The Sweeper function."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from imagegen.entrypoints import sweeper
from imagegen.errors import InternalError, StorageUnavailable
from imagegen.jobs import states
from imagegen.jobs.ports import Listed
from imagegen.jobs.sweep import JobSweep
from imagegen.webhooks.message import WebhookMessage
from tests.support.fakes import PLENTY
from tests.support.job_handlers import JobHandlers
from tests.support.log_lines import lines
from tools.faults.webhook_deliveries import final_job
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
    written = [json.loads(line) for line in printed().splitlines()]
    assert [line["job_id"] for line in written if line.get("message") == "given up"] == [job.job_id]
    assert [line["Swept"] for line in written if "Swept" in line] == [[1.0]]


def test_a_sweep_ends_early_while_the_table_does_not_respond(
    handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call may wait for 20 s: with all of them, Lambda would end the function before it reports anything."""
    asked: list[str] = []

    def due(shard: str, limit: int) -> NoReturn:
        asked.append(shard)
        raise StorageUnavailable("unavailable")

    monkeypatch.setattr(handlers.world.store, "due", due)
    with pytest.raises(StorageUnavailable):
        sweeper.handler({}, Context())
    assert asked == handlers.world.store.due_shards("running")


def test_a_shard_that_is_throttled_does_not_keep_the_other_parts(
    handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers.submit()
    assert len(handlers.world.messages()) == 1, "which dies with the process that took it"
    handlers.world.clock.pass_s(3601)
    real = handlers.world.store.due

    def due(shard: str, limit: int) -> list[Listed]:
        if shard == "running#0":
            raise StorageUnavailable("throttled")
        return real(shard, limit)

    monkeypatch.setattr(handlers.world.store, "due", due)
    with pytest.raises(StorageUnavailable):
        sweeper.handler({}, Context())
    assert len(handlers.world.messages()) == 1, "sent again"


def test_held_webhooks_are_sent_and_counted(handlers: JobHandlers) -> None:
    container = handlers.world.container
    message = WebhookMessage.of(final_job("01KAJ9X2S4QZ8W3V5N7M6K1H0G"))
    container.waiting_webhooks.postpone(message, 1800)
    assert sweeper.handler({}, Context()) == NOTHING
    handlers.world.clock.pass_s(1800)
    assert sweeper.handler({}, Context()) == NOTHING | {"webhooks": 1}
    (sent,) = handlers.world.messages("WebhooksQueue")
    assert sent["Body"] == json.loads(message.body())


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


@pytest.mark.parametrize(("part", "call"), [("waiting_webhooks", "send_due"), ("quotas", "lost")])
def test_a_part_that_crashes_does_not_keep_the_parts_after_it(
    handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch, printed: Callable[[], str], part: str, call: str
) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            assert name == call
            raise ValueError("canary")

    container, did = handlers.world.container, list[str]()
    monkeypatch.setattr(container, part, Broken())
    for name in ("examine", "purge"):
        monkeypatch.setattr(JobSweep, name, lambda *_, name=name: did.append(name))
    with pytest.raises(ValueError, match="canary"):  # so that the alarm sees it
        sweeper.handler({}, Context())
    assert did == ["examine", "purge"]
    assert len(lines(printed(), "crashed")) == 1


def test_a_sweep_writes_metrics_only_if_it_handled_a_job(handlers: JobHandlers, printed: Callable[[], str]) -> None:
    """CloudWatch bills a custom metric for each hour in which it gets a value."""
    assert sweeper.handler({}, Context()) == NOTHING
    assert printed() == ""
    handlers.submit()
    handlers.world.clock.pass_s(3601)
    sweeper.handler({}, Context())
    assert '"Swept":[1.0]' in printed()
