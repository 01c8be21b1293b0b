"""The message of the webhook queue. Pure."""

from __future__ import annotations

from typing import Literal

from imagegen.generation.request import WebhookEvent
from imagegen.jobs.message import QueueMessage


class WebhookMessage(QueueMessage):
    """A webhook to deliver. The job is read at delivery, so the queue holds no prompt and no image URL."""

    url: str
    event_type: WebhookEvent
    final_state: Literal["succeeded", "failed", "cancelled"]

    @property
    def webhook_id(self) -> str:
        """The `webhook-id` header. A job becomes final once, so its id identifies the event."""
        return f"msg_{self.job_id}"
