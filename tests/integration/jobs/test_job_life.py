"""R3: state transitions are legal and final states never change, in any order of events (Hypothesis, moto's table).

STATE_RUNS sets the number of runs: 2,000 in `make faults`. Each run has up to 50 steps.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, get_args

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from imagegen import jobs
from imagegen.errors import JobAlreadyFinal, JobNotFinal, JobNotFound
from imagegen.jobs import FINAL, Job, Refused
from tests.integration.conftest import played, translation
from tests.support.fakes import PLENTY
from tests.support.job_world import HOOK, JobWorld

RUNS = int(os.environ.get("STATE_RUNS", "15"))
TRANSLATED = translation()
OWNERS = ["one", "two", "three"]
RARELY = st.sampled_from([False, False, False, False, True])
"""For rules that end the job from outside. If they were frequent, few jobs would live to see a run."""
LEGAL = {
    "queued": {"queued", "running", "cancelled", "failed"},
    "running": {"queued", "running", "succeeded", "failed", "cancelled"},
}
RESULT: dict[str, Any] = {"images": [], "cost": {"billed_ms": 1, "usd": 0.1}}


class JobLife(RuleBasedStateMachine):
    """Callers, workers, the sweeper, and the dead-letter handler, each acting on the job as it last read it."""

    @initialize()
    def submit(self) -> None:
        self.mock = played(TRANSLATED, "AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue")
        self.world = JobWorld(self.mock.__enter__())
        self.job = self.world.submit(webhook=HOOK)
        self.seen: dict[str, Job] = dict.fromkeys(OWNERS, self.job)
        self.last: Job | None = self.job
        self.deleted = False

    def teardown(self) -> None:
        if hasattr(self, "mock"):
            self.mock.__exit__(None, None, None)

    @rule(owner=st.sampled_from(OWNERS))
    def read(self, owner: str) -> None:
        self.seen[owner] = self.world.store.get("alice", self.job.job_id) or self.seen[owner]

    @rule(seconds=st.sampled_from([0.1, 5, 21, 16, 3601]))
    def wait(self, seconds: float) -> None:
        self.world.clock.pass_s(seconds)

    @rule(owner=st.sampled_from(OWNERS))
    def claim(self, owner: str) -> None:
        self._change(owner, lambda job: jobs.claimed(job, owner, self.world.clock(), self.world.limits))

    @rule(owner=st.sampled_from(OWNERS))
    def renew(self, owner: str) -> None:
        now, limits = self.world.clock(), self.world.limits
        self._change(
            owner, lambda job: jobs.renewed(job, owner, now, limits, phase="step", phase_began=now, progress=None)
        )

    @rule(owner=st.sampled_from(OWNERS), cause=st.sampled_from(get_args(jobs.Cause)))
    def requeue(self, owner: str, cause: jobs.Cause) -> None:
        now, limits = self.world.clock(), self.world.limits
        self._change(owner, lambda job: jobs.handed_on(job, owner, now, limits, cause))

    @rule(owner=st.sampled_from(OWNERS))
    def succeed(self, owner: str) -> None:
        now, limits = self.world.clock(), self.world.limits
        self._change(owner, lambda job: jobs.succeeded(job, owner, now, limits, RESULT))

    @rule(owner=st.sampled_from(OWNERS), fires=RARELY)
    def fail(self, owner: str, fires: bool) -> None:
        if not fires:
            return
        now, limits = self.world.clock(), self.world.limits
        self._change(owner, lambda job: jobs.failed(job, now, limits, {"code": "internal_error"}, owner=owner))

    @rule(fires=RARELY)
    def cancel(self, fires: bool) -> None:
        if not fires:
            return
        try:
            assert self.world.jobs.cancel("alice", self.job.job_id).state == "cancelled"
        except (JobAlreadyFinal, JobNotFound):
            assert self.deleted or (self.last is not None and self.last.final)

    @rule()
    def sweep(self) -> None:
        self.world.jobs.sweep(PLENTY)

    @rule(fires=RARELY)
    def dead_letter(self, fires: bool) -> None:
        if not fires:
            return
        self.world.jobs.dead_letter("alice", self.job.job_id)

    @precondition(lambda self: self.last is not None and self.last.final)
    @rule()
    def delete(self) -> None:
        self.world.jobs.delete("alice", self.job.job_id)
        self.deleted = True

    @precondition(lambda self: not self.deleted and self.last is not None and not self.last.final)
    @rule()
    def delete_too_early(self) -> None:
        try:
            self.world.jobs.delete("alice", self.job.job_id)
        except JobNotFinal:
            return
        raise AssertionError("a job was deleted before it was final")

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "world"):
            return
        now = self.world.store.get("alice", self.job.job_id)
        bills = self.world.items("BILL#")
        if now is None:
            assert self.deleted
            self.last = None
            return
        assert not self.deleted
        assert self.last is not None
        if self.last.final:
            assert (now.state, now.result, now.error, now.finished_at) == (
                self.last.state, self.last.result, self.last.error, self.last.finished_at,
            )  # fmt: skip
        else:
            assert now.state in LEGAL[self.last.state]
        assert len(bills) == (now.state == "succeeded")
        assert (now.lease_until is not None) == (now.state == "running")
        assert now.done_with == (now.due_at == 1000 * now.expires_at)
        assert now.state in FINAL or not now.done_with
        assert 0 <= now.attempt <= self.world.limits.max_attempts
        assert len(self.world.webhooks.queued) <= now.final
        self.last = now

    def _change(self, owner: str, transition: Any) -> None:
        with suppress(Refused, JobAlreadyFinal, JobNotFound):
            self.seen[owner] = self.world.store.change(self.seen[owner], transition)


JobLife.TestCase.settings = settings(max_examples=RUNS, stateful_step_count=50, deadline=None)
TestJobLife = JobLife.TestCase
