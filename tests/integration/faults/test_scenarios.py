"""Figures that scenarios compute from the history."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.faults.history import Entry, History
from tools.faults.report import false_failure_odds, unexpected_redeliveries
from tools.faults.restarts import repeated_kills, restart_delays


def delivery(ids: str, failed: str = "") -> Entry:
    return {"records": [[each, 1] for each in ids], "failed": list(failed)}


def test_failed_record_is_expected_again() -> None:
    assert unexpected_redeliveries([delivery("abc", failed="b"), delivery("b")]) == 0


def test_redelivery_without_failure_is_counted() -> None:
    assert unexpected_redeliveries([delivery("abc"), delivery("b")]) == 1


def test_failure_without_redelivery_is_counted() -> None:
    assert unexpected_redeliveries([delivery("abc", failed="b")]) == 1


def test_odds_of_a_false_failure_are_the_sum_over_its_causes() -> None:
    figures = false_failure_odds(
        unrecorded=0.1, max_attempts=6, aws_failures=0.5, max_aws_failures=8, failed_deliveries=0.5, max_receives=10
    )
    assert figures["false_dead_letters_per_million"] == pytest.approx(1 + 1e6 / 512 + 1e6 / 1024)


def restarted(at: float, job: str, ended: str = "killed", took_s: float = 1.0) -> str:
    entry = {"event": "delivered", "at": at, "bodies": [job], "ended": ended, "took_s": took_s}
    return json.dumps(entry) + "\n"


def test_restart_is_the_next_delivery_of_the_killed_job(tmp_path: Path) -> None:
    deliveries = [
        restarted(3.0, "b"),
        restarted(4.0, "a", "returned"),
        restarted(10.0, "b"),
        restarted(70.0, "b", "returned", took_s=2.0),
    ]
    (tmp_path / "1.history").write_text("".join(deliveries))
    history = History(tmp_path)
    assert restart_delays(history) == [6.0, 58.0]
    assert repeated_kills(history) == 1
