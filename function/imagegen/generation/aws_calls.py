"""The AWS requests that come with a piece of work, counted from what the code does. Pure.

They are counted, not metered: AWS reports none of them to the function that makes them. Not counted: reads, downloads,
uploads, checkpoints, webhooks, signatures of content credentials, logs and traces, retries, looking at a job, and the
compute time of other functions than the one that draws. A direct invocation with an idempotency key counts as a request
through the gateway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LEASE_S: Final = 5
"""Seconds between two renewals of a job's lease (jobs/timing.py)."""
LEASE_WRITES: Final = 4
"""A row of up to 2 KB, and its old and new place in by_due."""


@dataclass(frozen=True)
class AwsCalls:
    """Requests to API Gateway, Lambda and SQS, and write units of DynamoDB; a lease adds those of its renewals."""

    gateway: int = 0
    invocations: int = 0
    messages: int = 0
    writes: int = 0
    holds_lease: bool = False

    def writes_in(self, seconds: float) -> int:
        """Return the write units of work that takes `seconds`."""
        return self.writes + (int(seconds // LEASE_S) * LEASE_WRITES if self.holds_lease else 0)


DIRECT_INVOCATION: Final = AwsCalls(invocations=1, writes=2)
"""Generator, and the lease of identical work, which is taken and released."""
REQUEST: Final = AwsCalls(gateway=1, invocations=2, writes=18)
"""POST /generate, by Authorizer and Generator. Its rows have less than a kilobyte: a unit each, two in a transaction.

Before: rate, quota, reservation (6), and the reservation in by_due (1). After: reservation, quota, usage, bill (8), and
by_due (1). The lease of identical work (2).
"""
_JOB: Final = AwsCalls(gateway=1, invocations=2, writes=34)
"""Submitting a job, by Authorizer and Api or Generator, and its end.

Before: the rate (1), a row of 2 KB (4) in two indexes (2), quota, reservation and open jobs (6), and by_due (1).
After: a row of 3 KB (6) in two indexes (3), reservation, quota, open jobs, usage and bill (10), and by_due (1).
"""
_RUN: Final = AwsCalls(invocations=1, messages=3, writes=14)
"""A run, whose message is sent, received and deleted.

The row (2) in its indexes (3) once the message is sent, and again (2 + 4) when a worker claims it; the turn (1); the
lease of identical work (2).
"""


def of_job(runs: int, *, is_in_place: bool = False) -> AwsCalls:
    """Return the requests of a job that ends with its run number `runs`. A run `is_in_place` has no message."""
    sent = 0 if is_in_place else runs
    return AwsCalls(
        gateway=_JOB.gateway,
        invocations=_JOB.invocations + sent * _RUN.invocations,
        messages=sent * _RUN.messages,
        writes=_JOB.writes + runs * _RUN.writes,
        holds_lease=True,
    )
