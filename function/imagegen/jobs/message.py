"""Queue messages: they name a job and never contain its prompt. Pure."""

from __future__ import annotations

import json
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from imagegen.access.tenant import PATTERN as TENANT

VERSION: Final = 1


class Unreadable(Exception):
    """The message is malformed or of an unknown version. `reason` never quotes it."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class QueueMessage(BaseModel):
    """Base of all messages. Fields that a newer version added are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    version: Annotated[int, Field(ge=VERSION, le=VERSION)]  # a Literal would accept true as 1
    tenant: Annotated[str, Field(pattern=TENANT)]
    job_id: Annotated[str, Field(pattern="^[0-9A-Z]{26}$")]

    def body(self) -> str:
        """Return the message's JSON in ASCII: SQS rejects some characters that a caller's metadata may have."""
        return json.dumps(self.model_dump(mode="json", exclude_none=True), separators=(",", ":"))

    @classmethod
    def parse(cls, body: str) -> Self:
        """Return the parsed body. Raises Unreadable with the reason unknown_version or malformed_message."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            unknown = any(each["loc"] == ("version",) for each in error.errors())
            raise Unreadable("unknown_version" if unknown else "malformed_message") from None


class JobMessage(QueueMessage):
    """A job that waits for a worker."""
