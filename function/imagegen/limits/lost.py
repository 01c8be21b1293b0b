"""Releases the reservations of requests and jobs whose process died, for the sweeper."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from imagegen.deadline import Deadline
from imagegen.errors import ServiceError, StorageUnavailable
from imagegen.limits.ports import Quotas

LIMIT: Final = 250
"""Reservations per sweep; the next one follows within a minute."""
_RELEASE_S: Final = 3.0
"""Time for one release, with its retries."""


@dataclass
class Released:
    """How many reservations were released, and what kept the sweeper from releasing others."""

    count: int = 0
    failures: list[ServiceError] = field(default_factory=list)


def release_lost(quotas: Quotas, deadline: Deadline) -> Released:
    """Release every reservation that is lost. Never raises ServiceError: one that cannot be released stays lost.

    A table that does not respond is a failure only of the look-up: the next sweep follows.
    """
    released = Released()
    try:
        lost = quotas.lost(LIMIT)
    except StorageUnavailable as error:
        released.failures.append(error)
        return released
    for reservation in lost:
        if deadline.left() < _RELEASE_S:
            break
        try:
            released.count += quotas.settle(reservation)
        except StorageUnavailable:
            continue
        except ServiceError as error:  # must not stop the others
            released.failures.append(error)
    return released
