"""What jobs need from the table and the queues."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol

from imagegen.jobs.idempotency import IdempotencyFingerprint
from imagegen.jobs.job import Job, State
from imagegen.limits.quota import NO_QUOTA, Quota, Reservation
from imagegen.origin import UNKNOWN, Origin

Clock = Callable[[], int]
"""Returns epoch milliseconds."""

DueKind = Literal["running", "open", "sent", "done"]
"""Jobs with a lease; jobs of which a message must be sent, to a worker or a receiver; jobs that wait for a worker; jobs
that only wait to expire."""

BATCH: Final = 10
"""Messages that a queue takes in one call."""


@dataclass(frozen=True)
class Page:
    """Jobs, newest first; `last` is the id of the job after which the next page starts, None on the last page."""

    jobs: list[Job]
    last: str | None


class Listed(NamedTuple):
    """A job as an index lists it."""

    tenant: str
    job_id: str


class JobLog(Protocol):
    """Where it is recorded what happens to jobs. `job_log` is the implementation."""

    def one_job(self) -> AbstractContextManager[None]:
        """Return a block whose log lines are about one job. What `about` has set in it ends with it."""

    def about(self, job_id: str, origin: Origin = UNKNOWN) -> None:
        """Add the ids of a job and of the request that created it to every later log line of this thread."""

    def submitted(self, job: Job) -> None:
        """Record that a job was stored; later log lines are about it."""

    def requeued(self, job: Job) -> None:
        """Record that the sweeper sends a job to the workers."""

    def given_up(self, job: Job) -> None:
        """Record that the sweeper failed a job."""

    def webhook_sent(self) -> None:
        """Record that the sweeper sends a webhook that waited for its next attempt."""


class JobStore(Protocol):
    """Jobs with their bills and idempotency keys. Every call raises StorageUnavailable if the table does not respond.

    The write may have happened even so. Retrying is safe: every call recognizes its own effect.
    """

    def add(
        self,
        job: Job,
        fingerprint: IdempotencyFingerprint | None = None,
        *,
        quota: Quota = NO_QUOTA,
        held: Reservation | None = None,
    ) -> Job:
        """Insert the job, or return the key's existing job, unless that one is `repeatable`: this one replaces it then.

        A new job's `reserved` is held in the same write. `held` is the reservation of the request that becomes the job;
        it ends then. An existing job needs no quota.

        Raises IdempotencyKeyReuse if the key was used with another request or route, ResultExpired if its job was
        deleted, and QuotaExceeded, QueueFull or RateLimited if the quota does not allow a new one.
        """

    def get(self, tenant: str, job_id: str) -> Job | None:
        """Return the job, or None if it does not exist or has expired."""

    def change(self, job: Job, transition: Callable[[Job], Job]) -> Job:
        """Apply the transition to the job as currently stored, write and return the result.

        The last write of a job settles its reservation. That of a success also writes bill and usage. Raises
        JobNotFound and what the transition raises.
        """

    def remove(self, job: Job) -> None:
        """Delete a final job. Raises JobNotFinal."""

    def page(self, tenant: str, *, limit: int, after: str | None, state: State | None) -> Page:
        """Return up to `limit` of the tenant's jobs that are older than the job `after`."""

    def due_shards(self, kind: DueKind) -> Sequence[str]:
        """Return the shards of the due jobs of `kind`. A shard of an earlier version may have jobs of other kinds."""

    def due(self, shard: str, limit: int) -> list[Listed]:
        """Return up to `limit` jobs of the shard whose `due_at` has passed, the oldest first.

        The last second's changes may be missing.
        """

    def delete_expired(self, tenant: str, job_id: str) -> None:
        """Delete the job if it has expired."""


class TurnStore(Protocol):
    """Jobs that wait, by tenant, and whose turn it was last. Every call raises StorageUnavailable."""

    def waiting(self, limit: int, after: str = "") -> list[Listed]:
        """Return up to `limit` jobs that wait, ordered by tenant, then by age, of tenants after `after`.

        The last second's changes may be missing.
        """

    def last(self) -> str:
        """Return the tenant whose turn it was last; empty before the first turn."""

    def take(self, last: str, tenant: str) -> bool:
        """Give `tenant` the turn that follows that of `last`. Returns False if another process has taken it."""


class JobQueue(Protocol):
    """The queue between callers and workers. Every call may raise StorageUnavailable although the message was sent."""

    def put(self, tenant: str, job_id: str, delay_s: int = 0) -> None:
        """Send the job's message, visible after `delay_s` seconds."""

    def put_all(self, jobs: Sequence[Listed]) -> list[Listed]:
        """Send the messages of up to BATCH jobs in one call. Returns the jobs whose message was not sent."""

    def waiting(self) -> int:
        """Return about how many messages wait for a worker; those that a worker has received do not count."""

    def postpone(self, receipt: str, seconds: int) -> None:
        """Make a received message visible again after `seconds`."""

    def dead_letter(self, body: str, reason: str) -> None:
        """Send a message that cannot be parsed to the dead-letter queue."""


class WebhookQueue(Protocol):
    """The queue of webhooks to deliver."""

    def put(self, job: Job) -> None:
        """Send the webhook of a final job, with what it needs of the job. It may then be deleted.

        May raise StorageUnavailable although it was sent; copies share a webhook-id.
        """
