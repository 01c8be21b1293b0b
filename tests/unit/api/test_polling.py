"""Callers who poll as Retry-After says need two requests per second, in bursts of ten, and few in a month."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from imagegen.api.polling import retry_after
from imagegen.jobs.view import JobInfo, ProgressInfo

START = datetime(2026, 11, 26, 12, tzinfo=UTC)
TYPICAL_S = [1, 5, 28, 52, 120, 300, 900]
"""The demo model; SD-Turbo; the gateway's limit; SD 1.5 with 30 steps; and up to a worker's whole time."""
RATE_PER_S, BURST, PER_MONTH = 2, 10, 100_000
"""What an obedient caller of five jobs at once may use: what a key could use until the gateway's usage plan went."""


def job(*, status: Any = "running", eta_ms: int | None = None) -> JobInfo:
    progress = ProgressInfo(
        phase="step", position=None, step=1, of=10, percent=10, resumed_at=0, eta_ms=eta_ms, preview=None
    )
    return JobInfo(
        id="1",
        status=status,
        created_at=START,
        started_at=START,
        finished_at=None,
        expires_at=START,
        attempt=1,
        progress=progress if status in ("queued", "running") else None,
        result=None,
        error=None,
        metadata={},
    )


def polls(duration_s: float, *, estimated: bool) -> list[float]:
    """The seconds after its submission at which an obedient caller looks at a job, until it sees it finished."""
    found: list[float] = []
    now = 0.0
    while not found or now < duration_s:
        eta_ms = round(1000 * (duration_s - now)) if estimated and found else None
        now += int(retry_after([job(eta_ms=eta_ms)], START + timedelta(seconds=now))["Retry-After"])
        found.append(now)
    return found


@dataclass
class Bucket:
    """A token bucket with these limits."""

    tokens: float = BURST
    last: float = 0.0
    rejected: int = 0

    def request(self, now: float) -> None:
        self.tokens = min(BURST, self.tokens + (now - self.last) * RATE_PER_S)
        self.last = now
        if self.tokens < 1:
            self.rejected += 1
        else:
            self.tokens -= 1


@pytest.mark.parametrize("estimated", [False, True])
@pytest.mark.parametrize("duration_s", TYPICAL_S)
def test_five_jobs_polled_as_told_are_never_rejected(duration_s: float, estimated: bool) -> None:
    """In lockstep, the worst case: submitted at the same moment, then five more at the moment that those are seen done.

    Jobs of a few seconds are submitted once: five more at once would exceed the rate by the submissions alone.
    """
    bucket, rounds = Bucket(), 20 if duration_s >= 28 else 1
    one_round = [0.0, *polls(duration_s, estimated=estimated)]
    for start in range(rounds):
        for second in one_round:
            for _ in range(5):
                bucket.request(start * one_round[-1] + second)
    assert bucket.rejected == 0


@pytest.mark.parametrize("estimated", [False, True])
def test_the_number_of_looks_grows_with_the_logarithm_of_the_duration(estimated: bool) -> None:
    for duration_s in TYPICAL_S:
        looks = polls(duration_s, estimated=estimated)
        assert len(looks) <= 2 + 4 * math.log2(1 + duration_s)
        assert looks[-1] - duration_s <= max(3, duration_s / 4 + 2)
    assert len(polls(6 * 3600, estimated=False)) <= 25 + 6 * 12


def test_the_monthly_quota_is_enough_for_ten_thousand_jobs_of_a_minute() -> None:
    assert 10_000 * (1 + len(polls(60, estimated=True))) <= PER_MONTH


def test_a_late_job_is_not_polled_ever_faster() -> None:
    now, looks = 0.0, 0
    while now < 600:
        now += int(retry_after([job(eta_ms=0)], START + timedelta(seconds=now))["Retry-After"])
        looks += 1
    assert looks <= 40


def test_only_jobs_that_are_not_final_are_to_be_looked_at_again() -> None:
    later = START + timedelta(seconds=100)
    assert retry_after([job(status="succeeded")], later) == retry_after([], later) == {}
    assert retry_after([job(eta_ms=90_000), job(status="failed"), job()], later) == {"Retry-After": "28"}
    assert retry_after([job()], START - timedelta(seconds=5)) == {"Retry-After": "3"}
