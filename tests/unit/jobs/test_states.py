"""Who may change a job's state, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pytest

from imagegen import cursor, jobs
from imagegen.errors import IdempotencyKeyInvalid, InvalidCursor, JobAlreadyFinal
from imagegen.idempotency import KeyedBody
from imagegen.job_item import from_item, to_item
from imagegen.job_message import JobMessage
from imagegen.jobs import Held, Job, LeaseLost, Limits, Progress

LIMITS = Limits()
NOW = 1_800_000_000_000
RESULT = {"images": [{"key": "images/alice/0/0.png"}], "cost": {"billed_ms": 7, "usd": 0.25}}
JOB_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def new(**webhook: object) -> Job:
    return jobs.submitted(
        tenant="alice", job_id=JOB_ID, request={"prompt": "x"}, now=NOW, keep_s=7 * 86_400, limits=LIMITS,
        webhook=webhook or None,
    )  # fmt: skip


def running(owner: str = "me") -> Job:
    return jobs.claimed(new(), owner, NOW, LIMITS)


def renewed_at(job: Job, second: float, phase: jobs.Phase = "load", began: float = 0) -> Job:
    now, phase_began = NOW + round(second * 1000), NOW + round(began * 1000)
    return jobs.renewed(job, "me", now, LIMITS, phase=phase, phase_began=phase_began, progress=None)


def test_a_lease_outlives_three_missed_renewals_and_ends_after_the_fourth() -> None:
    job = renewed_at(running(), 5)
    assert job.lease_until == job.due_at == NOW + 25_000
    with pytest.raises(Held):
        jobs.claimed(job, "you", NOW + 24_999, LIMITS)
    assert jobs.claimed(job, "you", NOW + 25_000, LIMITS).owner == "you"


@pytest.mark.parametrize(("phase", "ceiling"), [("load", 300), ("step", 150), ("decode", 150)])
def test_a_slow_phase_keeps_its_lease_and_a_hang_loses_it(phase: jobs.Phase, ceiling: int) -> None:
    job = running()
    for second in range(5, 2 * ceiling, 5):
        job = renewed_at(job, second, phase)
    assert job.lease_until == NOW + ceiling * 1000
    assert renewed_at(job, ceiling, "step", began=ceiling).lease_until == NOW + (ceiling + 20) * 1000


def test_every_transition_knows_its_own_trace() -> None:
    job = running()
    assert jobs.claimed(job, "me", NOW + 99_000, LIMITS) == job
    done = jobs.succeeded(job, "me", NOW, LIMITS, RESULT)
    assert jobs.succeeded(done, "me", NOW + 1, LIMITS, {"other": 1}) == done
    queued = jobs.handed_on(job, "me", NOW, LIMITS, "crash")
    assert jobs.handed_on(queued, "me", NOW + 1, LIMITS, "crash") == queued
    failed = jobs.failed(job, NOW, LIMITS, {}, owner="me")
    assert jobs.failed(failed, NOW + 1, LIMITS, {}, owner="me") == failed
    cancelled = jobs.cancelled(job, NOW, LIMITS)
    assert jobs.cancelled(cancelled, NOW + 1, LIMITS) == cancelled


def test_nobody_else_ends_a_run() -> None:
    job = running()
    ends: list[Callable[[], object]] = [
        lambda: jobs.succeeded(job, "you", NOW, LIMITS, RESULT),
        lambda: jobs.handed_on(job, "you", NOW, LIMITS, "crash"),
        lambda: jobs.failed(job, NOW, LIMITS, {}, owner="you"),
        lambda: renewed_at(jobs.revived(job, NOW + 20_000, LIMITS, {}), 21),
    ]
    for end in ends:
        with pytest.raises(LeaseLost):
            end()
    with pytest.raises(Held):
        jobs.failed(job, NOW, LIMITS, {})


def test_what_is_final_stays() -> None:
    done = jobs.succeeded(running(), "me", NOW, LIMITS, RESULT)
    assert (done.due_at, done.lease_until, done.phase) == (1000 * done.expires_at, None, None)
    changes: list[Callable[[], object]] = [
        lambda: jobs.claimed(done, "you", NOW, LIMITS),
        lambda: jobs.cancelled(done, NOW, LIMITS),
        lambda: jobs.failed(done, NOW, LIMITS, {}),
    ]
    for change in changes:
        with pytest.raises(JobAlreadyFinal):
            change()
    assert jobs.revived(done, NOW + 10**9, LIMITS, {}) == jobs.sent(done, NOW, LIMITS) == done


@pytest.mark.parametrize("cause", get_args(jobs.Cause))
def test_waiting_for_another_run_is_nobodys_failure(cause: jobs.Cause) -> None:
    """Whatever ended the first: a queue may be longer than the failures of AWS are borne."""
    waiting = jobs.handed_on(running(), "me", NOW, LIMITS, cause)
    for hours in range(1, 100):
        waiting = jobs.revived(jobs.sent(waiting, NOW, LIMITS), NOW + hours * 3600 * 1000, LIMITS, {})
        assert waiting.state == "queued"
    again = jobs.claimed(waiting, "me again", NOW + 100 * 3600 * 1000, LIMITS)
    assert not any(jobs.exhausted(again, LIMITS, each) for each in get_args(jobs.Cause))


def test_the_failures_of_aws_are_borne_for_half_a_day_but_not_for_ever() -> None:
    pauses = [jobs.backoff_s(setbacks, LIMITS) for setbacks in range(1, LIMITS.max_setbacks + 1)]
    assert 12 * 3600 < sum(pauses) < 13 * 3600
    assert not jobs.exhausted(replace(running(), setbacks=LIMITS.max_setbacks - 1), LIMITS, "setback")
    assert jobs.exhausted(replace(running(), setbacks=LIMITS.max_setbacks), LIMITS, "setback")


def test_the_last_run_that_died_is_the_sweepers() -> None:
    job = new()
    for attempt in range(LIMITS.max_attempts):
        job = jobs.claimed(job, f"run {attempt}", NOW + attempt * 20_000, LIMITS)
    with pytest.raises(Held):
        jobs.claimed(job, "one more", NOW + 10**6, LIMITS)
    assert jobs.revived(job, NOW + 10**6, LIMITS, {}).state == "failed"


def test_a_webhook_is_due_for_the_events_that_were_asked_for() -> None:
    asked = jobs.cancelled(new(url="https://example.com", events=["job.cancelled"]), NOW, LIMITS)
    assert (asked.webhook_due, asked.due_at) == (True, NOW + 15_000)
    assert (jobs.notified(asked).due_at, jobs.notified(asked).done_with) == (1000 * asked.expires_at, True)
    other = jobs.cancelled(new(url="https://example.com", events=["job.failed"]), NOW, LIMITS)
    assert (other.webhook_due, other.done_with, asked.done_with) == (False, True, False)


def test_a_job_survives_the_table() -> None:
    for job in (new(), renewed_at(running(), 5), jobs.succeeded(running(), "me", NOW, LIMITS, RESULT)):
        assert from_item(to_item(job) | {"of a later version": 1}) == job
    assert "prompt" not in str(to_item(new())["pk"])


def test_estimates_leave_out_the_first_step() -> None:
    assert jobs.estimate(1, 10, 0) == Progress(1, 10)
    assert jobs.estimate(3, 10, 4000) == Progress(3, 10, eta_ms=14_000)
    pauses = [jobs.backoff_s(setbacks, LIMITS) for setbacks in (0, 1, 2, 6, 10, 11, 10**6)]
    assert pauses == [1, 1, 2, 32, 512, 900, 900]


def test_messages_cursors_and_keys_say_nothing_of_what_they_name() -> None:
    assert JobMessage.parse(JobMessage("alice", JOB_ID).body()) == JobMessage("alice", JOB_ID)
    assert cursor.decode("alice", cursor.encode("alice", JOB_ID)) == JOB_ID
    with pytest.raises(InvalidCursor):
        cursor.decode("bob", cursor.encode("alice", JOB_ID))
    assert KeyedBody.of(None, "/jobs", {}) is None
    keyed = KeyedBody.of("canary", "/jobs", {"prompt": "canary"})
    assert "canary" not in str(keyed)
    assert keyed != KeyedBody.of("canary", "/generate", {"prompt": "canary"})
    with pytest.raises(IdempotencyKeyInvalid):
        KeyedBody.of("", "/jobs", {})


def test_numbers_that_canonical_json_writes_alike_are_one_body() -> None:
    def of(number: float) -> KeyedBody | None:
        return KeyedBody.of("key", "/jobs", {"a": number, "b": {"c": [number, True, "1.0", None]}})

    assert of(1) == of(1.0) != of(1.5)
    assert of(0) == of(-0.0) != of(1)
    assert of(10**20) == of(1e20)
