"""The simulated table behaves as moto's with the product's own store: the same rows, and the same ones due."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, cast, get_args

import pytest
from ulid import ULID

from imagegen.aws.job_store import DynamoJobStore
from imagegen.aws.turns import DynamoTurns
from imagegen.generation.request import GenerateRequest
from imagegen.jobs import states
from imagegen.jobs.job import Job
from imagegen.jobs.ports import Clock, DueKind, JobStore
from imagegen.jobs.timing import JobTiming
from tests.support.job_states import ERROR
from tools.faults.webhook_deliveries import RESULT
from tools.scale.clock import VirtualClock
from tools.scale.table import SimulatedTable

TIMING = JobTiming()
LATER_S = 8 * 86_400


def lives(store: JobStore, clock: Clock, spend: Any) -> list[Job]:
    """Write jobs that end in every state, and return what the store says of them at the end."""
    random, jobs = Random(1), []
    for _ in range(7):
        job = states.submitted(
            tenant="alice", job_id=str(ULID(random.randbytes(16))), request=GenerateRequest(prompt="a circle"),
            steps=4, now=clock(), keep_s=86_400, timing=TIMING,
        )  # fmt: skip
        jobs.append(store.add(job))
    unsent, sent, running, succeeded, failed, restarted, deleted = jobs

    def change(job: Job, transition: Callable[[Job], Job]) -> None:
        stored = store.get("alice", job.job_id)
        assert stored is not None
        store.change(stored, transition)

    for job in (sent, running, succeeded, failed, restarted, deleted):
        change(job, lambda seen: states.sent(seen, clock(), TIMING, waiting=0))
    for job in (running, succeeded, failed, restarted):
        change(job, lambda seen: states.claimed(seen, "me", clock(), TIMING))
    change(succeeded, lambda seen: states.succeeded(seen, "me", clock(), TIMING, RESULT))
    change(failed, lambda seen: states.failed(seen, clock(), TIMING, ERROR, owner="me"))
    change(deleted, lambda seen: states.cancelled(seen, clock(), TIMING))
    spend(20)
    change(restarted, lambda seen: states.recovered(seen, clock(), TIMING, ERROR, waiting=0))
    return [unsent, sent, running, succeeded, failed, restarted, deleted]


def seen(store: JobStore, jobs: list[Job]) -> list[Any]:
    found = [store.get("alice", job.job_id) for job in jobs]
    return [job and (job.state, job.due_at, job.sent, job.listed, job.attempt) for job in found]


def due(store: JobStore) -> dict[str, list[Any]]:
    return {shard: store.due(shard, 10) for kind in get_args(DueKind) for shard in store.due_shards(kind)}


def test_the_simulated_table_agrees_with_moto(resources: dict[str, str]) -> None:
    answers = []
    for client in (None, SimulatedTable(VirtualClock())):
        clock, given, name = VirtualClock(), cast(Any, client), resources["Table"]
        store, turns = DynamoJobStore(name, clock, given), DynamoTurns(name, clock, given)
        jobs = lives(store, clock, clock.spend)
        found: list[Any] = [seen(store, jobs), due(store), turns.waiting(10), turns.waiting(10, after="alice")]
        clock.spend(LATER_S)
        found.append(due(store))
        for job in jobs:
            store.delete_expired("alice", job.job_id)
        found += [seen(store, jobs), due(store)]
        answers.append(found)
    moto, simulated = answers
    assert simulated == moto
    assert any(moto[1].values())
    assert not any(moto[-1].values())


def test_an_unchanged_row_and_a_changed_one_cost_what_dynamodb_charges() -> None:
    """An index is written only if its key changes: once if it is new or gone, twice if it changes."""
    clock = VirtualClock()
    table = SimulatedTable(clock)
    store = DynamoJobStore("table", clock, cast(Any, table))
    job = states.submitted(
        tenant="alice", job_id=str(ULID(Random(2).randbytes(16))), request=GenerateRequest(prompt="a circle"),
        steps=4, now=clock(), keep_s=86_400, timing=TIMING,
    )  # fmt: skip
    job = store.add(job)
    assert sum(count for key, count in table.writes.items() if key != "table") == 1
    store.change(job, lambda stored: states.sent(stored, clock(), TIMING, waiting=0))
    assert sum(count for key, count in table.writes.items() if key.startswith(("open", "sent"))) == 3
    assert table.writes["waiting"] == 1
    assert pytest.approx(0.006) == clock.now
