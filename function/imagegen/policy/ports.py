"""What moderation needs: where it reports what it blocks and what it cannot judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from imagegen.errors.moderation import Stage


@dataclass(frozen=True)
class Blocked:
    """The audit record of one block. It has no part of a prompt, and no digest, from which a prompt could be guessed.

    `version` is that of the word lists or the classifier that decided. `job_id` is None for a request that is no job;
    the log line has the request's id.
    """

    tenant: str
    model: str
    stage: Stage
    category: str
    version: str
    job_id: str | None = None


class Audit(Protocol):
    """Where blocks and failures of moderation are recorded. `telemetry` is the implementation."""

    def moderation_blocked(self, record: Blocked) -> None:
        """Record a block."""

    def moderation_unavailable(self, stage: Stage, cause: str) -> None:
        """Record that something could not be judged, or not by what is current. `cause` goes to the log only."""
