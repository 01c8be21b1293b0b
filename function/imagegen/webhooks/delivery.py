"""Delivers webhooks of final jobs: signed as in Standard Webhooks 1.0, retried for two days, never lost.

Covered: the same webhook-id for every attempt and every copy of a message; a new timestamp, new signatures and newly
signed image URLs for each attempt; a dead-letter queue, with the reason, for every webhook that is not delivered; slow
receivers of one tenant, which delay no other tenant (slots.py). Not covered: exactly-once delivery and the order of two
jobs. A receiver should ignore a webhook-id that it has seen before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from imagegen.errors import DeliveryUnavailable
from imagegen.jobs.job import Job, UnreadableJob
from imagegen.jobs.message import Unreadable
from imagegen.origin import Origin
from imagegen.public_url import NotAllowed
from imagegen.webhooks.message import WebhookMessage
from imagegen.webhooks.ports import JobReader, ReceivedMessage, SecretStore, WebhookRetries
from imagegen.webhooks.safe_http import SafeClient, Unreachable
from imagegen.webhooks.signature import SigningSecrets
from imagegen.webhooks.slots import Slots

DELAYS: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 36_000, 36_000)
"""Seconds from each failed attempt to the next: Standard Webhooks' schedule up to 10 hours, whose delays of 14, 20 and
24 hours are 10 hours and one more here. Two days in total."""

BUSY_DELAYS: Final = (2, 10, 50, 250, 1_250, *([7_200] * 24))
"""Seconds that a message waits each time that it finds its tenant's slots taken: two days in total."""

JITTER: Final = 0.1
"""A delay is extended by up to this fraction."""

Verdict = Literal["delivered", "retry", "busy", "dead"]


@dataclass(frozen=True)
class Attempt:
    """How an attempt ended. `busy`: it was not made, because as many others of the tenant were under way.

    `reason` is delivered, status_<code>, a reason of Unreachable or Unreadable, secret_missing, secret_invalid,
    url_not_allowed, job_unreadable, receiver_busy, delivery_unavailable, or for a message without its job job_gone,
    job_not_final.
    """

    verdict: Verdict
    reason: str
    secret: str = ""
    """Where the operator must put a valid secret, if that is the reason."""
    number: int = 1
    """From 1: the attempt that was made, or would have been."""


class WebhookSender:
    """Delivers the messages of the webhook queue. Thread-safe.

    `render` returns the document that GET /jobs/{id} returns, with URLs signed now. `about` is told which job an
    attempt is about, for the log.
    """

    def __init__(
        self,
        *,
        jobs: JobReader,
        render: Callable[[Job], Mapping[str, Any]],
        secrets: SecretStore,
        client: SafeClient,
        retries: WebhookRetries,
        slots: Slots,
        about: Callable[[str, Origin], None],
        delays: Sequence[float] = DELAYS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        self._jobs = jobs
        self._render = render
        self._secrets = secrets
        self._client = client
        self._retries = retries
        self._slots = slots
        self._about = about
        self._delays = delays
        self._now = now

    def deliver(self, received: ReceivedMessage) -> Attempt:
        """Make one attempt. If it fails, send the message again for the next attempt, or dead-letter it.

        The caller may then delete the received message. Raises StorageUnavailable.
        """
        try:
            message = WebhookMessage.parse(received.body)
        except Unreadable as error:
            self._retries.dead_letter(received, error.reason)
            return Attempt("dead", error.reason, number=received.receives)
        self._about(message.job_id, message.origin)
        attempt = self._attempt(message, (message.failed or 0) + received.receives)
        if attempt.verdict in ("retry", "busy"):
            return self._postpone(received, message, attempt)
        if attempt.verdict == "dead":
            self._give_up(received, message, attempt)
        return attempt

    def _attempt(self, message: WebhookMessage, number: int) -> Attempt:
        with self._slots.held(message.tenant) as free:
            verdict, reason = self._send(message) if free else ("busy", "receiver_busy")
        secret = self._secrets.name(message.tenant) if reason in ("secret_missing", "secret_invalid") else ""
        return Attempt(verdict, reason, secret, number)

    def _postpone(self, received: ReceivedMessage, message: WebhookMessage, attempt: Attempt) -> Attempt:
        """Send the message again after its delay, or dead-letter it after the last one."""
        if attempt.verdict == "busy":
            waited = message.busy or 0
            delays: Sequence[float] = BUSY_DELAYS
            again = message.waiting(failed=attempt.number - 1, busy=waited + 1)
        else:
            waited, delays = attempt.number - 1, self._delays
            again = message.waiting(failed=attempt.number)
        if waited < len(delays):
            self._retries.postpone(again, _jittered(delays[waited], received, waited))
            return attempt
        attempt = replace(attempt, verdict="dead")
        self._give_up(received, message, attempt)
        return attempt

    def _give_up(self, received: ReceivedMessage, message: WebhookMessage, attempt: Attempt) -> None:
        """Dead-letter the message as it was first sent: whoever sends it again wants all attempts."""
        self._retries.dead_letter(replace(received, body=message.waiting(failed=0).body()), attempt.reason)

    def _send(self, message: WebhookMessage) -> tuple[Verdict, str]:
        try:
            return self._send_final(message)
        except UnreadableJob:  # the update that is being repeated can read it
            return "retry", "job_unreadable"
        except DeliveryUnavailable as error:
            return "retry", error.code

    def _send_final(self, message: WebhookMessage) -> tuple[Verdict, str]:
        job = message.job() or self._jobs.get(message.tenant, message.job_id)
        if job is None:
            return "dead", "job_gone"
        self._about(message.job_id, job.origin)
        if job.state != message.final_state:
            return "retry", "job_not_final"
        stored = self._secrets.get(message.tenant)
        if stored is None:
            return "retry", "secret_missing"
        try:
            signing = SigningSecrets.parse(stored)
        except ValueError:
            return "retry", "secret_invalid"
        try:
            status = self._post(message, job, signing)
        except NotAllowed:
            return "dead", "url_not_allowed"
        except Unreachable as error:
            return "retry", error.reason
        if 200 <= status < 300:
            return "delivered", "delivered"
        return ("dead" if status == 410 else "retry"), f"status_{status}"

    def _post(self, message: WebhookMessage, job: Job, signing: SigningSecrets) -> int:
        sent_at = self._now()
        finished_at = (job.finished_at or sent_at).astimezone(UTC)
        payload = {
            "type": message.event_type,
            "timestamp": finished_at.isoformat().replace("+00:00", "Z"),
            "data": self._render(job),
        }
        body = json.dumps(payload, separators=(",", ":"))
        headers = {"content-type": "application/json", "user-agent": "imagegen-webhooks/1"}
        signed = signing.headers(message.webhook_id, sent_at, body)
        return self._client.post(message.url, {**headers, **signed}, body.encode())


def _jittered(delay: float, received: ReceivedMessage, waited: int) -> float:
    """Return the delay with jitter derived from the message, to spread retries."""
    digest = hashlib.sha256(f"{received.message_id}.{waited}".encode()).digest()
    fraction = int.from_bytes(digest[:4]) / 2**32
    return delay * (1 + JITTER * fraction)
