"""A webhook sender with fakes for its ports."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from imagegen.errors import StorageUnavailable
from imagegen.jobs.job import Job
from imagegen.origin import Origin
from imagegen.webhooks.delivery import WebhookSender
from imagegen.webhooks.message import WebhookMessage
from imagegen.webhooks.ports import ReceivedMessage, SlotStore
from imagegen.webhooks.safe_http import SafeClient
from imagegen.webhooks.signature import SigningSecrets
from imagegen.webhooks.slots import Slots
from tools.faults.webhook_deliveries import TENANT, FreeSlots, final_job

JOB_ID = "01KAJ9X2S4QZ8W3V5N7M6K1H0G"
SECRET = SigningSecrets.new()
MESSAGE: dict[str, Any] = {
    "version": 1,
    "tenant": TENANT,
    "job_id": JOB_ID,
    "url": "https://hooks.example.com/done?key=of-the-receiver",
    "event_type": "job.succeeded",
    "final_state": "succeeded",
}


@dataclass
class Jobs:
    """A JobReader with one job."""

    job: Job | None = field(default_factory=lambda: final_job(JOB_ID))
    failing: StorageUnavailable | None = None

    def get(self, tenant: str, job_id: str) -> Job | None:
        if self.failing:
            raise self.failing
        return self.job if (tenant, job_id) == (TENANT, JOB_ID) else None


@dataclass
class Secrets:
    """A SecretStore with the same secrets for every tenant."""

    text: str | None = field(default_factory=lambda: str(SECRET))

    def get(self, tenant: str) -> str | None:
        return self.text

    def name(self, tenant: str) -> str:
        return f"/stack/webhooks/{tenant}"


@dataclass
class Retries:
    """WebhookRetries that records its calls."""

    postponed: list[float] = field(default_factory=list)
    again: list[WebhookMessage] = field(default_factory=list)
    dead_lettered: list[str] = field(default_factory=list)
    dead_bodies: list[str] = field(default_factory=list)

    def postpone(self, message: WebhookMessage, seconds: float) -> None:
        self.again.append(message)
        self.postponed.append(seconds)

    def dead_letter(self, received: ReceivedMessage, reason: str) -> None:
        self.dead_lettered.append(reason)
        self.dead_bodies.append(received.body)


class StubClient(SafeClient):
    """An HTTP client that sends nothing, records its requests, and gives a fixed answer."""

    def __init__(self, answer: int | Exception = 200):
        super().__init__()
        self.answer = answer
        self.posts: list[tuple[str, Mapping[str, str], bytes]] = []

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        self.posts.append((url, headers, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class WebhookWorld:
    """A sender and its fakes."""

    client: StubClient = field(default_factory=StubClient)
    jobs: Jobs = field(default_factory=Jobs)
    secrets: Secrets = field(default_factory=Secrets)
    retries: Retries = field(default_factory=Retries)
    slots: SlotStore = field(default_factory=FreeSlots)
    about: list[tuple[str, Origin]] = field(default_factory=list)
    """Which jobs the attempts were about."""
    render: Callable[[Job], dict[str, Any]] = lambda job: {
        "id": JOB_ID, "status": job.state, "image_url": "https://images.example.com/signed"
    }  # fmt: skip

    def deliver(self, body: str | None = None, attempt: int = 1, **changes: Any) -> tuple[str, str]:
        sender = WebhookSender(
            jobs=self.jobs,
            render=self.render,
            secrets=self.secrets,
            client=self.client,
            retries=self.retries,
            slots=Slots(self.slots, lambda: 0),
            about=lambda job_id, origin: self.about.append((job_id, origin)),
        )
        text = json.dumps(MESSAGE | changes) if body is None else body
        outcome = sender.deliver(ReceivedMessage("m-1", text, attempt))
        return outcome.verdict, outcome.reason
