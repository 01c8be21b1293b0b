from __future__ import annotations

import json

import pytest

from imagegen.jobs.message import VERSION, JobMessage, Unreadable
from tests.support.job_states import JOB_ID

MESSAGE = JobMessage(version=VERSION, tenant="alice", job_id=JOB_ID)


def test_a_message_is_parsed_as_it_was_written() -> None:
    assert JobMessage.parse(MESSAGE.body()) == MESSAGE


@pytest.mark.parametrize("tenant", ["local", "Acme_Inc-2", "sub-0f3c", "A", "z" * 64])
def test_any_tenant_has_messages(tenant: str) -> None:
    message = MESSAGE.model_copy(update={"tenant": tenant})
    assert JobMessage.parse(message.body()) == message


def test_fields_of_a_newer_version_are_ignored() -> None:
    assert JobMessage.parse(json.dumps({**json.loads(MESSAGE.body()), "priority": "high"})) == MESSAGE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": VERSION + 1}, "unknown_version"),
        ({"version": True}, "unknown_version"),
        ({"version": VERSION + 1, "job_id": 7}, "unknown_version"),
        ({"job_id": "canary"}, "malformed_message"),
        ({"tenant": None}, "malformed_message"),
        ({"tenant": "alice#bob"}, "malformed_message"),
        ({"tenant": "alice\n"}, "malformed_message"),
    ],
)
def test_an_unreadable_message_is_refused_with_a_reason_that_quotes_nothing(
    change: dict[str, object], reason: str
) -> None:
    with pytest.raises(Unreadable) as refusal:
        JobMessage.parse(json.dumps({**json.loads(MESSAGE.body()), **change}))
    assert (refusal.value.reason, str(refusal.value)) == (reason, reason)
