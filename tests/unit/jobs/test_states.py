"""Which transitions of a job are allowed, and when."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from imagegen.errors import JobAlreadyFinal
from imagegen.jobs import states
from imagegen.jobs.job import Job, Progress
from imagegen.jobs.states import Held, LeaseLost
from imagegen.jobs.timing import Phase
from tests.support.job_states import ERROR, NOW, RESULT, TIMING, new, renewed_at, running


def test_a_lease_survives_three_missed_renewals_but_not_four() -> None:
    job = renewed_at(running(), 5)
    assert job.lease_until == job.due_at == NOW + 25_000
    with pytest.raises(Held):
        states.claimed(job, "you", NOW + 24_999, TIMING)
    assert states.claimed(job, "you", NOW + 25_000, TIMING).owner == "you"


def test_progress_every_second_extends_the_lease_only_every_third_one() -> None:
    """Each extension costs index by_due two writes."""
    job, ends = running(), set()
    for second in range(60):
        job = renewed_at(job, second, "step", began=second)
        assert job.lease_until == job.due_at
        assert job.lease_until is not None
        assert job.lease_until >= NOW + (second + 20 - 2.5) * 1000
        ends.add(job.lease_until)
    assert len(ends) == 20


@pytest.mark.parametrize(("phase", "ceiling"), [("load", 300), ("step", 450), ("decode", 300)])
def test_a_slow_phase_keeps_its_lease_up_to_a_limit(phase: Phase, ceiling: int) -> None:
    job = running()
    for second in range(5, 2 * ceiling, 5):
        job = renewed_at(job, second, phase)
    assert job.lease_until == NOW + ceiling * 1000
    assert renewed_at(job, ceiling, "step", began=ceiling).lease_until == NOW + (ceiling + 20) * 1000


def test_every_transition_is_idempotent() -> None:
    job = running()
    assert states.claimed(job, "me", NOW + 99_000, TIMING) == job
    done = states.succeeded(job, "me", NOW, TIMING, RESULT)
    assert states.succeeded(done, "me", NOW + 1, TIMING, RESULT.model_copy(update={"cached": True})) == done
    queued = states.requeued(job, "me", NOW, TIMING, "crash")
    assert states.requeued(queued, "me", NOW + 1, TIMING, "crash") == queued
    failed = states.failed(job, NOW, TIMING, ERROR, owner="me")
    assert states.failed(failed, NOW + 1, TIMING, ERROR, owner="me") == failed
    cancelled = states.cancelled(job, NOW, TIMING)
    assert states.cancelled(cancelled, NOW + 1, TIMING) == cancelled


def test_only_the_owner_ends_a_run() -> None:
    job = running()
    ends: list[Callable[[], object]] = [
        lambda: states.succeeded(job, "you", NOW, TIMING, RESULT),
        lambda: states.requeued(job, "you", NOW, TIMING, "crash"),
        lambda: states.failed(job, NOW, TIMING, ERROR, owner="you"),
        lambda: renewed_at(states.recovered(job, NOW + 20_000, TIMING, ERROR), 21),
    ]
    for end in ends:
        with pytest.raises(LeaseLost):
            end()
    with pytest.raises(Held):
        states.failed(job, NOW, TIMING, ERROR)


def test_a_final_state_does_not_change() -> None:
    done = states.succeeded(running(), "me", NOW, TIMING, RESULT)
    assert (done.due_at, done.lease_until, done.phase) == (1000 * done.expires_at, None, None)
    changes: list[Callable[[], object]] = [
        lambda: states.claimed(done, "you", NOW, TIMING),
        lambda: states.cancelled(done, NOW, TIMING),
        lambda: states.failed(done, NOW, TIMING, ERROR),
    ]
    for change in changes:
        with pytest.raises(JobAlreadyFinal):
            change()
    assert states.recovered(done, NOW + 10**9, TIMING, ERROR) == states.sent(done, NOW, TIMING) == done


@pytest.mark.parametrize("cause", get_args(states.Cause))
def test_waiting_for_another_run_counts_as_no_failure(cause: states.Cause) -> None:
    """For any cause of the requeue: a queue may last longer than AWS failures are tolerated."""
    waiting = states.requeued(running(), "me", NOW, TIMING, cause)
    for hours in range(1, 100):
        waiting = states.recovered(states.sent(waiting, NOW, TIMING), NOW + hours * 3600 * 1000, TIMING, ERROR)
        assert waiting.state == "queued"
    again = states.claimed(waiting, "me again", NOW + 100 * 3600 * 1000, TIMING)
    assert not any(states.exhausted(again, TIMING, each) for each in get_args(states.Cause))


@pytest.mark.parametrize("waiting", [1, 899, 900, 100_000])
def test_a_long_queue_is_no_reason_to_send_a_first_message_again(waiting: int) -> None:
    """The length was 0 when it was sent; a burst of other jobs followed."""
    job = states.sent(new(), NOW, TIMING, waiting=0)
    later = states.recovered(job, job.due_at, TIMING, ERROR, waiting=waiting)
    assert (later.state, later.sent) == ("queued", True)
    assert later.due_at > job.due_at


def test_a_job_whose_last_run_died_is_failed_by_the_sweeper() -> None:
    job = new()
    for attempt in range(TIMING.max_attempts):
        job = states.claimed(job, f"run {attempt}", NOW + attempt * 20_000, TIMING)
    with pytest.raises(Held):
        states.claimed(job, "one more", NOW + 10**6, TIMING)
    assert states.recovered(job, NOW + 10**6, TIMING, ERROR).state == "failed"


def test_a_webhook_is_due_for_the_requested_events() -> None:
    asked = states.cancelled(new(url="https://example.com", events=["job.cancelled"]), NOW, TIMING)
    assert (asked.webhook_due, asked.due_at) == (True, NOW + 15_000)
    assert (states.notified(asked).due_at, states.notified(asked).done) == (1000 * asked.expires_at, True)
    other = states.cancelled(new(url="https://example.com", events=["job.failed"]), NOW, TIMING)
    assert (other.webhook_due, other.done, asked.done) == (False, True, False)


def test_progress_never_falls_and_each_run_is_an_attempt() -> None:
    """Whatever ended the run: a killed worker, its deadline, an AWS failure."""
    halfway = states.renewed(
        running(), "me", NOW, TIMING, phase="step", phase_began=NOW, progress=Progress(14, 25, eta_ms=900)
    )
    queued = {
        "killed": states.recovered(halfway, NOW + 20_000, TIMING, ERROR),
        **{cause: states.requeued(halfway, "me", NOW, TIMING, cause) for cause in get_args(states.Cause)},
    }
    for ended, waiting in queued.items():
        again = states.claimed(waiting, "you", NOW + 90_000, TIMING)
        seen = [waiting, again]
        for step in (1, 14, 15):
            progress = Progress(step, 25, eta_ms=100 * (25 - step))
            now = NOW + 90_000 + step
            again = states.renewed(again, "you", now, TIMING, phase="step", phase_began=now, progress=progress)
            seen.append(again)
        assert [(job.runs, job.progress) for job in seen] == [
            (1, Progress(14, 25)),
            (2, Progress(14, 25)),
            (2, Progress(14, 25, eta_ms=2400)),
            (2, Progress(14, 25, eta_ms=1100)),
            (2, Progress(15, 25, eta_ms=1000)),
        ], ended
        assert {job.started_at for job in seen} == {halfway.started_at}


def test_a_preview_stays_until_the_next_one_and_until_the_job_is_final() -> None:
    def renewed(job: Job, step: int, preview: str | None = None) -> Job:
        progress = Progress(step, 25, preview=preview)
        return states.renewed(job, "me", NOW, TIMING, phase="step", phase_began=NOW, progress=progress)

    def shown(job: Job) -> str | None:
        return job.progress.preview if job.progress else None

    job = renewed(running(), 3, "data:3")
    assert shown(renewed(job, 4)) == "data:3"
    assert shown(renewed(job, 4, "data:4")) == "data:4"
    assert shown(renewed(job, 2, "data:2")) == "data:3"  # of a run that repeats steps
    assert shown(states.requeued(job, "me", NOW, TIMING, "deadline", Progress(4, 25))) == "data:3"
    for ended in (
        states.cancelled(job, NOW, TIMING),
        states.failed(job, NOW, TIMING, ERROR, owner="me"),
        states.succeeded(job, "me", NOW, TIMING, RESULT),
    ):
        assert ended.progress is None


@pytest.mark.parametrize(("waiting", "minutes"), [(0, 1 / 3), (1, 1 / 3), (30, 2), (900, 60), (10_000, 60), (None, 60)])
def test_a_first_run_is_examined_when_the_queue_ahead_of_it_may_have_passed(
    waiting: int | None, minutes: float
) -> None:
    assert states.sent(new(), NOW, TIMING, waiting=waiting).due_at == NOW + minutes * 60_000


def test_the_first_step_is_not_part_of_the_estimate() -> None:
    assert states.estimate(1, 10, 0, 0) == Progress(1, 10)
    assert states.estimate(3, 10, 2, 4000) == Progress(3, 10, eta_ms=14_000)
    assert states.estimate(7, 10, 1, 2000, resumed_at=5) == Progress(7, 10, eta_ms=6000, resumed_at=5)
    assert states.estimate(3, 10, 2, -3_600_000) == Progress(3, 10, eta_ms=0)
