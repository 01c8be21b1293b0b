"""POST /generate without a job: what it reserves, pays and gives back, on the table of the template."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from imagegen.aws import table
from imagegen.deadline import Deadline
from imagegen.errors import (
    GenerationTimeout,
    InternalError,
    LimitReached,
    ModelUnavailable,
    QueueFull,
    QuotaExceeded,
    RateLimited,
    RequestTooExpensive,
    ServiceError,
    StorageUnavailable,
)
from imagegen.generation.aws_calls import REQUEST
from imagegen.generation.planner import Plan
from imagegen.generation.pricing import Pricing
from imagegen.generation.result import Result
from imagegen.generation.speed_estimate import SpeedEstimate
from imagegen.jobs.drawing import MARGIN_S
from imagegen.jobs.service import Submitted
from imagegen.limits.limiter import LOST_AFTER_S
from imagegen.limits.lost import release_lost
from imagegen.limits.quota import Amount, Quota
from imagegen.limits.rate_limit import RatePolicy
from imagegen.limits.tenant_limits import TenantLimits
from tests.support.aws_calls import AwsCalls, at_once
from tests.support.fakes import PLENTY
from tests.support.job_requests import PLAN
from tests.support.job_world import JobWorld
from tests.support.ledger import billed, committed, settled, unfinished, used
from tests.support.plans import plan
from tests.support.workloads import SD15

SOON = Deadline(lambda: 28.0)


def limit(world: JobWorld, policy: RatePolicy | None = None, **quota: Any) -> None:
    world.limits = TenantLimits({policy.route_class: policy} if policy else {}, Quota(**quota))


def draw(
    world: JobWorld, planned: Plan = PLAN, *, deadline: Deadline = SOON, job_until: Deadline = PLENTY
) -> Result | Submitted:
    drawing = world.container.drawing
    admission = drawing.admit(planned, tenant="alice", deadline=deadline)
    return drawing.draw(planned, admission, deadline=deadline, job_until=job_until, deliver=lambda result: result)


def test_a_deployment_without_limits_admits_everything_and_records_it(world: JobWorld) -> None:
    result = draw(world, plan(num_inference_steps=4, num_images_per_prompt=2))
    assert isinstance(result, Result)
    (bill,) = world.items("BILL#")
    assert bill["pk"] == f"BILL#alice#{result.id}"
    assert (bill["images"], bill["billed_ms"], bill["model"]) == (2, result.cost.billed_ms, "demo")
    assert settled(world)


def test_a_request_reserves_the_price_of_its_time_before_it_draws(world: JobWorld) -> None:
    held: list[Amount] = []
    world.engine.during = lambda _step: held.append(committed(world))
    draw(world)
    price = world.container.pricing.most(28 + MARGIN_S, PLAN.spec, REQUEST)
    assert set(held) == {Amount.of(1, price)}
    assert settled(world)


def test_the_bill_is_the_receipt(world: JobWorld) -> None:
    result = draw(world, plan(num_inference_steps=4, num_images_per_prompt=2))
    assert isinstance(result, Result)
    (bill,) = world.items("BILL#")
    assert Decimal(bill["usd"]) == Decimal(str(result.cost.usd)) == sum(Decimal(each.usd) for each in result.cost.lines)
    assert {"api_gateway_requests", "dynamodb_writes", "s3_storage"} <= {each.item for each in result.cost.lines}


def test_a_receipt_does_not_exceed_what_was_reserved(world: JobWorld) -> None:
    limit(world, request_usd=Decimal("0.00001"))
    cheap = Pricing(10240, 0.000000001)  # the cap pays for the time, but not for the requests around it
    world.container.drawing = replace(world.container.drawing, pricing=cheap)
    result = draw(world)
    assert isinstance(result, Result)
    (bill,) = world.items("BILL#")
    assert result.cost.usd == 0.00001 == float(bill["usd"])
    assert result.cost.lines[-1].item == "not_charged"
    assert sum(Decimal(each.usd) for each in result.cost.lines) == Decimal("0.00001")


def test_limits_cost_two_calls_of_dynamodb(world: JobWorld) -> None:
    limit(world, RatePolicy("drawing", 100, 100), images=100, usd=Decimal(10), request_usd=Decimal(1))
    calls = AwsCalls()
    draw(world)
    assert calls.take() == ["TransactWriteItems", "TransactWriteItems"]


def test_the_response_has_the_headers_of_the_rate(world: JobWorld) -> None:
    limit(world, RatePolicy("drawing", 5, 20))
    admission = world.container.drawing.admit(PLAN, tenant="alice", deadline=SOON)
    assert admission.headers["RateLimit-Policy"] == '"drawing";q=20;w=4'
    assert admission.headers["RateLimit"].startswith('"drawing";r=19;t=')


def test_images_from_the_cache_cost_nothing_but_have_a_bill(world: JobWorld) -> None:
    first, again = (draw(world, plan(seed=7, num_inference_steps=4)) for _ in range(2))
    assert isinstance(first, Result)
    assert isinstance(again, Result)
    assert (first.cached, again.cached) == (False, True)
    assert len(world.items("BILL#")) == 2
    assert billed(world).images == 1
    assert settled(world)


@pytest.mark.parametrize("error", [ModelUnavailable("damaged"), StorageUnavailable("down"), InternalError()])
def test_an_error_releases_the_reservation(world: JobWorld, error: ServiceError) -> None:
    world.engines.failing = error
    with pytest.raises(type(error)):
        draw(world)
    assert settled(world)
    assert world.items("BILL#") == []


def test_a_crash_releases_the_reservation(world: JobWorld) -> None:
    def crash(_step: int) -> None:
        raise ValueError("crash")

    world.engine.during = crash
    with pytest.raises(ValueError, match="crash"):
        draw(world)
    assert settled(world)


def test_images_that_cannot_be_paid_for_are_not_returned(world: JobWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table stops responding while the images are made: 503, and the sweeper releases the reservation."""
    monkeypatch.setattr(table, "_LONGEST_PAUSE_S", 0.0)
    calls = AwsCalls()
    world.engine.during = lambda _step: calls.conflict(1000)
    with pytest.raises(StorageUnavailable):
        draw(world)
    calls.conflict(0)
    assert world.items("BILL#") == []
    assert release_lost(world.container.quotas, PLENTY).count == 0
    world.clock.pass_s(28 + LOST_AFTER_S)
    assert release_lost(world.container.quotas, PLENTY).count == 1
    assert settled(world)


