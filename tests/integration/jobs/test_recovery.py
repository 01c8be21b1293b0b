"""The sweeper and dead letters, against the table, queue, and bucket of the template."""

from __future__ import annotations

from contextlib import suppress

import boto3
import pytest

from imagegen.errors import JobAlreadyFinal, ModelUnavailable, StorageUnavailable
from imagegen.jobs import states
from imagegen.jobs.job import UnreadableJob
from imagegen.retry import PAUSES_S
from tests.support.fakes import PLENTY
from tests.support.job_faults import UnavailableQueue, fail_calls
from tests.support.job_requests import was_cached
from tests.support.job_world import HOOK, JobWorld


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("operation", "nth"), [("update_item", 1), ("transact_write_items", 1)])
def test_a_lost_write_loses_no_job_and_bills_once(world: JobWorld, operation: str, nth: int, after: bool) -> None:
    """The claim or the terminal write is lost, or only its response."""
    job = world.submit()
    fail_calls(world, operation, nth, times=1 + len(PAUSES_S), after=after)
    with suppress(StorageUnavailable):
        world.run(job)
    for _ in range(5):
        world.clock.pass_s(30)
        world.sweep.all(PLENTY)
        if not world.get(job).final:
            world.run(job)
    assert world.get(job).state == "succeeded"
    assert len(world.items("BILL#")) == 1
    assert world.engine.generations == 1


def test_a_run_after_an_aws_failure_reuses_the_stored_images(world: JobWorld) -> None:
    job = world.submit(seed=7, cache="refresh")
    fail_calls(world, "transact_write_items", times=1 + len(PAUSES_S))
    with suppress(StorageUnavailable):
        world.run(job)
    world.clock.pass_s(30)
    world.sweep.all(PLENTY)
    assert was_cached(world, world.run(job)) is True
    assert world.engine.generations == 1


def test_the_sweeper_sends_messages_that_were_not_sent(world: JobWorld) -> None:
    outbox = world.container.outbox
    real, outbox._queue = outbox._queue, UnavailableQueue()
    job = world.submit()
    outbox._queue = real
    assert not job.sent
    assert world.sweep.all(PLENTY).jobs == 0
    world.clock.pass_s(world.timing.unsent_s)
    assert world.sweep.all(PLENTY).jobs == 1
    assert world.get(job).sent
    assert len(world.messages()) == 1
    assert world.sweep.all(PLENTY).jobs == 0


def test_the_sweeper_requeues_the_jobs_of_dead_workers_until_the_last_attempt(world: JobWorld) -> None:
    job = world.submit(webhook=HOOK)
    for attempt in range(1, world.timing.max_attempts + 1):
        world.store.change(world.get(job), lambda seen: states.claimed(seen, "dead", world.clock(), world.timing))
        world.clock.pass_s(world.timing.lease_s - 1)
        assert world.sweep.all(PLENTY).jobs == 0
        world.clock.pass_s(1)
        swept = world.sweep.all(PLENTY)
        assert swept.jobs == 1
        assert world.get(job).attempt == attempt
    given_up = world.get(job)
    assert swept.given_up == [job.job_id]
    assert (given_up.state, given_up.done) == ("failed", True)
    assert [each[3] for each in world.webhooks.queued] == ["job.failed"]


@pytest.mark.parametrize("kills", [0, 1, 2])
def test_a_message_that_a_dying_process_took_is_sent_again_within_a_lease_and_a_sweep(
    world: JobWorld, kills: int
) -> None:
    """SQS hides such a message for 960 s. The first message and those of restarts are alike."""
    job = world.submit()
    for _ in range(kills):
        world.store.change(world.get(job), lambda seen: states.claimed(seen, "dead", world.clock(), world.timing))
        world.clock.pass_s(world.timing.lease_s)
        world.sweep.all(PLENTY)
    for _ in range(3):
        world.messages()  # taken by a process that dies before it claims the job
        world.clock.pass_s(world.timing.lease_s - 1)
        assert world.sweep.all(PLENTY).jobs == 0
        world.clock.pass_s(1)
        assert world.sweep.all(PLENTY).jobs == 1
    assert len(world.messages()) == 1
    assert world.run(job).state == "succeeded"


def test_a_job_whose_message_is_lost_does_not_wait_for_the_messages_of_the_same_sweep(world: JobWorld) -> None:
    """A process died before it claimed its job, another one during a run. No worker takes what the sweep sends."""
    unclaimed, running = world.submit(), world.submit()
    world.messages()
    world.store.change(running, lambda seen: states.claimed(seen, "dead", world.clock(), world.timing))
    world.clock.pass_s(world.timing.lease_s)
    assert world.sweep.all(PLENTY).jobs == 2
    assert {message["Body"]["job_id"] for message in world.messages()} == {unclaimed.job_id, running.job_id}


def test_jobs_that_wait_for_a_busy_queue_are_not_sent_again(world: JobWorld) -> None:
    for _ in range(3):
        world.submit()
    for _ in range(60):
        world.clock.pass_s(60)
        world.sweep.all(PLENTY)
    assert len(world.messages()) == 3


def test_a_restart_that_nobody_claims_is_sent_again_ever_more_rarely(world: JobWorld) -> None:
    job = world.submit()
    world.store.change(job, lambda seen: states.claimed(seen, "dead", world.clock(), world.timing))
    sent = []
    for minute in range(24 * 60):
        world.clock.pass_s(60)
        world.sweep.all(PLENTY)
        sent += [minute] * len(world.messages())
    assert sent[1] - sent[0] <= 2  # minutes; the first message is that of the submission
    assert len([minute for minute in sent if minute < 60]) <= 12
    assert len(sent) <= 12 + 24


