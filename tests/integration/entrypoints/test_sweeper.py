"""The Sweeper function."""

from __future__ import annotations

from collections.abc import Callable

from imagegen.entrypoints import sweeper
from tests.support.job_handlers import JobHandlers
from tools.lambda_event import Context


def test_the_sweeper_counts_the_jobs_that_it_swept(handlers: JobHandlers) -> None:
    handlers.submit()
    handlers.world.clock.pass_s(3601)
    assert sweeper.handler({}, Context()) == {"swept": 1, "given_up": 0, "released": 0}


def test_a_sweep_writes_metrics_only_if_it_handled_a_job(handlers: JobHandlers, printed: Callable[[], str]) -> None:
    """CloudWatch bills a custom metric for each hour in which it gets a value."""
    assert sweeper.handler({}, Context()) == {"swept": 0, "given_up": 0, "released": 0}
    assert printed() == ""
    handlers.submit()
    handlers.world.clock.pass_s(3601)
    sweeper.handler({}, Context())
    assert '"Swept":[1.0]' in printed()
