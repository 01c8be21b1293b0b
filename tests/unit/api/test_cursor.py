from __future__ import annotations

import pytest

from imagegen.api import cursor
from imagegen.errors import InvalidCursor
from tests.support.job_states import JOB_ID


def test_a_cursor_is_decoded_for_its_own_tenant_only() -> None:
    assert cursor.decode("alice", cursor.encode("alice", JOB_ID)) == JOB_ID
    with pytest.raises(InvalidCursor):
        cursor.decode("bob", cursor.encode("alice", JOB_ID))


@pytest.mark.parametrize("row", [("alice", "demo"), ("a-b_c", "owner/name"), ("", "")])
def test_a_cursor_of_a_report_is_decoded_for_its_own_month_only(row: tuple[str, str]) -> None:
    made = cursor.encode_row("2026-11", row)
    assert cursor.decode_row("2026-11", made) == row
    with pytest.raises(InvalidCursor):
        cursor.decode_row("2026-10", made)


@pytest.mark.parametrize("text", ["", "x", "!", "AAAA", "AAAAAAAAAAAA", "////////////////", "é", "A" * 400])
def test_what_is_no_cursor_of_a_report_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        cursor.decode_row("2026-11", text)


def test_a_cursor_of_jobs_is_none_of_a_report() -> None:
    with pytest.raises(InvalidCursor):
        cursor.decode_row("alice", cursor.encode("alice", JOB_ID))
