from __future__ import annotations

from dataclasses import replace

from imagegen.jobs import states
from imagegen.jobs.job import Progress
from tests.support.job_states import LIMITS, running


def test_the_first_step_is_not_part_of_the_estimate() -> None:
    assert states.estimate(1, 10, 0) == Progress(1, 10)
    assert states.estimate(3, 10, 4000) == Progress(3, 10, eta_ms=14_000)


def test_backoff_doubles_up_to_fifteen_minutes() -> None:
    pauses = [states.backoff_s(setbacks, LIMITS) for setbacks in (0, 1, 2, 6, 10, 11, 10**6)]
    assert pauses == [1, 1, 2, 32, 512, 900, 900]


def test_aws_failures_are_tolerated_for_half_a_day() -> None:
    pauses = [states.backoff_s(setbacks, LIMITS) for setbacks in range(1, LIMITS.max_setbacks + 1)]
    assert 12 * 3600 < sum(pauses) < 13 * 3600
    assert not states.exhausted(replace(running(), setbacks=LIMITS.max_setbacks - 1), LIMITS, "setback")
    assert states.exhausted(replace(running(), setbacks=LIMITS.max_setbacks), LIMITS, "setback")
