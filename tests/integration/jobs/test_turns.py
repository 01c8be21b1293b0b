"""Tenants take turns, with the table's own index."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import boto3

from imagegen.aws.turns import DynamoTurns
from imagegen.jobs.job import Job
from tests.support.fakes import PLENTY
from tests.support.job_world import JobWorld


def run(world: JobWorld, message_of: Job) -> str | None:
    """Run the job that a worker runs with the message of a job; return its tenant."""
    ran = world.runner.run(message_of.tenant, message_of.job_id, PLENTY)
    return ran.tenant if ran else None


def crash(step: int) -> None:
    raise ValueError("it crashes")


def test_a_first_job_starts_next_although_its_message_is_last(world: JobWorld) -> None:
    jobs = [world.submit(tenant="alice") for _ in range(5)]
    assert run(world, jobs[0]) == "alice"
    first = world.submit(tenant="bob")
    assert [run(world, job) for job in [*jobs[1:], first]] == ["bob", "alice", "alice", "alice", "alice"]
    assert {world.get(job).state for job in [*jobs, first]} == {"succeeded"}
    assert world.container.turn_store.waiting(100) == []


def test_a_job_is_listed_only_while_it_waits(world: JobWorld) -> None:
    turns = world.container.turn_store
    job = world.submit(tenant="bob")
    assert turns.waiting(100) == [("bob", job.job_id)]
    seen = []
    world.engine.during = lambda step: seen.append(turns.waiting(100))
    world.run(job)
    assert seen == [[]] * 4
    world.engine.during = crash
    crashed = world.submit(tenant="bob", seed=2)
    assert world.run(crashed).state == "queued"
    assert turns.waiting(100) == [("bob", crashed.job_id)]
    world.jobs.cancel("bob", crashed.job_id)
    assert turns.waiting(100) == []


def test_a_row_of_an_earlier_version_waits_for_its_own_message(world: JobWorld) -> None:
    old = world.submit(tenant="alice")
    table = boto3.resource("dynamodb").Table(world.resources["Table"])
    key = {"pk": f"JOB#alice#{old.job_id}", "sk": "JOB"}
    table.update_item(Key=key, UpdateExpression="REMOVE turn_shard")
    new = world.submit(tenant="bob")
    assert [run(world, old), run(world, new)] == ["alice", "bob"]


def test_tenants_are_listed_in_order_and_from_any_of_them(world: JobWorld) -> None:
    names = ["a", "ab", "abc", "b"]
    submitted = {name: [world.submit(tenant=name).job_id for _ in range(2)] for name in names}
    turns = world.container.turn_store
    assert turns.waiting(100) == [(name, job_id) for name in names for job_id in submitted[name]]
    assert turns.waiting(1) == [("a", submitted["a"][0])]
    assert [each.tenant for each in turns.waiting(100, after="a")] == ["ab", "ab", "abc", "abc", "b", "b"]
    assert turns.waiting(100, after="b") == []


def test_one_process_takes_each_turn(world: JobWorld) -> None:
    turns = world.container.turn_store
    assert isinstance(turns, DynamoTurns)
    assert turns.last() == ""
    assert turns.take("", "alice")
    assert not turns.take("", "bob")
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda name: turns.take("alice", name), "cdefghij"))
    assert taken.count(True) == 1
    assert turns.last() == "cdefghij"[taken.index(True)]


def test_no_job_runs_twice_with_copies_of_messages(world: JobWorld) -> None:
    jobs = [world.submit(tenant=name, seed=number) for number, name in enumerate(["alice", "alice", "bob", "carol"])]
    ran = [run(world, job) for job in jobs for _ in range(2)]
    assert ran == ["alice", None, "bob", "carol", "alice", None, None, None]
    assert len(world.items("BILL#")) == 4
