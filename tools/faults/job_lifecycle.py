"""R3 as a Hypothesis state machine: transitions are legal and final states are final, in any order of events."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final, get_args

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from imagegen.deadline import Deadline
from imagegen.errors import JobAlreadyFinal, JobNotFinal, JobNotFound
from imagegen.generation.result import Cost, Outcome, Timings
from imagegen.jobs import states
from imagegen.jobs.job import FINAL, Job, JobError, Progress
from imagegen.jobs.states import Refused
from tools.faults.job_backend import JobBackend
from tools.faults.template_resources import BUCKET, QUEUE, TABLE, moto_resources, translated_template

STEPS: Final = 50
"""Most steps of one lifecycle."""
TEMPLATE: Final = translated_template()
OWNERS: Final = ["one", "two", "three"]
RARELY: Final = st.sampled_from([False, False, False, False, True])
"""For events that end the job from outside: otherwise most lifecycles would end before the first run."""
LEGAL: Final = {
    "queued": {"queued", "running", "cancelled", "failed"},
    "running": {"queued", "running", "succeeded", "failed", "cancelled"},
}
RESULT: Final = Outcome(
    model="demo",
    images=[],
    cached=False,
    cold_start=False,
    timings=Timings(),
    cost=Cost(billed_ms=1, memory_mb=10240, usd=0.1),
    warnings=[],
)
ERROR: Final = JobError(code="internal_error", status=500, detail="")
LONG_ENOUGH: Final = Deadline(lambda: 1000.0)


class JobLifecycle(RuleBasedStateMachine):
    """One job, three workers, a caller, the sweeper and the dead-letter handler.

    Each worker acts on the job as it last read it, which may be out of date.
    """

    @initialize()
    def begin(self) -> None:
        """Start moto with empty resources and submit the job."""
        self.moto = moto_resources(TEMPLATE, BUCKET, TABLE, QUEUE)
        self.backend = JobBackend(self.moto.__enter__())
        self.job = self.backend.submit(webhook={"url": "https://example.com/hook"})
        self.read: dict[str, Job] = dict.fromkeys(OWNERS, self.job)
        self.last: Job | None = self.job
        self.deleted = False

    def teardown(self) -> None:
        """Stop moto."""
        if hasattr(self, "moto"):
            self.moto.__exit__(None, None, None)

    @rule(owner=st.sampled_from(OWNERS))
    def refresh(self, owner: str) -> None:
        """A worker reads the job."""
        self.read[owner] = self.backend.store.get("alice", self.job.job_id) or self.read[owner]

    @rule(seconds=st.sampled_from([0.1, 5, 21, 16, 3601]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.backend.clock.pass_s(seconds)

    @rule(owner=st.sampled_from(OWNERS))
    def claim(self, owner: str) -> None:
        """A worker claims the job."""
        self._change(owner, lambda job: states.claimed(job, owner, self.backend.clock(), self.backend.timing))

    @rule(owner=st.sampled_from(OWNERS), step=st.integers(0, 10))
    def renew(self, owner: str, step: int) -> None:
        """A worker renews its lease, after any number of steps."""
        now, timing, progress = self.backend.clock(), self.backend.timing, Progress(step, 10) if step else None
        self._change(
            owner, lambda job: states.renewed(job, owner, now, timing, phase="step", phase_began=now, progress=progress)
        )

    @rule(owner=st.sampled_from(OWNERS), cause=st.sampled_from(get_args(states.Cause)))
    def requeue(self, owner: str, cause: states.Cause) -> None:
        """A worker ends its run early and requeues the job."""
        now, timing = self.backend.clock(), self.backend.timing
        self._change(owner, lambda job: states.requeued(job, owner, now, timing, cause))

    @rule(owner=st.sampled_from(OWNERS))
    def succeed(self, owner: str) -> None:
        """A worker finishes the job."""
        now, timing = self.backend.clock(), self.backend.timing
        self._change(owner, lambda job: states.succeeded(job, owner, now, timing, RESULT))

    @rule(owner=st.sampled_from(OWNERS), really=RARELY)
    def fail(self, owner: str, really: bool) -> None:
        """A worker fails the job."""
        if not really:
            return
        now, timing = self.backend.clock(), self.backend.timing
        self._change(owner, lambda job: states.failed(job, now, timing, ERROR, owner=owner))

    @rule(really=RARELY)
    def cancel(self, really: bool) -> None:
        """The caller cancels the job."""
        if not really:
            return
        try:
            assert self.backend.jobs.cancel("alice", self.job.job_id).state == "cancelled"
        except (JobAlreadyFinal, JobNotFound):
            assert self.deleted or (self.last is not None and self.last.final)

    @rule()
    def sweep(self) -> None:
        """The sweeper runs."""
        self.backend.sweep.all(LONG_ENOUGH)

    @rule(really=RARELY)
    def dead_letter(self, really: bool) -> None:
        """The job's message reaches the dead-letter queue."""
        if not really:
            return
        self.backend.recovery.fail_dead_letter("alice", self.job.job_id)

    @precondition(lambda self: self.last is not None and self.last.final)
    @rule()
    def delete(self) -> None:
        """The caller deletes the finished job."""
        self.backend.jobs.delete("alice", self.job.job_id)
        self.deleted = True

    @precondition(lambda self: not self.deleted and self.last is not None and not self.last.final)
    @rule()
    def delete_too_early(self) -> None:
        """The caller tries to delete a job that is not finished."""
        try:
            self.backend.jobs.delete("alice", self.job.job_id)
        except JobNotFinal:
            return
        raise AssertionError("a job was deleted before it was final")

    @invariant()
    def holds(self) -> None:
        """The stored job is legal after the last stored one, and the bill and the webhook agree with its state."""
        if not hasattr(self, "backend"):
            return
        now = self.backend.store.get("alice", self.job.job_id)
        bills = self.backend.items("BILL#")
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
            assert now.runs >= self.last.runs
            assert now.final or _steps(now) >= _steps(self.last)
        assert len(bills) == (now.state == "succeeded")
        assert len(self.backend.items("RESERVATION#")) == (not now.final)
        assert [int(row["jobs"]) for row in self.backend.items("OPEN#")] == [not now.final]
        assert len(self.backend.items("USAGE#")) == len(bills)
        assert (now.lease_until is not None) == (now.state == "running")
        assert now.done == (now.due_at == 1000 * now.expires_at)
        assert now.state in FINAL or not now.done
        assert 0 <= now.attempt <= self.backend.timing.max_attempts
        assert len(self.backend.webhooks.queued) <= now.final
        self.last = now

    def _change(self, owner: str, transition: Any) -> None:
        with suppress(Refused, JobAlreadyFinal, JobNotFound):
            self.read[owner] = self.backend.store.change(self.read[owner], transition)


def _steps(job: Job) -> int:
    return job.progress.step if job.progress else 0
