from __future__ import annotations

import pytest

from imagegen_cli.deadline import Deadline
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure


def test_without_a_limit_every_time_is_allowed() -> None:
    deadline = Deadline(None)
    assert (deadline.within(60), deadline.within(0), deadline.allows(1e9)) == (60, 0, True)


def test_what_is_left_bounds_each_wait() -> None:
    now = [100.0]
    deadline = Deadline(5, clock=lambda: now[0])
    assert (deadline.within(60), deadline.within(2), deadline.allows(4), deadline.allows(5)) == (5, 2, True, False)
    now[0] = 104.0
    assert deadline.within(60) == 1
    now[0] = 105.0
    with pytest.raises(Failure, match="Not done after 5 s") as raised:
        deadline.within(60)
    assert raised.value.exit_code is ExitCode.TIMEOUT
