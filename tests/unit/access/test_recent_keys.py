from __future__ import annotations

import pytest

from imagegen.access.caller import Caller
from imagegen.access.ports import FoundKey
from imagegen.access.recent_keys import KEPT_MS, MAX_KEYS, RecentKeys
from tools.faults.job_backend import MovableClock

CALLER = Caller.of("alice", "key:1", ["user"])
FOUND = FoundKey(CALLER, "1")


def test_a_key_is_remembered_for_a_minute_and_marked() -> None:
    clock = MovableClock(0)
    recent = RecentKeys(clock)
    assert recent.get("a") is None
    recent.learn("a", FOUND)
    clock.now = KEPT_MS - 1
    assert recent.get("a") == Caller("alice", "key:1", CALLER.roles, CALLER.scopes, remembered_key="1")
    clock.now = KEPT_MS
    assert recent.get("a") is None


@pytest.mark.parametrize(("ends_at", "until_ms"), [(30, 30_000), (60, 60_000), (90, KEPT_MS)])
def test_a_key_that_has_an_end_is_remembered_until_then(ends_at: int, until_ms: int) -> None:
    clock = MovableClock(0)
    recent = RecentKeys(clock)
    recent.learn("a", FoundKey(CALLER, "1", ends_at=ends_at))
    clock.now = until_ms - 1
    assert recent.get("a") is not None
    clock.now = until_ms
    assert recent.get("a") is None


def test_a_clock_that_is_set_back_does_not_keep_a_key_for_longer() -> None:
    clock = MovableClock(3_600_000)
    recent = RecentKeys(clock)
    recent.learn("a", FOUND)
    clock.now = 0
    assert recent.get("a") is None


def test_a_key_that_is_not_found_any_more_is_forgotten() -> None:
    recent = RecentKeys(MovableClock(0))
    recent.learn("a", FOUND)
    recent.learn("a", None)
    assert recent.get("a") is None


def test_the_memory_is_bounded_and_forgets_the_key_that_was_looked_up_first() -> None:
    recent = RecentKeys(MovableClock(0))
    for number in range(MAX_KEYS):
        recent.learn(str(number), FOUND)
    recent.learn("0", FOUND)
    recent.learn("one more", FOUND)
    assert recent.get("1") is None
    assert None not in {recent.get(each) for each in ("0", "2", str(MAX_KEYS - 1), "one more")}
    assert len(recent) == MAX_KEYS
