"""Jobs reserve when they are submitted and settle with their last write, whatever it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from imagegen.aws.quotas import DynamoQuotas
from imagegen.deadline import Deadline
from imagegen.errors import LimitReached, QueueFull, QuotaExceeded, RequestTooExpensive, StorageUnavailable
from imagegen.generation.request import GenerateRequest
from imagegen.generation.speed_estimate import SpeedEstimate
from imagegen.jobs import states
from imagegen.jobs.job import Job, JobError
from imagegen.jobs.timing import JobTiming
from imagegen.limits.quota import NO_QUOTA, Amount, Quota, Reservation, month_of
from imagegen.limits.tenant_limits import TenantLimits
from tests.support.aws_calls import at_once
from tests.support.fakes import PLENTY
from tests.support.job_faults import fail_calls
from tests.support.job_requests import PLAN, keyed
from tests.support.job_world import JobWorld
from tests.support.ledger import billed, committed, settled, unfinished, used
from tests.support.workloads import SD15


def limit(world: JobWorld, **quota: Any) -> None:
    world.limits = TenantLimits(quota=Quota(**quota))


def test_a_job_reserves_the_longest_job_and_pays_what_it_cost(world: JobWorld) -> None:
    job = world.submit(num_images_per_prompt=3)
    assert job.reserved is not None
    assert (committed(world), unfinished(world)) == (job.reserved.amount, 1)
    assert committed(world).images == 3
    assert Decimal("1.79") < committed(world).usd < Decimal("1.81")
    done = world.run(job)
    assert done.result is not None
    (bill,), (usage,) = world.items("BILL#"), world.items("USAGE#")
    month = month_of(world.clock())
    assert (bill["model"], bill["quota_month"], bill["images"]) == ("demo", month, 3)
    assert (usage["pk"], usage["sk"]) == ("USAGE#alice", f"{month}#demo")
    assert (usage["images"], usage["billed_ms"]) == (3, done.result.cost.billed_ms)
    assert settled(world)
    assert billed(world).images == 3


def fail(world: JobWorld, job: Job) -> None:
    error = JobError(code="internal_error", status=500, detail="")
    world.store.change(job, lambda stored: states.failed(stored, world.clock(), world.timing, error))


def give_up(world: JobWorld, job: Job) -> None:
    """The sweeper finds it an hour before it expires."""
    world.clock.pass_s(7 * 86_400 - 3600)
    assert world.sweep.all(PLENTY).given_up == [job.job_id]


ENDS: list[Callable[[JobWorld, Job], object]] = [
    fail,
    give_up,
    lambda world, job: world.jobs.cancel("alice", job.job_id),
    lambda world, job: world.recovery.fail_dead_letter("alice", job.job_id),
]


@pytest.mark.parametrize("end", ENDS)
def test_a_job_that_does_not_succeed_costs_nothing(world: JobWorld, end: Callable[[JobWorld, Job], object]) -> None:
    month = month_of(world.clock())
    job = world.submit()
    end(world, job)
    assert world.get(job).final
    assert settled(world)
    assert DynamoQuotas(world.resources["Table"], world.clock).committed("alice", month) == Amount()
    assert world.items("USAGE#") == []


def test_images_from_the_cache_cost_nothing(world: JobWorld) -> None:
    world.run(world.submit(seed=7))
    before = billed(world)
    assert world.run(world.submit(seed=7)).state == "succeeded"
    assert len(world.items("BILL#")) == 2
    assert billed(world) == before
    assert settled(world)


def limit_all(world: JobWorld, jobs: int | None) -> None:
    """Limit the unfinished jobs of all tenants."""
    world.container.job_quotas = world.jobs._quotas = replace(world.jobs._quotas, all_open_jobs=jobs)


def submitted(world: JobWorld, number: int, tenant: str = "alice") -> str:
    try:
        world.jobs.submit(PLAN, tenant=tenant)
    except LimitReached as error:
        return error.code
    return "submitted"


@pytest.mark.parametrize(
    ("quota", "code"), [({"images": 5}, "quota_exceeded"), ({"open_jobs": 5}, "queue_full")], ids=str
)
def test_64_submissions_at_once_exceed_nothing_by_one(world: JobWorld, quota: dict[str, int], code: str) -> None:
    limit(world, **quota)
    answers = at_once(64, lambda number: submitted(world, number))
    assert sorted(set(answers)) == sorted({"submitted", code})
    assert answers.count("submitted") == 5 == len(world.items("JOB#")) == unfinished(world)
    assert committed(world).images == 5


def test_64_submissions_at_once_do_not_exceed_the_dollars(world: JobWorld) -> None:
    limit(world, usd=Decimal("1"), request_usd=Decimal("0.15"))
    answers = at_once(64, lambda number: submitted(world, number))
    assert answers.count("submitted") == 6
    assert committed(world).usd == Decimal("0.90")


def test_a_refused_job_is_not_stored_and_its_key_stays_free(world: JobWorld) -> None:
    limit(world, open_jobs=1)
    first = world.submit()
    with pytest.raises(QueueFull) as caught:
        world.jobs.submit(PLAN, tenant="alice", fingerprint=keyed())
    assert caught.value.headers["Retry-After"] == "10"
    assert (len(world.items("JOB#")), world.items("IDEMPOTENCY#")) == (1, [])
    world.run(first)
    assert not world.jobs.submit(PLAN, tenant="alice", fingerprint=keyed()).replayed


@pytest.mark.parametrize("quota", [{"images": 1}, {"open_jobs": 1}], ids=str)
def test_a_repeated_request_gets_its_job_although_nothing_is_left(world: JobWorld, quota: dict[str, int]) -> None:
    limit(world, **quota)
    first = world.jobs.submit(PLAN, tenant="alice", fingerprint=keyed())
    again = world.jobs.submit(PLAN, tenant="alice", fingerprint=keyed())
    assert (again.replayed, again.job.job_id) == (True, first.job.job_id)
    assert len(world.items("RESERVATION#")) == unfinished(world) == 1
    with pytest.raises((QuotaExceeded, QueueFull)):
        world.submit()


def test_no_tenant_adds_to_a_full_queue_but_repeated_requests_get_their_job(world: JobWorld) -> None:
    limit_all(world, 2)
    first = world.jobs.submit(PLAN, tenant="alice", fingerprint=keyed())
    second = world.submit("bob")
    with pytest.raises(QueueFull) as caught:
        world.submit("carol")
    assert "The deployment's queue is full" in caught.value.detail
    assert world.jobs.submit(PLAN, tenant="alice", fingerprint=keyed()).job.job_id == first.job.job_id
    assert world.items("OPEN#carol") == []
    world.jobs.cancel("bob", second.job_id)
    assert world.run(first.job).state == "succeeded"
    assert [int(row["jobs"]) for row in world.items("OPEN") if row["pk"] == "OPEN"] == [0]
    world.submit("carol")


def test_64_submissions_of_many_tenants_do_not_exceed_the_queue_by_one(world: JobWorld) -> None:
    limit_all(world, 5)
    answers = at_once(64, lambda number: submitted(world, number, f"tenant-{number % 7}"))
    assert answers.count("submitted") == 5 == len(world.items("JOB#"))
    assert answers.count("queue_full") == 59


def test_a_job_from_before_the_limit_of_the_queue_is_not_counted_when_it_ends(world: JobWorld) -> None:
    before = world.submit()
    limit_all(world, 1)
    counted = world.submit("bob")
    world.run(before)
    with pytest.raises(QueueFull):
        world.submit("carol")
    limit_all(world, None)
    world.run(counted)
    assert [int(row["jobs"]) for row in world.items("OPEN") if row["pk"] == "OPEN"] == [0]


def test_more_images_than_a_month_has_are_refused_without_a_call(world: JobWorld) -> None:
    limit(world, images=2)
    with pytest.raises(RequestTooExpensive, match="num_images_per_prompt is 3, and the quota of a whole month is 2"):
        world.submit(num_images_per_prompt=3)
    assert world.items("") == []


@pytest.mark.parametrize("after", [False, True])
def test_a_last_write_whose_reply_was_lost_settles_once(world: JobWorld, after: bool) -> None:
    job = world.submit()
    fail_calls(world, "transact_write_items", after=after)
    assert world.run(job).state == "succeeded"
    assert settled(world)
    assert billed(world).images == 1


def test_a_job_ends_even_if_its_reservation_was_released(world: JobWorld) -> None:
    """Its bill and usage are written; the quota was given back."""
    job = world.submit()
    quotas = DynamoQuotas(world.resources["Table"], world.clock)
    assert job.reserved is not None
    assert quotas.settle(job.reserved)
    assert world.run(job).state == "succeeded"
    assert billed(world) == used(world) != Amount()
    assert committed(world) == Amount()
    assert unfinished(world) == 0


def stored_by_an_earlier_version(world: JobWorld) -> Job:
    request = GenerateRequest.parse({"prompt": "a red circle", "num_inference_steps": 4, "seed": 3})
    job_id = "01KAJ9X2S4QZ8W3V5N7M6K1H0G"
    return world.store.add(
        states.submitted(
            tenant="alice", job_id=job_id, request=request, steps=4, now=world.clock(), keep_s=86_400,
            timing=world.timing,
        )
    )  # fmt: skip


def test_a_job_of_an_earlier_version_gets_bill_and_usage_when_it_succeeds(world: JobWorld) -> None:
    job = stored_by_an_earlier_version(world)
    assert world.items("RESERVATION#") == world.items("OPEN#") == []
    assert world.run(job).state == "succeeded"
    assert billed(world) == used(world) != Amount()
    assert world.items("OPEN#") == world.items("QUOTA#") == []


def test_a_job_of_an_earlier_version_can_be_cancelled(world: JobWorld) -> None:
    job = stored_by_an_earlier_version(world)
    assert world.jobs.cancel("alice", job.job_id).state == "cancelled"
    assert {str(row["pk"]).partition("#")[0] for row in world.items("")} == {"JOB"}


@pytest.mark.parametrize("seed", [{}, {"seed": 7}])
def test_a_run_ends_when_it_has_used_what_was_reserved(world: JobWorld, seed: dict[str, Any]) -> None:
    limit(world, request_usd=Decimal("0"))
    job = world.submit(webhook={"url": "https://example.com/hook"}, **seed)
    failed = world.run(job)
    assert failed.error is not None
    assert (failed.state, failed.error.code, failed.error.status) == ("failed", "request_too_expensive", 422)
    assert not failed.repeatable, "the same request would cost the same"
    assert settled(world)
    assert billed(world) == Amount()
    assert [each[3] for each in world.webhooks.queued] == ["job.failed"]


@pytest.mark.parametrize("cached", [False, True])
def test_a_job_that_certainly_costs_too_much_fails_before_any_work(world: JobWorld, cached: bool) -> None:
    """100 steps of 803 GFLOP take 100 s on a processor four times as fast as ours; stored images cost nothing."""
    request: dict[str, Any] = {"num_inference_steps": 100, "seed": 7}
    if cached:
        world.run(world.submit(**request))
    world.container.images._estimate = SpeedEstimate(lambda _model, _backend: SD15)
    limit(world, request_usd=world.container.pricing.usd(20))
    begun = world.engine.generations
    ended = world.run(world.submit(**request))
    assert world.engine.generations == begun
    assert settled(world)
    if cached:
        assert ended.state == "succeeded"
    else:
        assert ended.error is not None
        assert (ended.error.code, ended.error.status) == ("request_too_expensive", 422)
        assert "num_inference_steps" in ended.error.detail
        assert billed(world) == Amount()


def test_a_run_that_lambda_ends_first_is_continued(world: JobWorld) -> None:
    job = world.submit()
    assert world.run(job, Deadline(lambda: 5.5)).state in ("queued", "succeeded")
    assert world.run(world.get(job)).state == "succeeded"


def hold(world: JobWorld, usd: str = "0.005", quota: Quota = NO_QUOTA) -> Reservation:
    """What POST /generate reserves."""
    held = Reservation.made("alice", "01KAJ9X2S4QZ8W3V5N7M6K1H0G", Amount.of(1, usd), now_ms=world.clock(), lasts_s=90)
    DynamoQuotas(world.resources["Table"], world.clock).reserve(held, quota)
    return held


def test_a_request_that_becomes_a_job_hands_on_its_reservation(world: JobWorld) -> None:
    limit(world, images=1, usd=Decimal("0.15"), open_jobs=1)
    held = hold(world, quota=world.limits.quota)
    job = world.jobs.submit(PLAN, tenant="alice", held=held).job
    assert job.job_id == held.id
    assert job.reserved is not None
    assert (committed(world), unfinished(world)) == (job.reserved.amount, 1)
    assert committed(world) == Amount.of(1, "0.15")
    quotas = DynamoQuotas(world.resources["Table"], world.clock)
    assert not quotas.settle(held), "the request cannot release it any more"
    world.clock.pass_s(90)
    assert quotas.lost(10) == []
    assert world.run(job).state == "succeeded"
    assert settled(world)


def test_a_request_that_cannot_become_a_job_keeps_its_reservation(world: JobWorld) -> None:
    held = hold(world)
    limit(world, usd=Decimal("0.1"), request_usd=Decimal("0.15"), open_jobs=0)
    with pytest.raises(QueueFull):
        world.jobs.submit(PLAN, tenant="alice", held=held)
    limit(world, usd=Decimal("0.15"), request_usd=Decimal("0.15"))
    world.jobs.submit(PLAN, tenant="bob")
    hold_more = Reservation.made("alice", "another", Amount.of(1, "0.1"), now_ms=world.clock(), lasts_s=90)
    quotas = DynamoQuotas(world.resources["Table"], world.clock)
    quotas.reserve(hold_more, NO_QUOTA)
    with pytest.raises(QuotaExceeded):
        world.jobs.submit(PLAN, tenant="alice", held=held)
    assert quotas.settle(held)
    assert world.items("JOB#alice") == []


def test_a_handover_whose_reply_was_lost_leaves_one_reservation_that_the_job_settles(world: JobWorld) -> None:
    held = hold(world)
    fail_calls(world, "transact_write_items", after=True)
    with pytest.raises(StorageUnavailable):
        world.jobs.submit(PLAN, tenant="alice", held=held)
    assert not DynamoQuotas(world.resources["Table"], world.clock).settle(held), "the route releases it"
    job = world.jobs.get("alice", held.id)
    world.clock.pass_s(16)
    world.sweep.all(PLENTY)
    assert world.run(job).state == "succeeded"
    assert settled(world)
    assert billed(world).images == 1


def test_the_longest_job_is_every_run_that_may_contribute() -> None:
    timing = JobTiming()
    assert timing.longest_s == (timing.max_continuations + 1) * timing.run_s == 10_800
