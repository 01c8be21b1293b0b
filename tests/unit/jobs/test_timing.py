from __future__ import annotations

from dataclasses import replace

from imagegen.jobs import states
from tests.support.job_states import TIMING, running


def test_backoff_doubles_up_to_fifteen_minutes() -> None:
    pauses = [TIMING.backoff_s(aws_failures) for aws_failures in (0, 1, 2, 6, 10, 11, 10**6)]
    assert pauses == [1, 1, 2, 32, 512, 900, 900]


def test_aws_failures_are_tolerated_for_half_a_day() -> None:
    most = TIMING.max_aws_failures
    assert 12 * 3600 < sum(TIMING.backoff_s(aws_failures) for aws_failures in range(1, most + 1)) < 13 * 3600
    assert not states.exhausted(replace(running(), aws_failures=most - 1), TIMING, "aws_failure")
    assert states.exhausted(replace(running(), aws_failures=most), TIMING, "aws_failure")
