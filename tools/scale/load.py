"""How many writes a steady load makes to each partition key of the indexes, and at which load the first one is full."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Any, Final

from ulid import ULID

from imagegen.aws.job_store import DynamoJobStore
from imagegen.generation.request import GenerateRequest
from imagegen.jobs import states
from imagegen.jobs.job import Job, Progress
from imagegen.jobs.timing import JobTiming
from tools.faults.webhook_deliveries import RESULT
from tools.scale.clock import VirtualClock
from tools.scale.table import KEY_WRITES_S, Costs, SimulatedTable

TIMING: Final = JobTiming()
RUN_S: Final = 20
"""A job's run, with a step a second: each writes progress."""
WARM_UP_S: Final = 60
MEASURED_S: Final = 60
TENANTS: Final = 20


@dataclass(frozen=True)
class Load:
    """Write units per second, in the minute after the first."""

    jobs_a_minute: int
    by_key: dict[str, float]
    """The busiest shard of each kind of index by_due, and of index by_turn."""
    table_wcu_s: float
    """Of the table's own rows, which are spread over its partitions: each takes 1,000, too."""
    workers: int
    first_full_key: str
    jobs_a_minute_when_full: int


def load(jobs_a_minute: int, seed: int = 1) -> Load:
    """Submit and run jobs at this rate, by the product's transitions and store."""
    clock = VirtualClock()
    table = SimulatedTable(clock, Costs(call_s=0, page_s=0))
    client: Any = table
    store, random, order = DynamoJobStore("table", clock, client), Random(seed), count()
    events: list[tuple[float, int, Callable[[], None]]] = []

    def at(when: float, action: Callable[[], None]) -> None:
        heapq.heappush(events, (when, next(order), action))

    def submit(number: int) -> None:
        began = clock.now
        job = store.add(_submitted(random, number, clock))
        run = _Run(store.change(job, lambda stored: states.sent(stored, clock(), TIMING, waiting=0)), store, clock)
        at(began + 0.5, run.claim)
        for second in range(1, RUN_S):
            at(began + 0.5 + second, lambda second=second: run.progress(second))  # type: ignore[misc]
        at(began + 0.5 + RUN_S, run.succeed)

    for number in range(jobs_a_minute * (WARM_UP_S + MEASURED_S) // 60):
        at(60 * number / jobs_a_minute, lambda number=number: submit(number))  # type: ignore[misc]
    at(WARM_UP_S, table.writes.clear)
    while events and events[0][0] < WARM_UP_S + MEASURED_S:
        clock.now, _, action = heapq.heappop(events)
        action()
    return _load(jobs_a_minute, table)


@dataclass
class _Run:
    job: Job
    store: DynamoJobStore
    clock: VirtualClock

    def claim(self) -> None:
        self.job = self.store.change(self.job, lambda stored: states.claimed(stored, "me", self.clock(), TIMING))

    def progress(self, step: int) -> None:
        def renewed(stored: Job) -> Job:
            now, done = self.clock(), Progress(step, RUN_S)
            return states.renewed(stored, "me", now, TIMING, phase="step", phase_began=now, progress=done)

        self.job = self.store.change(self.job, renewed)

    def succeed(self) -> None:
        self.store.change(self.job, lambda stored: states.succeeded(stored, "me", self.clock(), TIMING, RESULT))


def _load(jobs_a_minute: int, table: SimulatedTable) -> Load:
    by_key: dict[str, float] = {}
    for key, written in table.writes.items():
        kind = key.partition("#")[0]
        by_key[kind] = max(by_key.get(kind, 0.0), round(written / MEASURED_S, 2))
    table_wcu_s = by_key.pop("table")
    full = max(by_key, key=lambda kind: by_key[kind])
    return Load(
        jobs_a_minute,
        dict(sorted(by_key.items())),
        table_wcu_s,
        round(jobs_a_minute * RUN_S / 60),
        full,
        round(jobs_a_minute * KEY_WRITES_S / by_key[full]),
    )


def _submitted(random: Random, number: int, clock: VirtualClock) -> Job:
    job = states.submitted(
        tenant=f"tenant-{number % TENANTS}",
        job_id=str(ULID(random.randbytes(16))),
        request=GenerateRequest(prompt="x" * 200),
        steps=RUN_S,
        now=clock(),
        keep_s=7 * 86_400,
        timing=TIMING,
    )
    return replace(job, metadata={"order": "17"})
