"""How log lines name a request, also lines about the job that it created. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_MAY_BE_LOGGED: Final = re.compile("[!-~]{1,128}")


@dataclass(frozen=True)
class Origin:
    """A request's id, which its caller received as `x-request-id`, and its X-Ray trace; None if unknown.

    A caller can choose both, so they are names for a reader of the logs and prove nothing.
    """

    request_id: str | None = None
    trace_id: str | None = None


UNKNOWN: Final = Origin()
"""That of a job which an earlier version stored."""


def request_id(given: object, own: str) -> str:
    """Return the gateway's id `given` of a request, or Lambda's `own` if that must not be stored and logged.

    A caller can choose the gateway's, by the header X-Amzn-RequestId (AWS, "Variables for data transformations").
    """
    return given if isinstance(given, str) and _MAY_BE_LOGGED.fullmatch(given) else own