def test_a_run_after_an_aws_failure_keeps_its_delay(world: JobWorld) -> None:
    """The sweeper must not send the job before its delayed message is visible."""
    job = world.submit()
    claimed = world.store.change(job, lambda seen: states.claimed(seen, "me", world.clock(), world.timing))
    queued = world.store.change(
        claimed, lambda seen: states.requeued(seen, "me", world.clock(), world.timing, "aws_failure")
    )
    world.messages()
    world.container.outbox.send(queued, delay_s=900)
    world.clock.pass_s(899)
    assert world.sweep.all(PLENTY).jobs == 0


def test_a_job_may_wait_in_the_queue_until_its_images_would_expire(world: JobWorld) -> None:
    job = world.submit(webhook=HOOK)
    for _ in range(7 * 24 - 3):
        world.clock.pass_s(world.timing.resend_s)
        assert world.sweep.all(PLENTY).given_up == []
    assert world.get(job).state == "queued"
    assert 7 * 24 - 14 < len(world.messages()) < 7 * 24 - 2
    world.clock.pass_s(world.timing.resend_s)
    assert world.sweep.all(PLENTY).given_up == [job.job_id]
    assert [each[3] for each in world.webhooks.queued] == ["job.failed"]


def test_an_unreadable_row_does_not_stop_the_sweep(world: JobWorld) -> None:
    broken, job = world.submit(), world.submit()
    table = boto3.resource("dynamodb").Table(world.resources["Table"])
    table.update_item(
        Key={"pk": f"JOB#alice#{broken.job_id}", "sk": "JOB"},
        UpdateExpression="SET metadata = :broken",
        ExpressionAttributeValues={":broken": "canary"},
    )
    world.messages()
    world.clock.pass_s(world.timing.resend_s)
    assert world.sweep.all(PLENTY).jobs == 2
    assert [message["Body"]["job_id"] for message in world.messages()] == [job.job_id]
    assert [type(error).__name__ for error in world.crashes] == ["UnreadableJob"]


def test_the_sweeper_queues_webhooks_that_could_not_be_queued(world: JobWorld) -> None:
    world.webhooks.failing = StorageUnavailable("unavailable")
    job = world.run(world.submit(webhook=HOOK))
    assert job.webhook_due
    world.webhooks.failing = None
    world.clock.pass_s(world.timing.unsent_s)
    world.sweep.all(PLENTY)
    assert (len(world.webhooks.queued), world.get(job).webhook_due) == (1, False)
    assert world.sweep.all(PLENTY).jobs == 0


def test_the_sweeper_deletes_only_expired_jobs(world: JobWorld) -> None:
    expiring = world.run(world.submit())
    world.clock.now = 1000 * expiring.expires_at - 1
    kept = world.run(world.submit())
    assert world.sweep.all(PLENTY).jobs == 0
    world.clock.pass_s(world.timing.unsent_s)
    unsent = world.submit()
    world.clock.pass_s(world.timing.resend_s)
    assert world.sweep.all(PLENTY).jobs == 2
    assert {item["job_id"] for item in world.items("JOB#")} == {kept.job_id, unsent.job_id}
    assert world.get(kept) == kept
    assert len(world.items("BILL#")) == 2


def test_a_dead_letter_fails_its_job_once(world: JobWorld) -> None:
    job = world.submit(webhook=HOOK)
    for _ in range(2):
        world.recovery.fail_dead_letter("alice", job.job_id)
    assert world.get(job).state == "failed"
    assert len(world.webhooks.queued) == 1
    done = world.run(world.submit())
    world.recovery.fail_dead_letter("alice", done.job_id)
    assert world.get(done) == done
    world.recovery.fail_dead_letter("alice", "no-such-job")


@pytest.mark.parametrize(("attribute", "state"), [("result", "succeeded"), ("error", "failed")])
def test_a_document_of_a_newer_version_only_prevents_rendering(world: JobWorld, attribute: str, state: str) -> None:
    if state == "failed":
        world.engines.failing = ModelUnavailable("gone")
    job = world.run(world.submit())
    assert job.state == state
    table = boto3.resource("dynamodb").Table(world.resources["Table"])
    table.update_item(
        Key={"pk": f"JOB#alice#{job.job_id}", "sk": "JOB"},
        UpdateExpression="SET #name = :newer",
        ExpressionAttributeNames={"#name": attribute},
        ExpressionAttributeValues={":newer": '{"new": 1}'},
    )
    for render in (world.renderer.render, world.renderer.render_delivered):
        with pytest.raises(UnreadableJob):
            render(world.get(job))
    listed = world.renderer.render_listed(world.get(job))
    assert (listed.id, listed.status, listed.result) == (job.job_id, state, None)
    assert listed.error is not None
    assert (listed.error.code, listed.error.status) == ("internal_error", 500)
    assert "A newer version of the service" in listed.error.detail
    with pytest.raises(JobAlreadyFinal):
        world.jobs.cancel("alice", job.job_id)
    world.sweep.all(PLENTY)
    assert world.crashes == []
    assert world.items("JOB#")[0][attribute] == '{"new": 1}'
    world.jobs.delete("alice", job.job_id)
    assert world.items("JOB#") == []
