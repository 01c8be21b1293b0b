"""What webhook delivery needs from the queue, the job table and the secret store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from imagegen.jobs.job import Job


@dataclass(frozen=True)
class ReceivedMessage:
    """A received SQS message; `attempt` is its receive count, from 1, and `receipt` its receipt handle.

    `group` is its MessageGroupId; None if an earlier version sent it.
    """

    message_id: str
    receipt: str
    body: str
    attempt: int
    group: str | None = None


class WebhookRetries(Protocol):
    """What happens to a webhook that was not delivered. Every call raises StorageUnavailable."""

    def postpone(self, received: ReceivedMessage, seconds: float) -> None:
        """Make the message visible again after `seconds`."""

    def dead_letter(self, received: ReceivedMessage, reason: str) -> None:
        """Copy the message, with the reason, to the dead-letter queue."""


class JobReader(Protocol):
    """The part of a JobStore that delivery needs."""

    def get(self, tenant: str, job_id: str) -> Job | None:
        """Return the job, or None if it does not exist or has expired. Raises StorageUnavailable."""


class SecretStore(Protocol):
    """Signing secrets by tenant, in the form of signature.SigningSecrets."""

    def get(self, tenant: str) -> str | None:
        """Return the tenant's secrets; a change may take a minute to become visible. Raises StorageUnavailable."""

    def name(self, tenant: str) -> str:
        """Return where an operator finds the tenant's secrets."""


class SecretNames(Protocol):
    """Which tenants have a signing secret, without its value."""

    def exists(self, tenant: str) -> bool:
        """Return whether the tenant has a secret. Raises StorageUnavailable."""
