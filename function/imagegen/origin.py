"""The request that created a job, as log lines name it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Origin:
    """A request's id, which its caller received as `x-request-id`, and its X-Ray trace; None if unknown.

    A caller can choose both, so they are names for a reader of the logs and prove nothing.
    """

    request_id: str | None = None
    trace_id: str | None = None


UNKNOWN: Final = Origin()
"""That of a job which an earlier version stored."""
