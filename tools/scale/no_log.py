"""Thousands of simulated jobs leave no log."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from imagegen.jobs.job import Job
from imagegen.origin import UNKNOWN, Origin


class NoLog:
    """Implements jobs.ports.JobLog."""

    def one_job(self) -> AbstractContextManager[None]:
        return nullcontext()

    def about(self, job_id: str, origin: Origin = UNKNOWN) -> None: ...

    def submitted(self, job: Job) -> None: ...

    def requeued(self, job: Job) -> None: ...

    def given_up(self, job: Job) -> None: ...

    def webhook_sent(self) -> None: ...
