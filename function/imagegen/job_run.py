"""One run of a job: what it reports on the way, and that it stops once the job is no longer its own."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from imagegen import jobs
from imagegen.errors import JobNotFound, StorageUnavailable
from imagegen.heartbeat import beating
from imagegen.insist import insist
from imagegen.jobs import Cause, Job, LeaseLost, Limits, Phase, Progress, Refused
from imagegen.ports import Clock, JobStore


class Run:
    """A claimed job. Its lease is renewed by a thread, and by every step that reports."""

    def __init__(self, job: Job, owner: str, store: JobStore, limits: Limits, clock: Clock):
        self.owner = owner
        self._job = job
        self._store = store
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._lost = False
        self._phase: Phase = "load"
        self._phase_began = self._written = clock()
        self._first_step: int | None = None
        self._progress: Progress | None = None

    @classmethod
    def claim(cls, job: Job, store: JobStore, limits: Limits, clock: Clock) -> Run:
        """Raises Held, JobAlreadyFinal, JobNotFound or StorageUnavailable."""
        owner = secrets.token_hex(8)
        claimed = insist(lambda: store.change(job, lambda seen: jobs.claimed(seen, owner, clock(), limits)))
        return cls(claimed, owner, store, limits, clock)

    def alive(self) -> AbstractContextManager[None]:
        """While the block runs, a thread renews the lease."""
        return beating(self._beat, self._limits.renew_s)

    def on_step(self, step: int, of: int) -> None:
        """Take note of a step, and write it where the last write is old enough. Raises LeaseLost.

        Step 0 tells that another request draws the same; who waits for it does not hang, and has a deadline.
        """
        now = self._clock()
        if step == 0:
            self._phase_began = now
        else:
            self._first_step = self._first_step or now
            self._progress = jobs.estimate(step, of, now - self._first_step)
            self._phase, self._phase_began = "step" if step < of else "decode", now
        if now - self._written >= self._limits.progress_s * 1000:
            self._beat()
        if self._lost:
            raise LeaseLost

    def end(self, transition: Callable[[Job], Job]) -> Job:
        """Write how the run ended. Raises LeaseLost, JobNotFound or StorageUnavailable."""
        with self._lock:
            self._job = insist(lambda: self._store.change(self._job, transition))
            return self._job

    def exhausted(self, cause: Cause) -> bool:
        return jobs.exhausted(self._job, self._limits, cause)

    @property
    def job(self) -> Job:
        return self._job

    def _beat(self) -> None:
        """A table that does not answer is asked again at the next beat: the lease outlives three."""
        with self._lock, suppress(StorageUnavailable):
            try:
                self._job = self._store.change(self._job, self._renewed)
            except (Refused, JobNotFound):
                self._lost = True
        self._written = self._clock()

    def _renewed(self, job: Job) -> Job:
        return jobs.renewed(
            job,
            self.owner,
            self._clock(),
            self._limits,
            phase=self._phase,
            phase_began=self._phase_began,
            progress=self._progress,
        )
