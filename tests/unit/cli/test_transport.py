from __future__ import annotations

import pytest

from imagegen_cli.deadline import Deadline
from imagegen_cli.transport import timeouts_within


@pytest.mark.parametrize(("left", "connect", "read"), [(None, 10, 60), (30, 10, 30), (5, 5, 5)])
def test_a_generation_may_take_longer_than_a_connection(left: float | None, connect: float, read: float) -> None:
    timeouts = timeouts_within(Deadline(left, clock=lambda: 0.0))
    assert (timeouts.total, timeouts.connect_timeout, timeouts.read_timeout) == (None, connect, read)
