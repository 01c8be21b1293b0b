"""Every log line of a sweep about a job names the job and the request that created it, whichever thread writes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NoReturn, cast

import boto3
import pytest

from imagegen import job_log, telemetry
from imagegen.entrypoints import sweeper
from imagegen.errors import StorageUnavailable
from imagegen.jobs import states
from imagegen.jobs.ports import DueKind, Listed
from imagegen.jobs.recovery import Waiting
from imagegen.jobs.sweep import JobSweep, Swept
from imagegen.origin import Origin
from imagegen.telemetry import logger
from imagegen.webhooks.message import WebhookMessage
from imagegen.webhooks.retries import WaitingWebhooks
from tests.support.fakes import PLENTY
from tests.support.job_handlers import HOOK, JobHandlers
from tests.support.log_lines import ids, lines, submitted
from tools.faults.webhook_deliveries import NoneHeld, final_job
from tools.lambda_event import Context

Printed = Callable[[], str]


def test_the_sweeper_names_each_job_that_it_sends_or_gives_up(handlers: JobHandlers, printed: Printed) -> None:
    expected = {submitted(handlers, number) for number in range(2)}
    handlers.world.messages()  # taken by workers that die
    handlers.world.clock.pass_s(3601)
    sweeper.handler({}, Context())
    assert {ids(line) for line in lines(printed(), "requeued")} == expected
    handlers.world.clock.pass_s(7 * 86_400 - 2 * 3601)
    sweeper.handler({}, Context())
    assert {ids(line) for line in lines(printed(), "given up")} == expected
    assert {ids(line) for line in lines(printed(), "swept")} == {(None, None, None)}


@pytest.mark.parametrize("is_claimed", [False, True])
def test_the_sweeper_names_each_job_whose_worker_died(
    handlers: JobHandlers, printed: Printed, monkeypatch: pytest.MonkeyPatch, is_claimed: bool
) -> None:
    """Its message is sent before its row is read, so another worker may have claimed it by then."""
    world = handlers.world
    expected = {submitted(handlers, number) for number in range(2)}
    jobs = [world.store.get(item["tenant"], item["job_id"]) for item in world.items("JOB#")]
    claim = {
        owner: lambda seen, owner=owner: states.claimed(seen, owner, world.clock(), world.timing)
        for owner in ("dead", "alive")
    }
    for job in jobs:
        assert job is not None
        world.store.change(job, claim["dead"])
    world.clock.pass_s(world.timing.lease_s)
    put_all = world.queue.put_all

    def put_and_claim(sent: Sequence[Listed]) -> list[Listed]:
        for each in sent if is_claimed else []:
            stored = world.store.get(*each)
            assert stored is not None
            world.store.change(stored, claim["alive"])
        return put_all(sent)

    monkeypatch.setattr(world.queue, "put_all", put_and_claim)
    assert sweeper.handler({}, Context())["swept"] == len(expected)
    requeued = lines(printed(), "requeued")
    assert {ids(line) for line in requeued} == expected
    assert len(requeued) == len(expected)


def test_threads_of_a_sweep_do_not_mix_their_jobs(printed: Printed) -> None:
    """Each of the four rows at once waits for the others before its lines are written; one of two crashes."""
    together = threading.Barrier(4, timeout=60)

    class Shards:
        def due_shards(self, kind: DueKind) -> Sequence[str]:
            return [str(number) for number in range(together.parties)]

        def due(self, shard: str, limit: int) -> list[Listed]:
            return [Listed("alice", f"{shard}-{number}") for number in range(3)]

        def delete_expired(self, tenant: str, job_id: str) -> NoReturn:
            together.wait()
            raise ValueError("canary")

    class Recovery:
        def recover(self, tenant: str, job_id: str, waiting: Waiting, *, sent: bool = False) -> bool:
            together.wait()
            job_log.about(job_id, Origin(f"request of {job_id}", f"trace of {job_id}"))
            together.wait()
            logger.info("recovered")
            if job_id.startswith(("0", "1")):
                raise ValueError("canary")
            return False

    store: Any = Shards()
    unused: Any = None
    recovery: Any = Recovery()
    sweep = JobSweep(store, unused, unused, recovery, job_log, telemetry.crashed)
    found = Swept()
    sweep.send(PLENTY, found, lambda: 0)
    listed = [f"{shard}-{number}" for shard in range(4) for number in range(3)]
    recovered, crashed = lines(printed(), "recovered"), lines(printed(), "crashed")
    assert sorted(map(ids, recovered)) == [(each, f"request of {each}", f"trace of {each}") for each in listed]
    assert sorted(map(ids, crashed)) == [(each, f"request of {each}", f"trace of {each}") for each in listed[:6]]
    sweep.purge(PLENTY, found)
    deleted = lines(printed(), "crashed")[len(crashed) :]
    assert sorted(line["job_id"] for line in deleted) == listed
    assert {ids(line)[1:] for line in deleted} == {(None, None)}
    assert (found.jobs, found.failures) == (2 * len(listed), [])


def test_a_row_that_cannot_be_read_is_named_by_its_id_alone(handlers: JobHandlers, printed: Printed) -> None:
    object.__setattr__(handlers.world.container.job_sweep, "on_crash", telemetry.crashed)
    job_id, *_ = submitted(handlers, 1)
    (item,) = handlers.world.items("JOB#")
    boto3.resource("dynamodb").Table(handlers.world.resources["Table"]).update_item(
        Key={"pk": item["pk"], "sk": "JOB"},
        UpdateExpression="SET created_at = :newer",
        ExpressionAttributeValues={":newer": "canary"},
    )
    handlers.world.clock.pass_s(3601)
    sweeper.handler({}, Context())
    assert [ids(line) for line in lines(printed(), "crashed")] == [(job_id, None, None)]


def test_the_sweeper_names_the_job_of_each_webhook_that_it_sends(handlers: JobHandlers, printed: Printed) -> None:
    expected = [submitted(handlers, number, HOOK) for number in range(2)]
    handlers.run_queued_jobs()
    container = handlers.world.container
    container.waiting_webhooks = replace(container.waiting_webhooks, threads=1)  # moto is not thread-safe
    for text in handlers.world.webhooks.bodies:
        container.waiting_webhooks.postpone(WebhookMessage.parse(text), 1800)
    handlers.world.clock.pass_s(1800)
    assert sweeper.handler({}, Context())["webhooks"] == len(expected)
    assert sorted(map(ids, lines(printed(), "webhook sent"))) == sorted(expected)
    logger.info("after")
    assert ids(lines(printed(), "after")[0]) == (None, None, None)


def test_a_webhook_that_crashes_the_sweep_is_named_and_keeps_no_other_one(
    handlers: JobHandlers, printed: Printed
) -> None:
    world, container = handlers.world, handlers.world.container
    broken, whole = submitted(handlers, 1, HOOK), submitted(handlers, 2, HOOK)
    handlers.run_queued_jobs()
    container.waiting_webhooks = replace(container.waiting_webhooks, threads=1, on_crash=telemetry.crashed)
    for text in world.webhooks.bodies:
        container.waiting_webhooks.postpone(WebhookMessage.parse(text), 1800)
    (row,) = [item for item in world.items("WEBHOOK#") if broken[0] in item["pk"]]
    boto3.resource("dynamodb").Table(world.resources["Table"]).update_item(
        Key={"pk": row["pk"], "sk": row["sk"]}, UpdateExpression="REMOVE body"
    )
    world.clock.pass_s(1800)
    assert sweeper.handler({}, Context())["webhooks"] == 1
    printed_lines = printed()
    assert [ids(line) for line in lines(printed_lines, "webhook sent")] == [whole]
    assert [ids(line) for line in lines(printed_lines, "crashed")] == [(broken[0], None, None)]


def test_threads_that_send_webhooks_do_not_mix_their_jobs(printed: Printed) -> None:
    together = threading.Barrier(3, timeout=60)

    class Queue:
        def send(self, message: WebhookMessage, delay_s: int) -> None:
            together.wait()

    class Held(NoneHeld):
        def due(self, limit: int) -> list[Listed]:
            return [Listed("alice", f"{number:026d}") for number in range(2 * together.parties)]

        def get(self, tenant: str, job_id: str) -> tuple[str, int]:
            job = replace(final_job(job_id), origin=Origin(f"request of {job_id}", f"trace of {job_id}"))
            return WebhookMessage.of(job).body(), 0

    queue: Any = Queue()
    waiting = WaitingWebhooks(queue, Held(), lambda: 1, job_log, telemetry.crashed, threads=together.parties)
    resent = waiting.send_due(PLENTY)
    jobs = [f"{number:026d}" for number in range(resent.count)]
    assert len(jobs) == 2 * together.parties
    assert sorted(map(ids, lines(printed(), "webhook sent"))) == [
        (each, f"request of {each}", f"trace of {each}") for each in jobs
    ]


def test_a_sweep_says_once_that_webhooks_cannot_be_sent() -> None:
    class Queue:
        def send(self, message: WebhookMessage, delay_s: int) -> None:
            raise StorageUnavailable(private="SQS: ClientError AccessDenied")

    class Held(NoneHeld):
        def due(self, limit: int) -> list[Listed]:
            return [Listed("alice", f"{number:026d}") for number in range(3)]

        def get(self, tenant: str, job_id: str) -> tuple[str, int]:
            return WebhookMessage.of(final_job(job_id)).body(), 0

    queue: Any = Queue()
    resent = WaitingWebhooks(queue, Held(), lambda: 1, job_log, telemetry.crashed, threads=1).send_due(PLENTY)
    assert (resent.count, [each.private for each in resent.failures]) == (0, ["SQS: ClientError AccessDenied"])


def test_a_shard_that_cannot_be_read_names_none_of_the_jobs_before_it(printed: Printed) -> None:
    class Shards:
        def due_shards(self, kind: DueKind) -> Sequence[str]:
            return ["whole", "broken"]

        def due(self, shard: str, limit: int) -> list[Listed]:
            if shard == "broken":
                raise ValueError("canary")
            return [Listed("alice", "job")]

        def delete_expired(self, tenant: str, job_id: str) -> None:
            logger.info("deleted")

    store, nothing = cast(Any, Shards()), cast(Any, None)
    JobSweep(store, nothing, nothing, nothing, job_log, telemetry.crashed, threads=1).purge(PLENTY, Swept())
    assert [ids(line) for line in lines(printed(), "deleted", "crashed")] == [("job", None, None), (None, None, None)]
