"""Figures that scenarios compute from the history."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.faults.history import Entry, History
from tools.faults.scenarios import false_failure_odds, restart_delays, unexpected_redeliveries


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


def test_restart_is_the_next_generation_of_the_killed_job(tmp_path: Path) -> None:
    entries = [
        {"event": "generating", "at": 1.0, "pid": 1, "n": "a"},
        {"event": "generating", "at": 2.0, "pid": 1, "n": "b"},
        {"event": "generating", "at": 2.5, "pid": 2, "n": "c"},
        {"event": "killed", "at": 3.0, "pid": 1, "point": "denoising"},
        {"event": "generating", "at": 4.0, "pid": 2, "n": "a"},
        {"event": "generating", "at": 9.0, "pid": 3, "n": "b"},
    ]
    (tmp_path / "1.history").write_text("".join(json.dumps(each) + "\n" for each in entries))
    assert restart_delays(History(tmp_path)) == [6.0]
