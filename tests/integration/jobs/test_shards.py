"""The shards of index by_due: an upgrade of a table that a version without them wrote, and what each part finds."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from imagegen.aws.due_shards import due_shard
from imagegen.deadline import Deadline
from imagegen.errors import StorageUnavailable
from imagegen.jobs import states
from imagegen.jobs.job import Job
from imagegen.jobs.sweep import Swept
from imagegen.limits.lost import release_lost
from tests.conftest import ROOT
from tests.support.fakes import PLENTY
from tests.support.job_faults import UnavailableQueue, fail_calls
from tests.support.job_world import HOOK, JobWorld
from tools.faults.job_backend import MovableClock

WRITTEN = json.loads((ROOT / "tests" / "support" / "data" / "table-before-shards.json").read_text())
"""What the last version without shards had written: a job of each kind, and a request whose process died."""
IDS = WRITTEN["ids"]


def shards(world: JobWorld) -> dict[str, str]:
    """Return the kind in the shard of each job; that of an earlier version is its whole shard."""
    return {item["job_id"]: str(item["due_shard"]).partition("#")[0] for item in world.items("JOB#")}


@pytest.fixture
def upgraded(resources: dict[str, str]) -> JobWorld:
    """This version on the table of an earlier one, at the moment it was written."""
    table = boto3.resource("dynamodb").Table(resources["Table"])
    for item in WRITTEN["items"]:
        table.put_item(Item=item)
    return JobWorld(resources, clock=MovableClock(WRITTEN["now"]))


def dead(world: JobWorld) -> Job:
    """Submit a job whose worker dies after it has claimed it."""
    job = world.submit()
    return world.store.change(job, lambda seen: states.claimed(seen, "dead", world.clock(), world.timing))


def test_an_upgrade_sweeps_every_job_that_the_earlier_version_left_when_it_is_due(upgraded: JobWorld) -> None:
    assert set(shards(upgraded).values()) == {"open", "done"}
    assert upgraded.sweep.all(PLENTY) == Swept()
    upgraded.clock.pass_s(15)
    assert upgraded.sweep.all(PLENTY).jobs == 2, "the message and the webhook that were not sent"
    assert [message["Body"]["job_id"] for message in upgraded.messages()] == [IDS["unsent"]]
    assert [queued[1] for queued in upgraded.webhooks.queued] == [IDS["unnotified"]]
    upgraded.clock.pass_s(5)
    upgraded.sweep.all(PLENTY)
    again = {message["Body"]["job_id"] for message in upgraded.messages()}
    assert again == {IDS["running"], IDS["sent"]}, "a dead worker's job, and one whose message is not in the queue"
    upgraded.clock.pass_s(100)
    assert release_lost(upgraded.container.quotas, PLENTY).count == 1
    assert upgraded.items("RESERVATION#alice#01KB3Z0000000000000000TEST") == []
    for name in ("unsent", "sent", "running"):
        assert upgraded.run(upgraded.jobs.get("alice", IDS[name])).state == "succeeded"
    upgraded.clock.pass_s(8 * 24 * 3600)
    for _ in range(2):
        upgraded.sweep.all(PLENTY)
    assert upgraded.items("JOB#") == [], "all have expired"


def test_an_earlier_versions_row_moves_to_its_shard_with_its_next_write(upgraded: JobWorld) -> None:
    upgraded.run(upgraded.jobs.get("alice", IDS["sent"]))
    row = upgraded.items(f"JOB#alice#{IDS['sent']}")[0]
    assert row["due_shard"] in upgraded.store.due_shards("done")[:-1]


def as_an_earlier_version(world: JobWorld, job: Job, **changed: Any) -> None:
    """Write attributes as a version without shards does, which leaves the row in the shard where it is."""
    boto3.resource("dynamodb").Table(world.resources["Table"]).update_item(
        Key={"pk": f"JOB#{job.tenant}#{job.job_id}", "sk": "JOB"},
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in changed),
        ExpressionAttributeNames={f"#{name}": name for name in changed},
        ExpressionAttributeValues={f":{name}": value for name, value in changed.items()},
    )


def test_a_job_that_a_worker_of_the_earlier_version_claimed_restarts_when_its_lease_expires(world: JobWorld) -> None:
    """Both versions run side by side during a deployment."""
    job = world.submit()
    world.messages()
    until = world.clock() + 20_000
    as_an_earlier_version(world, job, state="running", owner="dead", attempt=1, lease_until=until, due_at=until)
    assert shards(world) == {job.job_id: "sent"}
    world.clock.pass_s(20)
    assert world.sweep.all(PLENTY).jobs == 1
    assert len(world.messages()) == 1
    assert world.run(job).state == "succeeded"


def test_a_dead_job_that_only_a_newer_version_can_read_gets_one_message(world: JobWorld) -> None:
    """Workers hand such a message back ten times: one more each minute would add up."""
    unreadable, readable = dead(world), dead(world)
    world.messages()
    as_an_earlier_version(world, unreadable, state="paused")
    world.clock.pass_s(20)
    for _ in range(3):
        world.sweep.all(PLENTY)
    received = [message["Body"]["job_id"] for message in world.messages()]
    assert sorted(received) == sorted([unreadable.job_id, readable.job_id])
    as_an_earlier_version(world, unreadable, state="running")
    world.sweep.all(PLENTY)
    assert world.run(unreadable).state == "succeeded", "once it can be read"


def test_a_job_that_the_earlier_version_ended_is_deleted_when_it_expires(world: JobWorld) -> None:
    job = world.run(world.submit())
    as_an_earlier_version(world, job, due_shard="done")
    world.clock.now = 1000 * job.expires_at
    assert world.sweep.all(PLENTY).jobs == 1
    assert world.items("JOB#") == []


def test_each_kind_of_job_has_its_shards(world: JobWorld) -> None:
    outbox = world.container.outbox
    real, outbox._queue = outbox._queue, UnavailableQueue()
    unsent = world.submit()
    outbox._queue = real
    world.webhooks.failing = StorageUnavailable("unavailable")
    unnotified = world.run(world.submit(webhook=HOOK))
    sent, running, done = world.submit(), dead(world), world.run(world.submit())
    jobs = [unsent, unnotified, sent, running, done]
    kinds = ["open", "open", "sent", "running", "done"]
    assert shards(world) == {job.job_id: kind for job, kind in zip(jobs, kinds, strict=True)}


def test_messages_of_restarts_are_sent_ten_at_once_before_any_row_is_written(world: JobWorld) -> None:
    jobs = [dead(world) for _ in range(25)]
    world.messages()
    calls: list[str] = []
    for client in (world.store._client, world.queue._client):  # type: ignore[attr-defined]
        client.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
    world.clock.pass_s(20)
    swept = Swept()
    world.sweep.restart(PLENTY, swept, world.sweep.waiting())
    assert (swept.jobs, swept.failures) == (25, [])
    assert "SendMessage" not in calls
    assert calls.count("SendMessageBatch") <= 3 + 3, "four shards, of which each may have a batch that is not full"
    assert calls.count("UpdateItem") == 25
    assert {message["Body"]["job_id"] for message in world.messages()} == {job.job_id for job in jobs}
    assert {world.get(job).state for job in jobs} == {"queued"}
    assert all(world.get(job).listed and world.get(job).sent for job in jobs)
    assert world.sweep.all(PLENTY).jobs == 0


def test_a_worker_may_claim_a_restarted_job_before_its_row_is_written(world: JobWorld) -> None:
    """The message is sent first."""
    job = dead(world)
    world.clock.pass_s(20)
    world.runner.run("alice", job.job_id, PLENTY)
    assert not world.recovery.recover("alice", job.job_id, lambda: 0, sent=True)
    assert world.get(job).state == "succeeded"


def test_a_message_that_its_batch_did_not_send_is_sent_on_its_own(
    world: JobWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [dead(world) for _ in range(4)]
    world.messages()
    world.clock.pass_s(20)
    monkeypatch.setattr(world.queue, "put_all", lambda batch: batch[:1])
    world.sweep.all(PLENTY)
    shards_with_jobs = {due_shard("running", job.job_id) for job in jobs}
    assert len(world.messages()) == len(shards_with_jobs), "the others were not sent at all"
    assert {world.get(job).state for job in jobs} == {"queued"}


def test_a_restart_while_sqs_does_not_respond_waits_for_the_next_sweep(world: JobWorld) -> None:
    job = dead(world)
    world.messages()
    world.clock.pass_s(20)
    outbox = world.container.outbox
    real, outbox._queue = outbox._queue, UnavailableQueue()
    world.sweep.all(PLENTY)
    outbox._queue = real
    assert (world.get(job).state, world.get(job).sent) == ("queued", False)
    world.clock.pass_s(60)
    world.sweep.all(PLENTY)
    assert len(world.messages()) == 1


def test_what_a_part_did_is_reported_although_a_shard_or_a_later_part_fails(world: JobWorld) -> None:
    jobs = [dead(world) for _ in range(12)]
    world.clock.pass_s(20)
    real, asked = world.store.due, list[str]()
    broken = due_shard("running", jobs[0].job_id)

    def due(shard: str, limit: int) -> Any:
        asked.append(shard)
        if shard == broken or not shard.startswith("running"):
            raise StorageUnavailable("unavailable")
        return real(shard, limit)

    world.store.due = due  # type: ignore[method-assign]
    swept = world.sweep.all(PLENTY)
    others = [job for job in jobs if due_shard("running", job.job_id) != broken]
    assert [job for job in jobs if world.get(job).state == "queued"] == others
    assert swept.jobs == len(others)
    assert len(asked) == 4 + 5 + 4 + 5
    assert len(swept.failures) == 1 + 5 + 4 + 5


@pytest.mark.parametrize("part", ["restart", "send", "examine", "purge"])
def test_a_sweep_that_is_about_to_end_begins_nothing(world: JobWorld, part: str) -> None:
    dead(world)
    world.clock.pass_s(8 * 24 * 3600)
    swept, run = Swept(), getattr(world.sweep, part)
    run(Deadline(lambda: 2.0), swept, *([] if part == "purge" else [world.sweep.waiting()]))
    assert swept == Swept()


def test_a_write_that_fails_in_one_job_does_not_stop_the_others(world: JobWorld) -> None:
    jobs = [dead(world) for _ in range(3)]
    world.clock.pass_s(20)
    fail_calls(world, "update_item")
    assert world.sweep.all(PLENTY).jobs == 3
    assert sorted(world.get(job).state for job in jobs) == ["queued", "queued", "running"]
    assert world.sweep.all(PLENTY).jobs == 1, "it is still due"
