"""A few of R3's random job lifecycles; `make faults` runs 2,000."""

from __future__ import annotations

from hypothesis import settings

from tools.faults.job_lifecycle import STEPS, JobLifecycle

JobLifecycle.TestCase.settings = settings(max_examples=15, stateful_step_count=STEPS, deadline=None)
TestJobLifecycle = JobLifecycle.TestCase
