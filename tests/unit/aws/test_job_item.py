from __future__ import annotations

from imagegen import jobs
from imagegen.job_item import from_item, to_item
from tests.support.job_states import LIMITS, NOW, RESULT, new, renewed_at, running


def test_a_job_is_read_from_the_table_as_it_was_written() -> None:
    for job in (new(), renewed_at(running(), 5), jobs.succeeded(running(), "me", NOW, LIMITS, RESULT)):
        assert from_item(to_item(job) | {"of a later version": 1}) == job
    assert "prompt" not in str(to_item(new())["pk"])
