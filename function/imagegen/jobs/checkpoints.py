"""The checkpoints of jobs: where they are, and when they are deleted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagegen.errors import StorageUnavailable
from imagegen.generation.ports import CheckpointStore
from imagegen.jobs.job import Job

if TYPE_CHECKING:
    from imagegen.generation.checkpoint import Checkpoint  # imports NumPy, which the zip functions lack


@dataclass(frozen=True)
class JobCheckpoints:
    """At most one checkpoint for each job."""

    store: CheckpointStore
    save_every_s: float

    def of(self, job: Job, *, until_deadline: bool) -> Checkpoint:
        """Return the checkpoint for a run that has just been claimed; `until_deadline` as in Checkpoint."""
        from imagegen.generation.checkpoint import Checkpoint

        return Checkpoint(
            self.store,
            _key(job),
            may_exist=job.runs > 1,
            until_deadline=until_deadline,
            save_every_s=self.save_every_s,
        )

    def discard(self, job: Job) -> None:
        """Delete the checkpoint of a final job, if a run may have left one.

        What cannot be deleted, or what a run that has not yet noticed its end still saves, expires with the bucket's
        lifecycle rule.
        """
        if job.final and job.runs > 0:
            with suppress(StorageUnavailable):
                self.store.delete(_key(job))


def _key(job: Job) -> str:
    return f"checkpoints/{job.tenant}/{job.job_id}.npz"
