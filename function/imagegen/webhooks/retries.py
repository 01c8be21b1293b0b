"""Where a webhook waits for its next attempt: in its queue, or in the table if that is longer than a queue's delay.

A message that a function has received and hides counts among the 120,000 that SQS lets a queue have in flight; one that
is delayed, or is in the table, does not.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from imagegen.deadline import Deadline
from imagegen.errors import ServiceError, StorageUnavailable
from imagegen.jobs.message import Unreadable
from imagegen.jobs.ports import Clock, JobLog, Listed
from imagegen.webhooks.message import WebhookMessage
from imagegen.webhooks.ports import HeldWebhooks, MessageQueue, ReceivedMessage

MAX_DELAY_S: Final = 900
"""The longest delay of an SQS message."""
LIMIT: Final = 5000
"""Webhooks that a sweep sends; the next one follows within a minute."""
_SEND_S: Final = 3.0
"""Time for one, with the retries of its calls."""


@dataclass
class Resent:
    """How many held webhooks a sweep sent, and what kept it from sending others."""

    count: int = 0
    failures: list[ServiceError] = field(default_factory=list)


@dataclass(frozen=True)
class WaitingWebhooks:
    """Implements ports.WebhookRetries, and sends what is due for the sweeper, at most `threads` at once."""

    queue: MessageQueue
    held: HeldWebhooks
    clock: Clock
    log: JobLog
    on_crash: Callable[[BaseException], None]
    threads: int = 5

    def postpone(self, message: WebhookMessage, seconds: float) -> None:
        """Deliver the message again after `seconds`. Raises StorageUnavailable."""
        if seconds <= MAX_DELAY_S:
            self.queue.send(message, round(seconds))
        else:
            self.held.hold(message, self.clock() + round(seconds * 1000))

    def dead_letter(self, received: ReceivedMessage, reason: str) -> None:
        """Copy the message, with the reason, to the dead-letter queue. Raises StorageUnavailable."""
        self.queue.dead_letter(received, reason)

    def send_due(self, deadline: Deadline) -> Resent:
        """Send the held webhooks that are due. Never raises ServiceError: what cannot be sent stays due."""
        resent = Resent()
        try:
            due = self.held.due(LIMIT)
        except StorageUnavailable as error:
            resent.failures.append(error)
            return resent
        with ThreadPoolExecutor(self.threads) as pool:
            resent.count = sum(pool.map(lambda listed: self._send(deadline, listed, resent), due))
        return resent

    def _send(self, deadline: Deadline, listed: Listed, resent: Resent) -> bool:
        if deadline.left() < _SEND_S:
            return False
        with self.log.one_job():
            self.log.about(listed.job_id)
            try:
                return self._send_if_due(listed)
            except StorageUnavailable as error:
                if not resent.failures:  # one tells enough: the sweep ends after several
                    resent.failures.append(error)
                return False
            except Unreadable:  # a newer version's, which stays for that one
                return False
            except Exception as error:  # must not stop the others
                self.on_crash(error)
                return False

    def _send_if_due(self, listed: Listed) -> bool:
        """Send one webhook. It is removed afterwards: a process that dies in between sends it twice."""
        if (found := self.held.get(*listed)) is None:
            return False
        body, due_at = found
        if due_at > self.clock():  # the index is late
            return False
        message = WebhookMessage.parse(body)
        self.log.about(message.job_id, message.origin)
        self.queue.send(message, 0)
        self.log.webhook_sent()
        self.held.remove(*listed, due_at)
        return True
