"""Releases the reservations of requests and jobs whose process died, for the sweeper."""

from __future__ import annotations

from typing import Final

from imagegen.deadline import Deadline
from imagegen.errors import StorageUnavailable
from imagegen.limits.ports import Quotas

LIMIT: Final = 1000
"""Reservations per sweep; the next one follows within a minute."""
_RELEASE_S: Final = 3.0
"""Time for one release, with its retries."""


def release_lost(quotas: Quotas, deadline: Deadline) -> int:
    """Release every reservation that is lost, and return how many were. Raises StorageUnavailable for the look-up.

    One that cannot be released stays for the next sweep.
    """
    released = 0
    for reservation in quotas.lost(LIMIT):
        if deadline.left() < _RELEASE_S:
            break
        try:
            released += quotas.settle(reservation)
        except StorageUnavailable:
            continue
    return released
