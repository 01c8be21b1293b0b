"""Sends a job's messages to the worker queue and the webhook queue (transactional outbox pattern).

The row is the source of truth: it is written first and records what was sent. The sweeper sends what could not be sent
here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from imagegen.errors import JobNotFound, StorageUnavailable
from imagegen.jobs import states
from imagegen.jobs.backlog import Backlog
from imagegen.jobs.job import Job
from imagegen.jobs.ports import Clock, JobQueue, JobStore, Listed, WebhookQueue
from imagegen.jobs.timing import JobTiming


class Outbox:
    """Messages of stored jobs. Failures are not raised: the job stays due, and the sweeper retries."""

    def __init__(
        self,
        store: JobStore,
        queue: JobQueue,
        backlog: Backlog,
        webhooks: WebhookQueue,
        clock: Clock,
        timing: JobTiming,
    ):
        self._store = store
        self._queue = queue
        self._backlog = backlog
        self._webhooks = webhooks
        self._clock = clock
        self._timing = timing

    def send(self, job: Job, delay_s: int = 0) -> Job:
        """Send a queued job to the workers after `delay_s` seconds. Returns the job as stored."""
        with suppress(StorageUnavailable, JobNotFound):
            self._queue.put(job.tenant, job.job_id, delay_s)
            return self._store.change(job, self.sent(job, delay_s))
        return job

    def send_again(self, jobs: Sequence[Listed]) -> list[Listed]:
        """Send the messages of up to BATCH jobs, which `sent` records. Returns the jobs whose message was not sent.

        Raises StorageUnavailable.
        """
        return self._queue.put_all(jobs)

    def sent(self, job: Job, delay_s: int = 0) -> Callable[[Job], Job]:
        """Return the transition that records that the job's message was sent."""
        seen = {"waiting": self._backlog.waiting(), "position": self._backlog.position(job)}
        return lambda stored: states.sent(stored, self._clock(), self._timing, delay_s=delay_s, **seen)

    def notify(self, job: Job) -> Job:
        """Queue the webhook of a final job, if one is due. Returns the job as stored."""
        if not job.webhook_due:
            return job
        with suppress(StorageUnavailable, JobNotFound):
            self._webhooks.put(job)
            return self._store.change(job, states.notified)
        return job
