"""Job runs: claims, deadlines, cancellation, and retries, against the table, queue, and bucket of the template."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from imagegen.catalog.image_models import ImageModels
from imagegen.catalog.registry import REGISTRY
from imagegen.deadline import Deadline
from imagegen.errors import (
    GenerationTimeout,
    IdempotencyInProgress,
    JobAlreadyFinal,
    JobNotFound,
    ModelUnavailable,
    StorageUnavailable,
)
from imagegen.generation.ports import Generated, OnStep, Resumption
from imagegen.generation.spec import GenerationSpec
from imagegen.generation.speed_estimate import STORING_SECONDS
from imagegen.jobs.job import Job, JobError
from imagegen.jobs.run import Run
from imagegen.jobs.service import Submitted
from imagegen.jobs.states import LeaseLost
from imagegen.retry import PAUSES_S
from tests.support.fakes import PLENTY
from tests.support.job_faults import fail_calls
from tests.support.job_requests import PLAN, keyed, was_cached
from tests.support.job_world import HOOK, JobWorld
from tests.support.plans import plan
from tests.support.slept_time import SleptTime


def test_a_submitted_job_is_run_billed_and_announced(world: JobWorld) -> None:
    job = world.submit(metadata={"order": "A-17"}, webhook=HOOK)
    assert (job.state, job.sent, job.attempt) == ("queued", True, 0)
    (message,) = world.messages()
    assert message["Body"] == {"version": 1, "tenant": "alice", "job_id": job.job_id}
    world.clock.pass_s(3)
    done = world.run(job)
    assert (done.state, done.attempt, done.done) == ("succeeded", 1, True)
    info = world.renderer.render(done)
    assert info.result is not None
    assert info.result.id == job.job_id
    assert info.result.timings.queue_ms == 3000
    assert info.result.images[0].url.startswith("https://")
    assert info.metadata == info.result.metadata == {"order": "A-17"}
    assert world.webhooks.queued == [("alice", job.job_id, HOOK["url"], "job.succeeded", "succeeded")]
    (bill,) = world.items("BILL#")
    assert (bill["images"], bill["pk"]) == (1, f"BILL#alice#{job.job_id}")


def test_a_duplicate_message_changes_nothing(world: JobWorld) -> None:
    job = world.submit()
    first = world.run(job)
    assert world.run(job) == first
    assert (world.engine.generations, len(world.items("BILL#"))) == (1, 1)


def test_concurrent_workers_generate_once(world: JobWorld) -> None:
    job = world.submit()

    def second_worker(step: int) -> None:
        world.run(job)

    world.engine.during = second_worker
    assert world.run(job).state == "succeeded"
    assert world.engine.generations == 1


def test_cancelling_stops_a_run_at_the_next_step(world: JobWorld) -> None:
    job = world.submit(webhook=HOOK)

    def cancel(step: int) -> None:
        world.clock.pass_s(1)
        if step == 2:
            assert world.jobs.cancel("alice", job.job_id).state == "cancelled"

    world.engine.during = cancel
    assert world.run(job).state == "cancelled"
    assert world.engine.steps == 2
    assert world.items("BILL#") == []
    assert [each[3] for each in world.webhooks.queued] == ["job.cancelled"]
    assert world.jobs.cancel("alice", job.job_id).state == "cancelled"
    with pytest.raises(JobAlreadyFinal):
        world.jobs.cancel("alice", world.run(world.submit()).job_id)


def test_a_job_cancelled_and_deleted_during_its_run_stays_deleted(world: JobWorld) -> None:
    job = world.submit()

    def delete(step: int) -> None:
        world.clock.pass_s(1)
        if step == 2:
            world.jobs.cancel("alice", job.job_id)
            world.jobs.delete("alice", job.job_id)

    world.engine.during = delete
    with pytest.raises(JobNotFound):
        world.run(job)
    assert world.engine.steps == 2


@pytest.mark.parametrize("seed", [{}, {"seed": 7}])
def test_a_run_past_its_deadline_is_requeued_without_an_attempt_until_the_limit(
    world: JobWorld, seed: dict[str, Any]
) -> None:
    job = world.submit(**seed)
    world.messages()

    def too_slow(step: int) -> None:
        raise GenerationTimeout("The deadline interrupts the first step.")

    world.engine.during = too_slow
    requeued = world.run(job)
    assert (requeued.state, requeued.sent) == ("queued", True)
    assert (requeued.attempt, requeued.deadline_requeues) == (0, 1)
    assert len(world.messages()) == 1
    last = requeued
    while not last.final:
        last = world.run(job)
    assert (last.attempt, last.deadline_requeues) == (1, world.timing.max_deadline_requeues)
    assert last.state == "failed"
    assert last.error is not None
    assert (last.error.code, last.error.status) == ("generation_timeout", 504)
    assert "fewer steps" in last.error.detail


@pytest.mark.parametrize("cache", ["refresh", "off"])
def test_a_run_after_a_deadline_bypasses_the_cache_if_requested(world: JobWorld, cache: str) -> None:
    world.run(world.submit(seed=7))
    job, left = world.submit(seed=7, cache=cache), 10.0

    def use_up_the_time(step: int) -> None:
        nonlocal left
        left = 0.0

    world.engine.during = use_up_the_time
    assert world.run(job, Deadline(lambda: left)).continuations == 1
    assert was_cached(world, world.run(job)) is False
    assert world.engine.generations == 3


def test_no_attempt_is_counted_without_time_to_start(world: JobWorld) -> None:
    job = world.submit()
    with pytest.raises(GenerationTimeout):
        world.run(job, Deadline(lambda: 0.0))
    assert world.get(job) == job


def test_an_unavailable_store_uses_no_attempt(world: JobWorld) -> None:
    job = world.submit()
    world.messages()
    world.engines.failing = StorageUnavailable("unavailable")
    for failures in range(1, 9):
        job = world.run(job)
        assert (job.state, job.attempt, job.aws_failures) == ("queued", 0, failures)
    world.engines.failing = None
    assert world.run(job).state == "succeeded"


def test_an_error_that_is_not_retryable_fails_the_job_immediately(world: JobWorld) -> None:
    world.engines.failing = ModelUnavailable("The model cannot be loaded.")
    job = world.run(world.submit(webhook=HOOK))
    assert job.state == "failed"
    assert job.error == JobError(code="model_unavailable", status=503, detail="The model cannot be loaded.")
    assert [each[3] for each in world.webhooks.queued] == ["job.failed"]


def test_a_crash_is_retried_up_to_the_limit_and_its_message_is_not_stored(world: JobWorld) -> None:
    def crash(step: int) -> None:
        raise ValueError("canary")

    world.engine.during = crash
    job = world.submit()
    for _ in range(world.timing.max_attempts):
        assert not world.get(job).final
        world.run(job)
    done = world.get(job)
    assert done.state == "failed"
    assert done.error is not None
    assert done.error.code == "internal_error"
    assert "canary" not in str(world.items(""))
    assert len(world.crashes) == world.timing.max_attempts


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("operation", ["get_item", "update_item", "transact_write_items"])
def test_store_calls_at_the_start_and_end_of_a_run_are_retried(
    world: JobWorld, operation: str, after: bool, slept: SleptTime
) -> None:
    job = world.submit()
    fail_calls(world, operation, times=len(PAUSES_S), after=after)
    done = world.run(job)
    assert (done.state, done.attempt, done.aws_failures) == ("succeeded", 1, 0)
    assert slept.now == pytest.approx(sum(PAUSES_S))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("nth", [1, 2], ids=["image", "entry"])
@pytest.mark.parametrize("cache", ["use", "refresh"])
def test_lost_writes_of_an_image_or_its_entry_are_retried_and_nothing_is_generated_twice(
    world: JobWorld, cache: str, nth: int, after: bool, slept: SleptTime
) -> None:
    job = world.submit(seed=7, cache=cache)
    fail_calls(world, "put_object", nth, times=len(PAUSES_S), after=after)
    done = world.run(job)
    assert (done.state, done.attempt, done.aws_failures) == ("succeeded", 1, 0)
    assert slept.now == pytest.approx(sum(PAUSES_S))
    assert world.engine.generations == 1


def test_lost_writes_are_not_retried_when_no_time_is_left(world: JobWorld) -> None:
    job = world.submit(seed=7)
    fail_calls(world, "put_object", times=1)
    seconds = {"left": 1000.0}
    generate = world.engine.generate

    def generate_late(spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        generated = generate(spec, on_step, resumption)
        seconds["left"] = STORING_SECONDS
        return generated

    world.engine.generate = generate_late  # type: ignore[method-assign]
    assert world.run(job, Deadline(lambda: seconds["left"])).aws_failures == 1


def test_a_persistent_aws_failure_fails_the_job_and_sends_its_webhook(world: JobWorld) -> None:
    """Every run generates again, up to the limit of AWS failures."""
    world.engines.failing = StorageUnavailable("AWS does not answer.")
    job = world.submit(webhook=HOOK)
    while not world.get(job).final:
        world.clock.pass_s(world.timing.backoff_s(world.get(job).aws_failures))
        world.run(job)
    last = world.get(job)
    assert last.error == JobError(code="storage_unavailable", status=503, detail="AWS does not answer.")
    assert (last.attempt, last.aws_failures) == (1, world.timing.max_aws_failures)
    assert [each[3] for each in world.webhooks.queued] == ["job.failed"]


@pytest.mark.parametrize("code", ["TransactionCanceledException", "TransactionConflictException"])
def test_a_transaction_conflict_is_retried(world: JobWorld, code: str) -> None:
    refusal = {"Error": {"Code": code}, "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}]}
    operation = "transact_write_items" if "Canceled" in code else "update_item"
    job = world.submit()
    client = world.store._client
    real = getattr(client, operation)
    refused: list[str] = []

    def contested(**request: object) -> object:
        if len(refused) < 2:
            refused.append(operation)
            raise ClientError(refusal, operation)  # type: ignore[arg-type]
        return real(**request)

    setattr(client, operation, contested)
    done = world.run(job)
    assert (done.state, done.attempt, len(refused)) == ("succeeded", 1, 2)


def test_a_keyed_request_is_generated_once_and_reported_as_in_progress(world: JobWorld) -> None:
    def generate() -> tuple[str, bool]:
        submitted = world.runner.run_now(PLAN, tenant="alice", fingerprint=keyed(), deadline=PLENTY)
        return submitted.job.state, submitted.replayed

    def again(step: int) -> None:
        with pytest.raises(IdempotencyInProgress):
            generate()

    world.engine.during = again
    assert generate() == ("succeeded", False)
    assert generate() == ("succeeded", True)
    assert (world.engine.generations, len(world.items("BILL#")), world.messages()) == (1, 1, [])


def test_a_run_that_waits_renews_its_lease_and_notices_a_cancellation(world: JobWorld) -> None:
    run = Run.claim(world.submit(), world.store, world.timing, world.clock)
    for _ in range(60):
        world.clock.pass_s(10)
        run.on_step(0, 4)
        assert world.sweep.all(PLENTY).jobs == 0
    world.jobs.cancel("alice", run.job.job_id)
    world.clock.pass_s(10)
    with pytest.raises(LeaseLost):
        run.on_step(0, 4)


def test_a_step_that_never_ends_loses_the_lease_although_it_is_reported_again(world: JobWorld) -> None:
    run = Run.claim(world.submit(), world.store, world.timing, world.clock)

    def report_the_same_step() -> None:
        run.on_step(1, 4)
        for _ in range(200):
            world.clock.pass_s(10)
            world.sweep.all(PLENTY)
            run.on_step(1, 4)

    with pytest.raises(LeaseLost):
        report_the_same_step()


def count_calls(world: JobWorld, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the look-ups in the bucket and the leases on identical work."""
    calls: Counter[str] = Counter()

    def counted(part: object, name: str) -> None:
        real = getattr(part, name)

        def call(*arguments: Any) -> Any:
            calls[name] += 1
            return real(*arguments)

        monkeypatch.setattr(part, name, call)

    counted(world.container.image_store, "find")
    counted(world.container.single_flight._leases, "take")
    return calls


