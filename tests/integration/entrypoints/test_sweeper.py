"""The Sweeper function."""

from __future__ import annotations

from imagegen.entrypoints import sweeper
from tests.support.job_handlers import JobHandlers
from tools.lambda_event import Context


def test_the_sweeper_counts_the_jobs_that_it_swept(handlers: JobHandlers) -> None:
    handlers.submit()
    handlers.world.clock.pass_s(3601)
    assert sweeper.handler({}, Context()) == {"swept": 1, "given_up": 0}
