from __future__ import annotations

from imagegen.jobs.message import JobMessage
from tests.support.job_states import JOB_ID


def test_a_message_is_parsed_as_it_was_written() -> None:
    assert JobMessage.parse(JobMessage("alice", JOB_ID).body()) == JobMessage("alice", JOB_ID)
