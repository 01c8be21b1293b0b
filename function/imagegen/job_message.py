"""What the queue carries: which job, never what it draws. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final, Self

VERSION: Final = 1
_TENANT: Final = re.compile("[0-9a-z]{1,64}")
_JOB_ID: Final = re.compile("[0-9A-Z]{26}")


class Unreadable(Exception):
    """Not a message of ours, or of a version that this code does not know; its text quotes nothing of it."""


@dataclass(frozen=True)
class JobMessage:
    tenant: str
    job_id: str

    def body(self) -> str:
        return json.dumps({"version": VERSION, "tenant": self.tenant, "job_id": self.job_id})

    @classmethod
    def parse(cls, body: str) -> Self:
        """Raises Unreadable."""
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            raise Unreadable("malformed: not JSON") from None
        if not isinstance(message, dict):
            raise Unreadable("malformed: not an object")
        if message.get("version") != VERSION or isinstance(message["version"], bool):
            raise Unreadable("unknown version")
        tenant, job_id = message.get("tenant"), message.get("job_id")
        if not (isinstance(tenant, str) and isinstance(job_id, str)):
            raise Unreadable("malformed: tenant or job_id is missing")
        if not (_TENANT.fullmatch(tenant) and _JOB_ID.fullmatch(job_id)):
            raise Unreadable("malformed: tenant or job_id is none")
        return cls(tenant, job_id)
