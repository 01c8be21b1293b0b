"""What the webhooks' queue carries. Pure."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from imagegen.request import WebhookEvent

VERSION: Final = 1


class WebhookMessage(BaseModel):
    """A webhook to deliver. The job is read when it is told of: no prompt and no image's URL lies in the queue."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    version: Annotated[int, Field(ge=VERSION, le=VERSION)]  # a Literal would take true for 1
    tenant: Annotated[str, Field(pattern="^[0-9a-z]{1,64}$")]
    job_id: Annotated[str, Field(pattern="^[0-9A-Z]{26}$")]
    url: str
    event_type: WebhookEvent
    final_state: Literal["succeeded", "failed", "cancelled"]

    @property
    def webhook_id(self) -> str:
        """A job becomes final once, so that its id names the event."""
        return f"msg_{self.job_id}"
