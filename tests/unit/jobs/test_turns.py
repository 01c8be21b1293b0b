"""The order in which workers run the jobs of many tenants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from imagegen.errors import JobNotFound
from imagegen.jobs import states
from imagegen.jobs.idempotency import IdempotencyFingerprint
from imagegen.jobs.job import Job, State
from imagegen.jobs.ports import DueKind, Listed, Page
from imagegen.jobs.turns import EXAMINED, Turns
from imagegen.limits.quota import NO_QUOTA, Quota, Reservation
from tests.support.fake_turns import MemoryTurns
from tests.support.job_faults import UnavailableTurns, unavailable
from tests.support.job_states import NOW, TIMING, new


@dataclass
class Store:
    """The part of a JobStore that turns need."""

    jobs: dict[Listed, Job] = field(default_factory=dict)

    def get(self, tenant: str, job_id: str) -> Job | None:
        return self.jobs.get(Listed(tenant, job_id))

    def change(self, job: Job, transition: Callable[[Job], Job]) -> Job:
        if self.get(job.tenant, job.job_id) is None:
            raise JobNotFound
        self.jobs[Listed(job.tenant, job.job_id)] = changed = transition(job)
        return changed

    def add(  # type: ignore[empty-body]
        self,
        job: Job,
        fingerprint: IdempotencyFingerprint | None = None,
        *,
        quota: Quota = NO_QUOTA,
        held: Reservation | None = None,
    ) -> Job: ...

    def remove(self, job: Job) -> None: ...

    def page(self, tenant: str, *, limit: int, after: str | None, state: State | None) -> Page: ...  # type: ignore[empty-body]

    def due_shards(self, kind: DueKind) -> Sequence[str]: ...  # type: ignore[empty-body]

    def due(self, shard: str, limit: int) -> list[Listed]: ...  # type: ignore[empty-body]

    def delete_expired(self, tenant: str, job_id: str) -> None: ...


class Queue:
    """Jobs that wait, their messages in the order of submission, and workers that claim the first candidate."""

    def __init__(self) -> None:
        self.store, self.listed = Store(), MemoryTurns()
        self.turns = Turns(self.store, self.listed)
        self.messages: list[Listed] = []

    def submit(self, tenant: str, count: int = 1, delay_s: int = 0) -> None:
        for _ in range(count):
            name = Listed(tenant, f"{len(self.store.jobs):026d}")
            job = replace(new(), tenant=tenant, job_id=name.job_id)
            self.store.jobs[name] = states.sent(job, NOW, TIMING, delay_s=delay_s)
            self.messages.append(name)
            if not delay_s and self.listed.jobs is not None:
                self.listed.jobs.append(name)

    def run(self, message: Listed) -> str:
        """Claim a job as a worker does that has received the message. Returns its tenant, or "" for none."""
        for job in self.turns.candidates(self.store.get(*message)):
            if job.state == "queued":
                traded = job.job_id != message.job_id
                self.store.change(job, partial(states.claimed, owner="me", now=NOW, timing=TIMING, traded=traded))
                if self.listed.jobs and (name := Listed(job.tenant, job.job_id)) in self.listed.jobs:
                    self.listed.jobs.remove(name)
                return job.tenant
        return ""

    def drain(self) -> list[str]:
        ran = [self.run(message) for message in self.messages]
        self.messages.clear()
        return ran


def test_a_tenants_first_job_is_next_however_many_messages_are_ahead() -> None:
    queue = Queue()
    queue.submit("alice", 1000)
    for _ in range(3):
        queue.run(queue.messages.pop(0))
    queue.submit("bob")
    assert queue.drain()[:2] == ["bob", "alice"]
    assert all(job.state == "running" for job in queue.store.jobs.values())


def test_tenants_take_turns_and_every_message_runs_one_job() -> None:
    queue = Queue()
    queue.submit("alice", 5)
    queue.submit("bob", 2)
    queue.submit("carol", 3)
    ran = queue.drain()
    assert ran == [*("alice", "bob", "carol") * 2, "alice", "carol", "alice", "alice"]


def test_six_tenants_with_long_queues_do_not_delay_a_seventh_by_more_than_a_turn_each() -> None:
    queue = Queue()
    for name in "abcdef":
        queue.submit(name, 100)
    for _ in range(8):
        queue.run(queue.messages.pop(0))
    queue.submit("g")
    assert "g" in queue.drain()[:6]


def test_workers_do_not_compete_for_the_first_job_of_their_messages_tenant() -> None:
    queue = Queue()
    queue.submit("alice", 3)
    message = queue.messages[2]
    assert next(queue.turns.candidates(queue.store.get(*message))).job_id == message.job_id


def test_a_message_whose_job_another_message_started_stands_for_one_that_waits() -> None:
    queue = Queue()
    queue.submit("alice", 3)
    queue.submit("bob")
    first, second, third, newcomer = queue.messages
    assert [queue.run(first), queue.run(second)] == ["alice", "bob"]
    assert [queue.run(newcomer), queue.run(newcomer)] == ["alice", ""]
    assert queue.run(third) == "alice"


def test_a_copy_of_a_message_whose_job_runs_starts_no_other() -> None:
    queue = Queue()
    queue.submit("alice", 2)
    first, second = queue.messages
    assert [queue.run(first), queue.run(first), queue.run(second)] == ["alice", "", "alice"]


def test_a_message_of_a_deleted_job_may_stand_for_one_that_waits() -> None:
    queue = Queue()
    queue.submit("alice")
    assert queue.run(Listed("bob", "deleted")) == "alice"


def test_a_delayed_job_waits_for_its_own_message() -> None:
    queue = Queue()
    queue.submit("alice", delay_s=60)
    queue.submit("bob")
    (delayed, message) = queue.messages
    assert [queue.run(message), queue.run(message), queue.run(delayed)] == ["bob", "", "alice"]


def test_the_order_is_that_of_the_messages_while_the_table_does_not_respond() -> None:
    queue = Queue()
    queue.submit("alice", 2)
    queue.submit("bob")
    queue.turns = Turns(queue.store, UnavailableTurns())
    assert queue.drain() == ["alice", "alice", "bob"]


def test_a_job_that_cannot_be_read_delays_no_other() -> None:
    queue = Queue()
    queue.submit("alice")
    queue.submit("bob")
    real, damaged = queue.store.get, queue.messages[0]
    queue.store.get = lambda *name: unavailable() if name == damaged else real(*name)  # type: ignore[method-assign]
    assert queue.run(queue.messages[1]) == "bob"


def test_a_job_that_an_earlier_version_left_on_the_list_is_taken_off() -> None:
    """0.1.0 does not know the list: what it ends stays there."""
    queue = Queue()
    queue.submit("alice")
    queue.submit("bob")
    left, message = queue.messages
    queue.store.jobs[left] = replace(queue.store.jobs[left], state="succeeded")
    assert queue.run(message) == "bob"
    assert not queue.store.jobs[left].listed


def test_many_competitors_cost_a_limited_number_of_reads() -> None:
    queue = Queue()
    queue.submit("alice", 5 * EXAMINED)
    queue.submit("bob")
    assert len(list(queue.turns.candidates(queue.store.get(*queue.messages[-1])))) <= 2 * EXAMINED + 1


def test_another_worker_that_takes_its_turn_first_gets_another_tenant() -> None:
    queue = Queue()
    for name in ("alice", "bob", "carol"):
        queue.submit(name)
    real, competitors = queue.listed.take, ["alice"]

    def take(last: str, tenant: str) -> bool:
        if competitors:
            queue.listed.turn = competitors.pop()
        return real(last, tenant)

    queue.listed.take = take  # type: ignore[method-assign]
    assert queue.run(queue.messages[0]) == "bob"
