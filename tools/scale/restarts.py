"""R6 at scale: when a dead worker's job is sent again while tens of thousands of other jobs are due.

The worst of all is asked for: every job became due in the same second, and the sweep begins at any second of the
minute. A job counts as restarted when its message is in the queue: from then on, workers limit how soon it runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from statistics import quantiles
from typing import Any, Final, Literal

from ulid import ULID

from imagegen.aws.job_item import to_item
from imagegen.aws.job_store import DynamoJobStore
from imagegen.aws.table import serialized
from imagegen.aws.turns import DynamoTurns
from imagegen.deadline import Deadline
from imagegen.generation.request import GenerateRequest
from imagegen.jobs import states
from imagegen.jobs.backlog import Backlog
from imagegen.jobs.job import Job
from imagegen.jobs.outbox import Outbox
from imagegen.jobs.ports import BATCH, Listed
from imagegen.jobs.recovery import JobRecovery
from imagegen.jobs.sweep import JobSweep, Swept
from imagegen.jobs.timing import JobTiming
from tools.scale.clock import START_MS, VirtualClock
from tools.scale.no_log import NoLog
from tools.scale.table import Costs, SimulatedTable

Kind = Literal["dead", "waiting", "unsent", "expired"]

TIMING: Final = JobTiming()
KEEP_S: Final = 7 * 86_400
TENANTS: Final = 20
TIMEOUT_S: Final = 55.0
"""The sweeper's, in the template."""
START_S: Final = 1.0
"""From the schedule to the first query; a cold start of a zip function takes about a second."""
PHASES: Final = 12
"""Seconds of the minute at which sweeps begin that are tried: every fifth."""


@dataclass
class SimulatedQueue:
    """A JobQueue that remembers when each job's message was sent last."""

    clock: VirtualClock
    costs: Costs = field(default_factory=Costs)
    sent_at: dict[str, float] = field(default_factory=dict)
    messages: Counter[str] = field(default_factory=Counter)
    length: int = 0

    def put(self, tenant: str, job_id: str, delay_s: int = 0) -> None:
        self.put_all([Listed(tenant, job_id)])

    def put_all(self, jobs: Sequence[Listed]) -> list[Listed]:
        if len(jobs) > BATCH:
            raise ValueError("SQS takes ten messages in a call")
        self.clock.spend(self.costs.call_s)
        for job in jobs:
            self.sent_at.setdefault(job.job_id, self.clock.now)
            self.messages[job.job_id] += 1
        return []

    def waiting(self) -> int:
        self.clock.spend(self.costs.call_s)
        return self.length

    def postpone(self, receipt: str, seconds: int) -> None: ...

    def dead_letter(self, body: str, reason: str) -> None: ...


class NoWebhooks:
    """A WebhookQueue: the simulated jobs have none."""

    def put(self, job: Job) -> None: ...


class NoCheckpoints:
    """Stands for JobCheckpoints: no job is given up."""

    def discard(self, job: Job) -> None: ...


@dataclass(frozen=True)
class Restarted:
    """How soon the dead workers' jobs were sent again, over all phases, and what it took."""

    dead: int
    others: int
    p50_s: float
    p99_s: float
    longest_s: float
    messages_a_job: float
    """Of dead workers' jobs: 1 if each was sent once."""
    sweeps: int
    """Until no dead worker's job was due."""
    throttled_s: float
    """The longest that writes to one key waited in a phase, in all."""


def restarts(dead: int, others: int, kind: Kind, seed: int = 1) -> Restarted:
    """Let `dead` workers die at second 0, while `others` jobs of the kind are due at the same time."""
    random = Random(seed)
    jobs = [_job(random, number, "dead") for number in range(dead)]
    written = SimulatedTable(VirtualClock())
    for job in [*jobs, *(_job(random, dead + number, kind) for number in range(others))]:
        written.put(serialized(to_item(replace(job, revision="r"))))
    delays: list[float] = []
    throttled, messages, sweeps = 0.0, 0, 0
    for phase in range(PHASES):
        world = _world(written, [job.job_id for job in jobs], others if kind == "waiting" else 0)
        sweeps = max(sweeps, _sweep_until_sent(world, 60.0 * phase / PHASES))
        delays += [world.queue.sent_at[job_id] for job_id in world.dead]
        messages += sum(world.queue.messages[job_id] for job_id in world.dead)
        throttled = max(throttled, world.table.throttled_s)
    cuts = quantiles(delays, n=100, method="inclusive")
    return Restarted(
        dead, others, round(cuts[49], 1), round(cuts[98], 1), round(max(delays), 1),
        round(messages / PHASES / dead, 2), sweeps, round(throttled, 1),
    )  # fmt: skip


@dataclass
class _World:
    clock: VirtualClock
    table: SimulatedTable
    queue: SimulatedQueue
    sweep: JobSweep
    dead: list[str]


def _sweep_until_sent(world: _World, phase_s: float) -> int:
    """Sweep every minute from the phase on, until every dead worker's job is sent. Returns the number of sweeps."""
    number = 0
    while not all(job_id in world.queue.sent_at for job_id in world.dead):
        began = max(world.clock.now, phase_s + 60.0 * number)
        world.clock.now = began + START_S
        number += 1
        deadline = Deadline(lambda began=began: began + TIMEOUT_S - world.clock.now)  # type: ignore[misc]
        swept, waiting = Swept(), world.sweep.waiting()
        for part, reserve_s in ((world.sweep.restart, 20), (world.sweep.send, 14), (world.sweep.examine, 4)):
            part(deadline.less(reserve_s), swept, waiting)
        world.sweep.purge(deadline, swept)
    return number


def _world(written: SimulatedTable, dead: list[str], waiting: int) -> _World:
    clock = VirtualClock()
    table, queue = written.copied(clock), SimulatedQueue(clock, length=waiting)
    client: Any = table
    store, turns = DynamoJobStore("table", clock, client), DynamoTurns("table", clock, client)
    backlog = Backlog(queue, turns, clock)
    outbox = Outbox(store, queue, backlog, NoWebhooks(), clock, TIMING)
    checkpoints: Any = NoCheckpoints()
    recovery = JobRecovery(store, outbox, checkpoints, clock, TIMING, NoLog())
    return _World(clock, table, queue, JobSweep(store, outbox, backlog, recovery, NoLog(), _raise, threads=1), dead)


def _job(random: Random, number: int, kind: Kind) -> Job:
    """Return a job of one of many tenants. Its worker died at second 0, or the sweeper must handle it from then on."""
    job = states.submitted(
        tenant=f"tenant-{number % TENANTS}",
        job_id=str(ULID(random.randbytes(16))),
        request=GenerateRequest(prompt="x" * 200),
        steps=20,
        now=START_MS - 600_000,
        keep_s=KEEP_S,
        timing=TIMING,
    )
    if kind == "expired":
        cancelled = states.cancelled(job, START_MS, TIMING)
        return replace(cancelled, expires_at=START_MS // 1000 - 1, due_at=START_MS - 1000)
    if kind == "unsent":
        return replace(job, due_at=START_MS)
    job = replace(states.sent(job, START_MS, TIMING, waiting=0), due_at=START_MS)
    if kind == "waiting":
        return job
    # The last renewal was up to five seconds before the death.
    renewed_at = START_MS - round(random.uniform(0, TIMING.renew_s) * 1000)
    return states.claimed(job, "dead", renewed_at, TIMING)


def _raise(error: BaseException) -> None:
    raise error
