from __future__ import annotations

import pytest

from imagegen.api import cursor
from imagegen.errors import InvalidCursor
from tests.support.job_states import JOB_ID


def test_a_cursor_is_decoded_for_its_own_tenant_only() -> None:
    assert cursor.decode("alice", cursor.encode("alice", JOB_ID)) == JOB_ID
    with pytest.raises(InvalidCursor):
        cursor.decode("bob", cursor.encode("alice", JOB_ID))
