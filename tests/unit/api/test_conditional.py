"""Entity tags of jobs: what changes them, and how If-None-Match is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from imagegen.api.conditional import entity_tag, matches
from imagegen.jobs.view import JobInfo, ProgressInfo

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
TAG = 'W/"abc"'


def progress(**changes: Any) -> ProgressInfo:
    known = {"phase": "step", "position": None, "step": 3, "of": 10, "percent": 30, "resumed_at": 0, "preview": None}
    return ProgressInfo(**{**known, "eta_ms": 5000, **changes})


def job(**changes: Any) -> JobInfo:
    known = {"id": "01", "status": "running", "created_at": NOW, "started_at": NOW, "finished_at": None, "attempt": 1}
    known |= {"expires_at": NOW, "progress": progress(), "result": None, "error": None, "metadata": {}}
    return JobInfo(**known | changes)


def tag(info: JobInfo, now: datetime = NOW) -> str:
    return entity_tag(info, now, url_seconds=3600)


def test_only_the_time_changes_no_tag() -> None:
    assert tag(job(progress=progress(eta_ms=4000)), NOW + timedelta(hours=5)) == tag(job())


@pytest.mark.parametrize(
    "changed",
    [
        job(progress=progress(step=4)),
        job(progress=progress(preview="data:image/jpeg;base64,AA==")),
        job(progress=progress(eta_ms=None)),
        job(progress=progress(position=2)),
        job(attempt=2),
        job(status="cancelled", progress=None),
        job(metadata={"order": "A-17"}),
    ],
)
def test_any_other_change_does(changed: JobInfo) -> None:
    assert tag(changed) != tag(job())


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('W/"abc"', True), ('"abc"', True), ('"x", W/"abc"', True), ('"x",W/"abc","y"', True), ("*", True),
        (" * ", True), ('W/"a,c", W/"abc"', True), ('"abcd"', False), ('W/"ABC"', False), ("abc", False), ("", False),
        ('"abc', False), ('"*"', False), (None, False),
    ],
)  # fmt: skip
def test_if_none_match(header: str | None, expected: bool) -> None:
    event = APIGatewayProxyEvent({"headers": {} if header is None else {"if-none-match": header}})
    assert matches(event, TAG) is expected