@pytest.mark.parametrize("cache", ["use", "refresh", "off"])
def test_a_job_without_a_seed_makes_no_look_up_and_takes_no_lease(
    world: JobWorld, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    calls = count_calls(world, monkeypatch)
    assert world.run(world.submit(cache=cache)).state == "succeeded"
    assert calls == {}


def test_a_job_with_a_seed_makes_a_look_up_before_and_after_it_takes_the_lease(
    world: JobWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = count_calls(world, monkeypatch)
    assert world.run(world.submit(seed=7)).state == "succeeded"
    assert calls == {"find": 2, "take": 1}


def test_a_job_without_a_seed_reuses_what_a_failed_run_has_stored(world: JobWorld) -> None:
    job = world.submit()
    fail_calls(world, "transact_write_items", times=1 + len(PAUSES_S))
    assert world.run(job).aws_failures == 1
    done = world.run(job)
    assert was_cached(world, done) is True
    assert world.engine.generations == 1
    assert done.result is not None
    assert job.request is not None
    assert done.result.images[0].seed == job.request.seed


def test_a_job_of_a_newer_version_fails_here_and_keeps_its_request(world: JobWorld) -> None:
    job = world.submit()
    table = boto3.resource("dynamodb").Table(world.resources["Table"])
    newer = '{"prompt":"a red circle","seed":7,"field_of_a_newer_version":1}'
    table.update_item(
        Key={"pk": f"JOB#alice#{job.job_id}", "sk": "JOB"},
        UpdateExpression="SET #request = :newer",
        ExpressionAttributeNames={"#request": "request"},
        ExpressionAttributeValues={":newer": newer},
    )
    assert world.renderer.render(world.get(job)).status == "queued"
    for _ in range(world.timing.max_attempts):
        done = world.run(job)
    assert (done.state, world.engine.generations) == ("failed", 0)
    assert done.error is not None
    assert done.error.code == "internal_error"
    assert world.items("JOB#")[0]["request"] == newer
    assert [type(crash).__name__ for crash in world.crashes] == ["UnreadableJob"] * world.timing.max_attempts


def test_a_job_that_waited_while_its_models_limits_were_narrowed_fails_with_the_reason(world: JobWorld) -> None:
    job = world.submit()
    assert job.request is not None
    earlier = job.request.model_copy(update={"width": 64}).model_dump_json(exclude_none=True)
    boto3.resource("dynamodb").Table(world.resources["Table"]).update_item(
        Key={"pk": f"JOB#alice#{job.job_id}", "sk": "JOB"},
        UpdateExpression="SET #request = :earlier",
        ExpressionAttributeNames={"#request": "request"},
        ExpressionAttributeValues={":earlier": earlier},
    )
    done = world.run(job)
    assert (done.state, done.attempt, world.engine.generations) == ("failed", 1, 0)
    assert done.error is not None
    assert (done.error.code, done.error.status) == ("size_invalid", 422)
    assert done.error.detail == "width: must be a multiple of 8 from 120 to 144 for the model demo"


@pytest.mark.parametrize(("cache", "generations"), [("use", 1), ("refresh", 1), ("off", 2)])
def test_a_late_claim_by_generate_reuses_what_a_failed_run_has_stored(
    world: JobWorld, monkeypatch: pytest.MonkeyPatch, cache: str, generations: int
) -> None:
    """With the cache off, a run stores its images for no other run.

    POST /generate stalls between its insert and its claim: the sweeper sends the job, and a worker runs it."""
    add = world.jobs.add

    def add_and_stall(*arguments: Any, **options: Any) -> Submitted:
        submitted = add(*arguments, **options)
        fail_calls(world, "transact_write_items", times=1 + len(PAUSES_S))
        assert world.run(submitted.job).aws_failures == 1
        return submitted

    monkeypatch.setattr(world.jobs, "add", add_and_stall)
    request = plan(seed=7, cache=cache, num_inference_steps=4)
    submitted = world.runner.run_now(request, tenant="alice", fingerprint=keyed(), deadline=PLENTY)
    assert submitted.job.state == "succeeded"
    assert was_cached(world, submitted.job) is (generations == 1)
    assert world.engine.generations == generations


@pytest.mark.parametrize("cache", ["refresh", "off"])
def test_a_later_run_of_a_job_returns_no_older_images_than_the_job(world: JobWorld, cache: str) -> None:
    """Even after a crash: the caller asked for a new picture."""
    older = world.run(world.submit(seed=7))
    world.clock.now = world.container.clock() + 60_000
    job = world.submit(seed=7, cache=cache)
    world.engines.failing = StorageUnavailable("unavailable")
    assert world.run(job).aws_failures == 1
    world.engines.failing, world.engine.green = None, 1
    done = world.run(job)
    assert was_cached(world, done) is False
    assert sha256_of(done) != sha256_of(older)


@pytest.mark.parametrize("cache", ["refresh", "off"])
def test_a_job_always_describes_its_file(world: JobWorld, cache: str) -> None:
    """Other processors draw other bytes; the URL of an earlier job must not lead to them."""
    jobs = [world.run(world.submit(seed=7))]
    for green, mode in ((1, cache), (1, "use"), (2, cache), (0, cache)):
        world.engine.green = green
        jobs.append(world.run(world.submit(seed=7, cache=mode)))
    for job in jobs:
        assert job.result is not None
        (image,) = job.result.images
        file = boto3.client("s3").get_object(Bucket=world.resources["Bucket"], Key=image.key)["Body"].read()
        assert (hashlib.sha256(file).hexdigest(), len(file)) == (image.sha256, image.bytes)


def sha256_of(job: Job) -> str:
    assert job.result is not None
    return job.result.images[0].sha256


def test_a_job_runs_on_the_version_that_it_was_submitted_with(world: JobWorld) -> None:
    """A rollout between submission and run is for later jobs."""
    old, new = REGISTRY["demo"], replace(REGISTRY["demo"], revision="0" * 64)
    before = world.submit(seed=7)
    world.planner._models = ImageModels({"demo": new, "earlier": old}, "demo")
    after = world.submit(seed=7)
    assert (before.version, after.version) == ("demo@6cc6991b014f", "demo@000000000000")
    before, after = world.run(before), world.run(after)
    assert (before.state, after.state, world.engine.generations) == ("succeeded", "succeeded", 2)
    assert was_cached(world, after) is False
    keys = [job.result.images[0].key.rpartition("/")[0] for job in (before, after) if job.result]
    assert len(set(keys)) == 2
