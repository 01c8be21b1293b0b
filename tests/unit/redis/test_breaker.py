"""The circuit breaker's time: one attempt in a pause, also with many threads."""

from __future__ import annotations

from imagegen.redis.breaker import PAUSE_S, Breaker
from tests.support.aws_calls import at_once


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_lets_everything_through_until_a_failure() -> None:
    breaker = Breaker(Clock())
    assert all(breaker.lets_through() for _ in range(3))
    breaker.succeeded()
    assert breaker.lets_through()
    breaker.failed()
    assert not breaker.lets_through()


def test_after_the_pause_one_caller_tries_and_success_closes_it() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed()
    clock.now = PAUSE_S - 0.001
    assert not breaker.lets_through()
    clock.now = PAUSE_S
    assert at_once(16, lambda _: breaker.lets_through()).count(True) == 1
    breaker.succeeded()
    assert all(breaker.lets_through() for _ in range(3))


def test_an_attempt_that_fails_begins_another_pause() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed()
    clock.now = PAUSE_S
    assert breaker.lets_through()
    clock.now += 1
    breaker.failed()
    clock.now += PAUSE_S - 0.001
    assert not breaker.lets_through()
    clock.now += 0.001
    assert breaker.lets_through()


def test_an_attempt_that_never_ends_blocks_for_one_pause() -> None:
    """A thread can be killed between the two calls."""
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed()
    clock.now = PAUSE_S
    assert breaker.lets_through()
    clock.now += PAUSE_S
    assert breaker.lets_through()
