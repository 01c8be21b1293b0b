"""When a caller should look at a job again: the Retry-After header.

<<<<<<< HEAD
Looking costs requests of the stage's limits. A caller that obeys looks 8 times at a job of a minute and 20
times at one of 15 minutes (5 and 6 times if it has an estimate), and sees its end late by a quarter of its age at most.
=======
A caller that obeys looks 8 times at a job of a minute and 20 times at one of 15 minutes (5 and 6 times if it has an
estimate), and sees its end late by a quarter of its age at most.
>>>>>>> w-gate
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from imagegen.jobs.view import JobInfo

FIRST_S: Final = 3
"""Seconds before the first look. Five callers in lockstep make 1.7 requests per second."""
LONGEST_S: Final = 300
"""Longest interval: a job that has waited for hours is looked at twelve times an hour."""
GROWTH: Final = 1 / 4
"""Growth of the interval with the job's age, so that the number of looks grows with the logarithm of its duration."""
GROWTH_WITH_ESTIMATE: Final = 1 / 10
"""The same if the job has an estimate, which alone would never end the short intervals of a job that is late."""


def retry_after(jobs: Sequence[JobInfo], now: datetime) -> dict[str, str]:
    """Return the header for a response with these jobs: the shortest of their intervals; none if all are final."""
    waits = [_interval_s(job, now) for job in jobs if job.progress is not None]
    return {"Retry-After": str(min(waits))} if waits else {}


def _interval_s(job: JobInfo, now: datetime) -> int:
    """Return half of the estimated time, and at least what the job's age requires."""
    age_s = max(0.0, (now - job.created_at).total_seconds())
    eta_ms = job.progress.eta_ms if job.progress else None
    by_age_s = FIRST_S + (GROWTH if eta_ms is None else GROWTH_WITH_ESTIMATE) * age_s
    return min(LONGEST_S, math.ceil(max(by_age_s, (eta_ms or 0) / 2000)))
