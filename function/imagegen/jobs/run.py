"""One run of a job: its lease, its progress, and how it detects that it has lost the job."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace

from imagegen.errors import JobNotFound, StorageUnavailable
from imagegen.heartbeat import heartbeat
from imagegen.jobs import states
from imagegen.jobs.job import Job, Progress
from imagegen.jobs.ports import Clock, JobStore
from imagegen.jobs.states import Cause, LeaseLost, Refused
from imagegen.jobs.timing import JobTiming, Phase
from imagegen.retry import retry


def no_preview() -> None:
    """The `draw` of a run that no caller watches."""


class Run:
    """A claimed job. A background thread renews its lease, and so does every step that writes progress."""

    def __init__(self, job: Job, owner: str, store: JobStore, timing: JobTiming, clock: Clock):
        self.owner = owner
        self._job = job
        self._store = store
        self._timing = timing
        self._clock = clock
        self._lock = threading.Lock()
        self._lost = False
        self._phase: Phase = "load"
        self._phase_began = self._written = clock()
        self._step = 0
        self._first_step: tuple[int, int] | None = None
        """The first step that this run has completed, and when."""
        self._progress: Progress | None = None

    @classmethod
    def claim(cls, job: Job, store: JobStore, timing: JobTiming, clock: Clock, *, traded: bool = False) -> Run:
        """Return a run that holds the job's lease, `traded` if it has the message of another job.

        Raises Held, JobAlreadyFinal, JobNotFound or StorageUnavailable.
        """
        owner = secrets.token_hex(8)

        def claimed(stored: Job) -> Job:
            return states.claimed(stored, owner, clock(), timing, traded=traded)

        return cls(retry(lambda: store.change(job, claimed)), owner, store, timing, clock)

    @property
    def progress(self) -> Progress | None:
        """The steps of this run, also those not written yet."""
        return self._progress

    @property
    def job(self) -> Job:
        """The job as this run last wrote it."""
        return self._job

    def renewing(self) -> AbstractContextManager[None]:
        """Renew the lease in the background until the block ends."""
        return heartbeat(self._renew, self._timing.renew_s)

    def on_step(
        self, step: int, of: int, resumed_at: int | None = 0, draw: Callable[[], str | None] = no_preview
    ) -> None:
        """Record a step, and write it if the last write was at least `progress_s` ago. Raises LeaseLost.

        `resumed_at` is the step at which the run begins; None as long as it waits for an identical request. Until it
        has done its first step, the deadline bounds it, so the phase restarts: the run is not hung. A step that is
        reported again is still being computed. `draw` returns a preview, if there is a new one; it is called only if
        the step is written.
        """
        now = self._clock()
        due = self._resumes(resumed_at) or now - self._written >= self._timing.progress_s * 1000
        if step > max(self._step, resumed_at or 0):
            self._reached(step, of, now, resumed_at)
        elif step == (resumed_at or 0):
            self._phase_began = now
            if resumed_at is not None:
                self._progress = Progress(step, of, resumed_at=resumed_at)
                self._phase = "decode" if step == of else self._phase
        if due:
            if self._progress is not None:
                self._progress = replace(self._progress, preview=draw())
            self._renew()
        if self._lost:
            raise LeaseLost

    def _resumes(self, resumed_at: int | None) -> bool:
        """Return whether a later run of the job begins: its caller learns at which step."""
        return resumed_at is not None and self._progress is None and self._job.runs > 1

    def _reached(self, step: int, of: int, now: int, resumed_at: int | None) -> None:
        self._step = step
        self._first_step = self._first_step or (step, now)
        first, began = self._first_step
        self._progress = states.estimate(step, of, step - first, now - began, resumed_at)
        self._phase, self._phase_began = "step" if step < of else "decode", now

    def end(self, transition: Callable[[Job], Job]) -> Job:
        """Write how the run ended, and return the job. Raises LeaseLost, JobNotFound or StorageUnavailable."""
        with self._lock:
            self._job = retry(lambda: self._store.change(self._job, transition))
            return self._job

    def exhausted(self, cause: Cause) -> bool:
        """Return whether this is the job's last run if it ends for `cause`."""
        return states.exhausted(self._job, self._timing, cause)

    def _renew(self) -> None:
        """Write lease and progress. If the table does not respond, the next renewal retries.

        A lease that has reached the ceiling of its phase is not extended: the run is lost when it expires.
        """
        with self._lock, suppress(StorageUnavailable):
            try:
                self._job = self._store.change(self._job, self._renewed)
                self._lost |= self._job.lease_until is not None and self._job.lease_until <= self._clock()
            except (Refused, JobNotFound):
                self._lost = True
        self._written = self._clock()

    def _renewed(self, job: Job) -> Job:
        return states.renewed(
            job,
            self.owner,
            self._clock(),
            self._timing,
            phase=self._phase,
            phase_began=self._phase_began,
            progress=self._progress,
        )
