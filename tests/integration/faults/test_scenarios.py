"""What scenarios work out from ledgers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.faults.history import Entry
from tools.faults.scenarios import arithmetic, redelivered_otherwise, restarts


def delivery(ids: str, back: str = "") -> Entry:
    return {"records": [[each, 1] for each in ids], "back": list(back)}


def test_what_was_given_back_came_again() -> None:
    assert redelivered_otherwise([delivery("abc", back="b"), delivery("b")]) == 0


def test_a_message_that_came_again_unasked_is_counted() -> None:
    assert redelivered_otherwise([delivery("abc"), delivery("b")]) == 1


def test_a_message_that_did_not_come_again_is_counted() -> None:
    assert redelivered_otherwise([delivery("abc", back="b")]) == 1


def test_a_job_without_fault_fails_as_often_as_all_ways_to_it_together() -> None:
    figures = arithmetic(silent=0.1, max_attempts=6, set_back=0.5, max_setbacks=8, given_back=0.5, max_receives=10)
    assert figures["false_dead_letters_per_million"] == pytest.approx(1 + 1e6 / 512 + 1e6 / 1024)


def test_a_restart_is_the_next_generation_of_the_victims_job(tmp_path: Path) -> None:
    history = [
        {"event": "generating", "at": 1.0, "pid": 1, "n": "a"},
        {"event": "generating", "at": 2.0, "pid": 1, "n": "b"},
        {"event": "generating", "at": 2.5, "pid": 2, "n": "c"},
        {"event": "killed", "at": 3.0, "pid": 1, "moment": "denoising"},
        {"event": "generating", "at": 4.0, "pid": 2, "n": "a"},
        {"event": "generating", "at": 9.0, "pid": 3, "n": "b"},
    ]
    (tmp_path / "1.ledger").write_text("".join(json.dumps(each) + "\n" for each in history))
    assert restarts(tmp_path) == [6.0]
