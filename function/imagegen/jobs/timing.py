"""Durations and retry limits of jobs, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Phase = Literal["load", "step", "decode"]

REQUEUE_S: Final = 3.0
"""Seconds of a function's time reserved for requeueing a run: two writes and a message, each with its retries."""


@dataclass(frozen=True)
class JobTiming:
    """Durations are in seconds; tests shorten them."""

    lease_s: float = 20
    """A dead worker's job is noticed after this. Four renewals: a live worker loses the lease only if three fail."""
    renew_s: float = 5
    progress_s: float = 1
    """Shortest interval between two progress writes. Each write also detects a cancellation."""
    save_every_s: float = 30
    """The most work that a killed run loses, if no step takes longer than the one before it. A save costs less than 1 %
    of it (docs/decisions/jobs.md)."""
    load_s: float = 300
    """Ceiling per phase, after which a worker counts as hung. At 1024 x 1024 on two busy vCPUs without AVX-512, SDXL
    loaded in 13 s, and its slowest step, the first, took 147 s (docs/decisions/openvino.md); with guidance a step takes
    twice as long. Its slowest decoding took 30 s, at 512 x 512."""
    step_s: float = 450
    decode_s: float = 300
    max_attempts: int = 6
    """Runs that may crash. If 1 run in 20 were killed, this would fail 1 job in 64 million."""
    max_deadline_requeues: int = 3
    """Runs that may end at their deadline without progress. The first may have had only POST /generate's 28 s; a
    worker's 900 s may be spent on loading and compiling once, and on a slow CPU once. A fourth run that does not fit a
    step shows that none will."""
    waiting_s: int = 60
    """Delay before the next run after one that only waited for another job that generates the same images."""
    max_continuations: int = 11
    """Runs that may end at their deadline with progress for the next one: with the last run, 12 runs of 900 s, three
    hours and 1.80 USD at 10,240 MB. On two vCPUs without AVX-512, 30 steps of SDXL at 1024 x 1024 took three runs
    (docs/decisions/openvino.md). Four such images would take ten runs at its 65 s a step. At the 85 s of its first run,
    beside other work, they would not fit: the limit bounds the price, so it does not allow for that."""
    run_s: float = 900
    """The longest run: Lambda's longest timeout."""
    unsent_s: float = 15
    """Delay after which the sweeper sends a job's message if the process that wrote the row has not."""
    resend_s: float = 3600
    """Longest delay before the sweeper examines a sent job that no worker has claimed (`unclaimed_s`)."""
    queued_s: float = 4
    """Seconds that a message takes which is ahead in the queue: the template's five workers, jobs of 20 s."""
    max_aws_failures: int = 60
    """Runs that AWS failures may end: half a day of failures only, with the backoff between them. If 3 of 4 runs ended
    that way, this would fail 1 job in 40 million. Counted, not timed: waiting in a long queue between two runs is no
    failure."""
    max_backoff_s: int = 900
    """Longest delay before the next run after AWS failures; SQS does not delay a message for longer."""

    @property
    def longest_s(self) -> float:
        """The most seconds that the runs which contribute to one result take."""
        return (self.max_continuations + 1) * self.run_s

    def ceiling_s(self, phase: Phase) -> float:
        """Return how many seconds `phase` may take before its worker counts as hung."""
        return {"load": self.load_s, "step": self.step_s, "decode": self.decode_s}[phase]

    def unclaimed_s(self, resends: int, waiting: int = 0) -> float:
        """Return how many seconds a sent job may stay unclaimed before the sweeper examines it.

        A lease for the first three times, then twice as long each time; `queued_s` for each of the `waiting` messages
        if that is longer; at most `resend_s`. SQS hides a message for 960 s after a process took it, also if that
        process died before it claimed the job.
        """
        doublings = max(0, min(resends, 16) - 2)
        return min(self.resend_s, max(self.lease_s * (1 << doublings), self.queued_s * waiting))

    def backoff_s(self, aws_failures: int) -> int:
        """Return the seconds before the run that follows `aws_failures` failures: 1, 2, 4 ... `max_backoff_s`."""
        return min(self.max_backoff_s, 1 << max(0, min(aws_failures, 16) - 1))
