"""Telling callers that a job is final: signed as Standard Webhooks 1.0 asks, tried again for two days, never lost.

Covered: the same webhook-id for every attempt and every copy of a message; a fresh timestamp, fresh signatures and
freshly signed image URLs for each; a dead-letter queue, with the reason, for all that ends otherwise. Not covered: that
a receiver hears of a job once only, or of two jobs in their order. It should keep the webhook-ids it has seen.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self

from pydantic import ValidationError
from standardwebhooks import Webhook

from imagegen.jobs import Job
from imagegen.ports import JobReader, ReceivedMessage, SecretStore, WebhookRetries
from imagegen.targets import Courier, NotAllowed, Unreachable
from imagegen.webhook_message import WebhookMessage

DELAYS: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 36_000, 36_000)
"""Seconds from each failed attempt to the next: Standard Webhooks' example as far as 10 hours. SQS hides a message for
12 hours at most, so its 14, 20 and 24 hours are 10 hours, and once more. Two days in all."""

JITTER: Final = 0.1
"""A delay is longer by up to this share."""

SECRET_BYTES: Final = 32
"""Standard Webhooks asks for 24 to 64."""

_SECRET: Final = re.compile(r"whsec_[A-Za-z0-9+/]{32,86}={0,2}")


@dataclass(frozen=True)
class SigningSecrets:
    """A tenant's secrets, newest first: one, or two while receivers change over."""

    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote. Raises ValueError, without the text."""
        values = tuple(text.split())
        if len(values) not in (1, 2) or not all(map(_SECRET.fullmatch, values)):
            raise ValueError("expected one or two secrets of the form whsec_<base64>, the newest first")
        return cls(values)

    @classmethod
    def new(cls) -> Self:
        return cls((f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}",))

    def __str__(self) -> str:
        return " ".join(self.values)

    def rotated(self) -> SigningSecrets:
        """With a new secret in front; of the old ones only the newest stays valid."""
        return SigningSecrets((*self.new().values, self.values[0]))

    def retired(self) -> SigningSecrets:
        """With the newest alone."""
        return SigningSecrets(self.values[:1])

    def headers(self, webhook_id: str, sent_at: datetime, body: str) -> dict[str, str]:
        """Standard Webhooks' headers, with a signature by each secret. `sent_at` is in UTC."""
        return {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": " ".join(Webhook(each).sign(webhook_id, sent_at, body) for each in self.values),
        }


Verdict = Literal["delivered", "retry", "dead"]


@dataclass(frozen=True)
class Attempt:
    """How an attempt ended. `reason` is delivered, status_<code>, what targets.Unreachable lists, or one of ours."""

    verdict: Verdict
    reason: str
    job_id: str = ""


class WebhookSender:
    """Delivers what the queue holds. Safe to call from several threads.

    `render` makes of a job the document that GET /jobs/{id} answers, its URLs signed now.
    """

    def __init__(
        self,
        *,
        jobs: JobReader,
        render: Callable[[Job], Mapping[str, Any]],
        secrets: SecretStore,
        courier: Courier,
        retries: WebhookRetries,
        delays: Sequence[float] = DELAYS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        self._jobs = jobs
        self._render = render
        self._secrets = secrets
        self._courier = courier
        self._retries = retries
        self._delays = delays
        self._now = now

    def deliver(self, received: ReceivedMessage) -> Attempt:
        """Make one attempt, and see to the message unless it was delivered: hide it until the next or bury it.

        The message may be deleted unless the verdict is retry. Raises StorageUnavailable where AWS does not answer.
        """
        ended = self._attempt(received.body)
        if ended.verdict == "retry" and received.attempt > len(self._delays):
            ended = replace(ended, verdict="dead")
        if ended.verdict == "dead":
            self._retries.bury(received, ended.reason)
        elif ended.verdict == "retry":
            self._retries.postpone(received, self._delay(received))
        return ended

    def _attempt(self, body: str) -> Attempt:
        try:
            message = WebhookMessage.model_validate_json(body)
        except ValidationError as error:
            unknown = any(each["loc"] == ("version",) for each in error.errors())
            return Attempt("dead", "unknown_version" if unknown else "malformed_message")
        verdict, reason = self._tell(message)
        return Attempt(verdict, reason, message.job_id)

    def _tell(self, message: WebhookMessage) -> tuple[Verdict, str]:
        job = self._jobs.get(message.tenant, message.job_id)
        if job is None:
            return "dead", "job_gone"
        if job.state != message.final_state:
            return "retry", "job_not_final"
        try:
            signing = SigningSecrets.parse(self._secrets.get(message.tenant) or "")
        except ValueError:
            return "retry", "secret_missing"
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
        happened_at = (job.finished_at or sent_at).astimezone(UTC)
        payload = {
            "type": message.event_type,
            "timestamp": happened_at.isoformat().replace("+00:00", "Z"),
            "data": self._render(job),
        }
        body = json.dumps(payload, separators=(",", ":"))
        headers = {"content-type": "application/json", "user-agent": "imagegen-webhooks/1"}
        signed = signing.headers(message.webhook_id, sent_at, body)
        return self._courier.post(message.url, {**headers, **signed}, body.encode())

    def _delay(self, received: ReceivedMessage) -> float:
        """Seconds until the next attempt, spread so that what failed together does not come back together."""
        digest = hashlib.sha256(f"{received.message_id}.{received.attempt}".encode()).digest()
        share = int.from_bytes(digest[:4]) / 2**32
        return self._delays[received.attempt - 1] * (1 + JITTER * share)
