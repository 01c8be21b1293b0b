"""What webhook delivery needs from the queue, the table and the secret store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from imagegen.jobs.job import Job
from imagegen.jobs.ports import Listed
from imagegen.webhooks.message import WebhookMessage


@dataclass(frozen=True)
class ReceivedMessage:
    """A received SQS message; `receives` is its receive count, from 1.

    `group` is its MessageGroupId; None if an earlier version sent it.
    """

    message_id: str
    body: str
    receives: int
    group: str | None = None


class WebhookRetries(Protocol):
    """What happens to a webhook that was not delivered. The received message may then be deleted.

    Every call raises StorageUnavailable.
    """

    def postpone(self, message: WebhookMessage, seconds: float) -> None:
        """Deliver the message again after `seconds`."""

    def dead_letter(self, received: ReceivedMessage, reason: str) -> None:
        """Copy the message, with the reason, to the dead-letter queue."""


class SlotStore(Protocol):
    """Leases on a tenant's deliveries. Every call raises StorageUnavailable."""

    def take(self, tenant: str, slots: int, seconds: float) -> str | None:
        """Take one of the tenant's `slots` for `seconds`. Returns its token, or None if all are taken."""

    def release(self, tenant: str, token: str) -> None:
        """Release the slot if its lease still is that of the token."""


class MessageQueue(Protocol):
    """The queue of webhooks to deliver. Every call may raise StorageUnavailable although the message was sent."""

    def send(self, message: WebhookMessage, delay_s: int) -> None:
        """Send the message, visible after `delay_s` seconds, at most 900."""

    def dead_letter(self, received: ReceivedMessage, reason: str) -> None:
        """Copy the message, with its group and the reason, to the dead-letter queue."""


class HeldWebhooks(Protocol):
    """Webhooks that wait in the table for longer than a queue may delay a message. Raises StorageUnavailable."""

    def hold(self, message: WebhookMessage, due_at: int) -> None:
        """Keep the message until `due_at`, epoch milliseconds. A copy of the same webhook is replaced."""

    def due(self, limit: int) -> list[Listed]:
        """Return up to `limit` webhooks that are due, the oldest first."""

    def get(self, tenant: str, job_id: str) -> tuple[str, int] | None:
        """Return the body of the held message and when it is due."""

    def remove(self, tenant: str, job_id: str, due_at: int) -> None:
        """Remove the message, unless another one has replaced it."""


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