def test_a_settlement_whose_reply_was_lost_is_paid_once_and_returned(world: JobWorld) -> None:
    calls = AwsCalls()
    world.engine.during = lambda step: calls.lose_replies(1) if step == 4 else None
    assert isinstance(draw(world), Result)
    assert billed(world).images == 1
    assert settled(world)


def test_images_whose_reservation_was_released_are_not_returned(world: JobWorld) -> None:
    """A step or the decoding took minutes longer than the deadline, and the sweeper took the process for dead."""

    def sweep(step: int) -> None:
        if step == 4:
            world.clock.pass_s(28 + LOST_AFTER_S)
            assert release_lost(world.container.quotas, PLENTY).count == 1

    world.engine.during = sweep
    with pytest.raises(GenerationTimeout):
        draw(world)
    assert world.items("BILL#") == []
    assert settled(world)


def test_work_that_does_not_fit_becomes_a_job_that_keeps_the_reservation(world: JobWorld) -> None:
    world.container.images._estimate = SpeedEstimate(lambda _model, _backend: SD15)
    submitted = draw(world, plan(num_inference_steps=100))
    assert isinstance(submitted, Submitted)
    (reservation,) = world.items("RESERVATION#")
    assert (reservation["pk"], reservation["is_job"]) == (f"RESERVATION#alice#{submitted.job.job_id}", True)
    assert submitted.job.reserved is not None
    assert (committed(world), unfinished(world)) == (submitted.job.reserved.amount, 1)
    assert world.run(submitted.job).state == "succeeded"
    assert billed(world).images == 1
    assert settled(world)


def test_no_job_is_made_when_the_gateway_has_responded(world: JobWorld) -> None:
    over = Deadline(lambda: -1.0)
    with pytest.raises(GenerationTimeout):
        draw(world, deadline=over, job_until=over)
    assert world.items("JOB#") == []
    assert settled(world)


@pytest.mark.parametrize(("quota", "error"), [({"open_jobs": 1}, QueueFull), ({"usd": Decimal("1.8")}, QuotaExceeded)])
def test_work_that_cannot_become_a_job_releases_its_reservation(
    world: JobWorld, quota: dict[str, Any], error: type[LimitReached]
) -> None:
    world.container.images._estimate = SpeedEstimate(lambda _model, _backend: SD15)
    job = world.submit()
    limit(world, **quota)
    if error is QuotaExceeded:
        limit(world, usd=Decimal("1.9"))
    with pytest.raises(error):
        draw(world, plan(num_inference_steps=100))
    assert len(world.items("RESERVATION#")) == unfinished(world) == 1
    world.run(job)
    assert settled(world)


def test_a_request_ends_when_it_has_used_what_one_may_cost(world: JobWorld) -> None:
    limit(world, request_usd=Decimal("0.0000001"))
    with pytest.raises(RequestTooExpensive):
        draw(world)
    assert world.items("JOB#") == []
    assert settled(world)


def code_of(world: JobWorld) -> str:
    try:
        draw(world)
    except LimitReached as error:
        return error.code
    return "drawn"


def test_64_requests_at_once_exceed_neither_images_nor_dollars(world: JobWorld) -> None:
    _ = world.container.drawing, world.container.quotas
    limit(world, images=5)
    answers = at_once(64, lambda _: code_of(world))
    assert set(answers) == {"drawn", "quota_exceeded"}
    assert answers.count("drawn") == len(world.items("BILL#")) == billed(world).images == 5
    assert settled(world)


def test_the_rate_refuses_before_anything_is_drawn_and_obeying_retry_after_helps(world: JobWorld) -> None:
    limit(world, RatePolicy("drawing", per_second=0.5, burst=1))
    draw(world)
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            draw(world)
        world.clock.pass_s(int(caught.value.headers["Retry-After"]))
        draw(world)
    assert world.engine.generations == 4


def test_what_a_dead_process_had_reserved_is_released_by_the_sweeper(world: JobWorld) -> None:
    world.container.drawing.admit(PLAN, tenant="alice", deadline=SOON)
    assert committed(world).images == 1
    world.clock.pass_s(28 + LOST_AFTER_S - 1)
    assert release_lost(world.container.quotas, PLENTY).count == 0
    world.clock.pass_s(1)
    assert release_lost(world.container.quotas, Deadline(lambda: 1.0)).count == 0, "a sweep that is about to end"
    assert release_lost(world.container.quotas, PLENTY).count == 1
    assert settled(world)
    assert used(world) == Amount()
