from __future__ import annotations

from threading import Thread

import pytest

from imagegen_cli.batch.stopping import Pace, Stop
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure


def test_a_stop_ends_waits_and_requests() -> None:
    stop, ends = Stop(None), []

    def wait() -> None:
        try:
            stop.sleep(3600)
        except Failure as failure:
            ends.append(failure.exit_code)

    thread = Thread(target=wait)
    thread.start()
    stop.set()
    thread.join(60)
    assert ends == [ExitCode.INTERRUPTED]
    with pytest.raises(Failure, match="Interrupted"):
        stop.within(1)


def test_a_stop_that_was_not_made_is_a_deadline() -> None:
    assert Stop(None).within(10) == 10
    assert Stop(3600).within(10) == 10
    with pytest.raises(Failure, match="--timeout"):
        Stop(1e-9).within(10)


def test_all_wait_as_long_as_the_longest_wait_that_one_was_told() -> None:
    slept: list[float] = []
    pace = Pace(slept.append, clock=lambda: sum(slept))
    pace.wait()
    pace.hold(5)
    pace.hold(2)
    pace.wait()
    pace.wait()
    assert slept == [5]
