"""Warm-ups of several environments at once."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from imagegen.errors import StorageUnavailable
from imagegen.rollout.ports import Answer
from imagegen.rollout.warm_up import HOLD_MS, Warmed, warm


class Environments:
    """A function whose environments hold one call at a time, as Lambda's. All calls of a moment overlap."""

    def __init__(self, callers: int, *, reused: bool = False, limit: int = 1000):
        self._together = threading.Barrier(callers)
        self._lock = threading.Lock()
        self._started = 0
        self._reused, self._limit = reused, limit
        self.events: list[dict[str, Any]] = []

    def invoke(self, function: str, event: dict[str, Any]) -> Answer:
        with self._lock:
            self.events.append(event)
            self._started += 1
            number = self._started
        self._together.wait(timeout=60)  # breaks if the pings are not sent at once
        if number > self._limit:
            raise StorageUnavailable("", private="Lambda: ClientError TooManyRequestsException")
        name = "the only one" if self._reused else str(number)
        return Answer({"status": "warm", "environment": name, "cold_start": number == 1})


def test_all_environments_answer_at_once() -> None:
    function = Environments(5)
    assert warm(function, "generator:live", 5) == Warmed(wanted=5, environments=5, cold=1, failures={})
    assert function.events == [{"warmup": True, "hold_ms": HOLD_MS}] * 5


def test_an_environment_that_answers_twice_counts_once() -> None:
    assert warm(Environments(3, reused=True), "generator:live", 3).environments == 1


def test_throttled_pings_are_counted_by_reason() -> None:
    warmed = warm(Environments(4, limit=3), "generator:live", 4)
    assert (warmed.environments, warmed.failures) == (3, {"Lambda: ClientError TooManyRequestsException": 1})


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (Answer({"status": 503, "code": "model_unavailable"}), "model_unavailable"),
        (Answer({"errorMessage": "out of time"}, "out of time"), "out of time"),
        (Answer(None), "no answer"),
        (Answer("warm"), "no answer"),
        (Answer([]), "no answer"),
    ],
)
def test_a_ping_that_warmed_nothing_is_a_failure(answer: Answer, failure: str) -> None:
    class Function:
        def invoke(self, function: str, event: dict[str, Any]) -> Answer:
            return answer

    assert warm(Function(), "generator:live", 1) == Warmed(wanted=1, environments=0, cold=0, failures={failure: 1})
