"""Jobs that take longer than one invocation: each run goes on where the last one got to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import boto3
import pytest
from botocore.stub import Stubber

from imagegen.aws.objects import S3Objects
from imagegen.deadline import Deadline
from imagegen.errors import GenerationTimeout, StorageUnavailable
from imagegen.generation.checkpoint import SAVING_SECONDS, Saved
from imagegen.generation.result import Timings
from imagegen.generation.single_flight import SingleFlight
from imagegen.generation.speed_estimate import FINISHING_SECONDS, Measured
from imagegen.jobs.job import Job, Progress
from imagegen.jobs.timing import REQUEUE_S
from tests.support.fakes import MemoryCheckpoints, MemoryLeases
from tests.support.job_requests import PLAN, was_cached
from tests.support.job_world import HOOK, JobWorld
from tests.support.plans import PLANNER

RESERVED = REQUEUE_S + SAVING_SECONDS


def objects(world: JobWorld) -> list[str]:
    """Return the keys of the stored checkpoints."""
    listed = boto3.client("s3").list_objects_v2(Bucket=world.resources["Bucket"], Prefix="checkpoints/")
    return [each["Key"] for each in listed.get("Contents", [])]


class Invocation:
    """An invocation with time for a number of steps, each of which takes a second, and a quarter more to be safe."""

    def __init__(self, world: JobWorld, steps: int, then: Callable[[int], None] = lambda step: None):
        self.left = RESERVED + steps + 0.75
        self._then = then
        self.began = self.left
        world.engine.during = self._step
        world.runner.images._timed._clock = lambda: self.began - self.left
        self.deadline = Deadline(lambda: self.left)

    def _step(self, step: int) -> None:
        self.left -= 1
        self._then(step)


def run(world: JobWorld, job: Job, steps: int = 1) -> Job:
    """Run the job in an invocation with time for `steps` more steps."""
    return world.run(job, Invocation(world, steps).deadline)


@pytest.fixture
def checkpoints(world: JobWorld) -> MemoryCheckpoints:
    """Replace S3 by a store that a test can break."""
    store = MemoryCheckpoints()
    world.runner.checkpoints.__dict__["store"] = store
    return store


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_a_handed_on_job_repeats_no_step(world: JobWorld, steps: int) -> None:
    job = world.submit(seed=7, num_inference_steps=9, webhook=HOOK)
    runs = 0
    while not job.final:
        assert objects(world) == ([f"checkpoints/alice/{job.job_id}.npz"] if runs else [])
        job = run(world, job, steps)
        runs += 1
        if not job.final:
            reached = min(9, steps * runs)
            assert (job.state, job.continuations, job.attempt, job.deadline_requeues) == ("queued", runs, 0, 0)
            assert job.progress == Progress(reached, 9)
            assert len(world.messages()) == (2 if runs == 1 else 1)  # the first is that of the submission
    assert (job.state, job.attempt) == ("succeeded", 1)
    assert world.engine.steps == 9
    assert objects(world) == []
    assert len(world.items("BILL#")) == len(world.webhooks.queued) == 1


def test_an_image_of_several_runs_is_cached_like_any_other(world: JobWorld) -> None:
    job = world.submit(seed=7)
    while not job.final:
        job = run(world, job, 2)
    assert was_cached(world, job) is False
    assert was_cached(world, world.run(world.submit(seed=7))) is True


@pytest.mark.parametrize("seed", [{}, {"seed": 7}], ids=["drawn", "given"])  # a given one is looked up and shared
def test_progress_shows_where_a_run_began(world: JobWorld, seed: dict[str, Any]) -> None:
    job = world.submit(num_inference_steps=4, num_images_per_prompt=2, **seed)
    assert world.renderer.render(job).progress.of == 8  # type: ignore[union-attr]
    assert world.renderer.render(run(world, job, 3)).progress.resumed_at is None  # type: ignore[union-attr]
    seen = []

    def look(step: int) -> None:
        world.clock.pass_s(2)
        shown = world.renderer.render(world.get(job)).progress
        assert shown is not None
        seen.append((shown.step, shown.of, shown.percent, shown.resumed_at, shown.eta_ms))

    world.run(job, Invocation(world, 100, look).deadline)
    assert seen == [
        (3, 8, 37, 3, None),
        (4, 8, 50, 3, None),
        (5, 8, 62, 3, 6000),
        (6, 8, 75, 3, 4000),
        (7, 8, 87, 3, 2000),
    ]


def test_a_run_without_its_checkpoint_says_that_it_starts_over(world: JobWorld) -> None:
    job = world.submit()
    run(world, job, 3)
    boto3.client("s3").delete_object(Bucket=world.resources["Bucket"], Key=objects(world)[0])
    seen = []

    def look(step: int) -> None:
        world.clock.pass_s(2)
        shown = world.renderer.render(world.get(job)).progress
        assert shown is not None
        seen.append((shown.step, shown.resumed_at))

    assert world.run(job, Invocation(world, 100, look).deadline).state == "succeeded"
    assert seen == [(3, 0)] * 4
    assert world.engine.steps == 3 + 4


def test_a_job_has_a_limited_number_of_invocations(world: JobWorld) -> None:
    job = world.submit(num_inference_steps=100, webhook=HOOK)
    while not job.final:
        job = run(world, job)
    assert world.engine.steps == world.timing.max_continuations + 1
    assert job.error is not None
    assert (job.state, job.error.code, job.error.status) == ("failed", "generation_timeout", 504)
    assert "fewer steps" in job.error.detail
    assert objects(world) == []
    assert len(world.webhooks.queued) == 1


def test_the_steps_count_if_only_the_end_does_not_fit(world: JobWorld) -> None:
    """Decoding and storing need time, too. The next run does only that."""
    job, left = world.submit(), RESERVED + 10

    def last_step(step: int) -> None:
        nonlocal left
        left = REQUEUE_S + FINISHING_SECONDS / 2 if step == 4 else left

    world.engine.during = last_step
    handed_on = world.run(job, Deadline(lambda: left))
    assert (handed_on.state, handed_on.progress) == ("queued", Progress(4, 4))
    assert (world.run(job).state, world.engine.steps) == ("succeeded", 4)


def test_time_and_cost_are_those_of_all_runs(world: JobWorld) -> None:
    job = world.submit()
    run(world, job, 2)
    (key,) = objects(world)
    file = boto3.client("s3").get_object(Bucket=world.resources["Bucket"], Key=key)["Body"].read()
    saved = Saved.decode(file)
    assert saved is not None
    spent = Timings(load_ms=1000, denoise_ms=600_000, total_ms=700_000)
    boto3.client("s3").put_object(Bucket=world.resources["Bucket"], Key=key, Body=replace(saved, spent=spent).encode())
    result = world.renderer.render(world.run(job)).result
    assert result is not None
    assert result.timings.load_ms == 1000
    assert 600_000 <= result.timings.denoise_ms < 700_000 <= result.timings.total_ms < 800_000
    assert 700_000 <= result.cost.billed_ms < 800_000


@pytest.mark.parametrize("when", ["queued", "running"])
def test_a_cancelled_job_leaves_no_checkpoint(world: JobWorld, when: str) -> None:
    job = world.submit()
    run(world, job, 2)
    assert objects(world)

    def cancel(step: int) -> None:
        world.clock.pass_s(2)
        world.jobs.cancel("alice", job.job_id)

    if when == "queued":
        world.jobs.cancel("alice", job.job_id)
    else:
        world.run(job, Invocation(world, 10, cancel).deadline)
    assert world.get(job).state == "cancelled"
    assert objects(world) == []


def test_a_job_that_was_cancelled_while_its_run_saved_leaves_no_checkpoint(world: JobWorld) -> None:
    job = world.submit()

    def cancel(step: int) -> None:
        world.jobs.cancel("alice", job.job_id)

    world.run(job, Invocation(world, 1, cancel).deadline)
    assert world.get(job).state == "cancelled"
    assert objects(world) == []


def test_a_run_that_lost_the_job_to_another_leaves_it_the_checkpoint(world: JobWorld) -> None:
    job = world.submit()
    run(world, job, 2)

    def hang(step: int) -> None:
        world.clock.pass_s(1000)
        world.sweep.all(Deadline(lambda: 1000.0))

    world.run(job, Invocation(world, 10, hang).deadline)
    assert world.get(job).state == "queued"
    assert objects(world)
    steps = world.engine.steps
    assert world.run(job, Invocation(world, 10).deadline).state == "succeeded"
    assert world.engine.steps == steps + 2


def test_a_crashed_run_goes_on_from_the_last_checkpoint(world: JobWorld) -> None:
    job = world.submit()
    run(world, job, 2)

    def crash(step: int) -> None:
        if step == 4:
            raise RuntimeError("the network fails")

    assert world.run(job, Invocation(world, 10, crash).deadline).state == "queued"
    steps = world.engine.steps
    assert world.run(job, Invocation(world, 10).deadline).state == "succeeded"
    assert world.engine.steps == steps + 2


def test_the_sweeper_and_the_dead_letters_delete_the_checkpoint_of_a_job_they_fail(world: JobWorld) -> None:
    exhausted, dead = world.submit(seed=1), world.submit(seed=2)
    for job in (exhausted, dead):
        run(world, job, 2)
    world.store.change(
        world.get(exhausted),
        lambda job: replace(job, state="running", owner="x", lease_until=1, due_at=1, attempt=6),
    )
    world.sweep.all(Deadline(lambda: 1000.0))
    assert world.get(exhausted).state == "failed"
    assert objects(world) == [f"checkpoints/alice/{dead.job_id}.npz"]
    assert world.recovery.fail_dead_letter("alice", dead.job_id)
    assert objects(world) == []


def test_a_failing_checkpoint_store_costs_the_progress_and_no_job(
    world: JobWorld, checkpoints: MemoryCheckpoints
) -> None:
    job = world.submit()
    checkpoints.failing = StorageUnavailable("S3 is unavailable.")
    requeued = run(world, job, 2)
    checkpoints.failing = None
    assert (requeued.deadline_requeues, requeued.continuations) == (1, 0)
    assert world.run(job).state == "succeeded"
    assert world.engine.steps == 2 + 4


def test_a_failed_delete_does_not_fail_the_job(world: JobWorld) -> None:
    job = world.submit()
    run(world, job, 2)
    with Stubber(cast(S3Objects, world.runner.checkpoints.store)._client) as stub:
        stub.add_client_error("get_object", "NoSuchKey", http_status_code=404)
        stub.add_client_error("delete_object", "SlowDown", http_status_code=503)
        assert world.run(job).state == "succeeded"
        stub.assert_no_pending_responses()


def test_a_caller_who_waits_does_not_wait_for_a_run_that_cannot_end(world: JobWorld) -> None:
    """POST /generate stops as soon as it knows; the worker goes on from there."""
    waiting = Invocation(world, 50)
    submitted = world.runner.run_now(
        PLANNER.plan(PLAN.request.model_copy(update={"num_inference_steps": 100})),
        tenant="alice",
        fingerprint=None,
        deadline=waiting.deadline,
    )
    reached = world.engine.steps
    assert submitted.job.state == "queued"
    assert reached < 100
    assert waiting.left > RESERVED  # it did not use up its time
    assert submitted.job.progress == Progress(reached, 100)
    assert world.run(submitted.job).state == "succeeded"
    assert world.engine.steps == 100


def test_steps_of_two_precisions_make_an_image_that_is_not_cached(world: JobWorld) -> None:
    job = world.submit(seed=7)
    run(world, job, 2)
    plan_on_other = world.planner.plan

    def other(request: Any, pictures: Any = None, model: Any = None) -> Any:
        plan = plan_on_other(request, pictures, model)
        return replace(plan, backend=replace(plan.backend, precision="bfloat16"))

    world.planner.plan = other  # type: ignore[method-assign]
    done = world.run(job)
    assert (done.state, world.engine.steps) == ("succeeded", 4)
    assert was_cached(world, world.run(world.submit(seed=7))) is False


def test_identical_jobs_wait_for_each_other_without_failing(world: JobWorld) -> None:
    """The one that waits may do so longer than max_deadline_requeues, and is not billed for it."""
    leader, waiting = world.submit(seed=7, num_inference_steps=8), world.submit(seed=7, num_inference_steps=8)

    def other_worker(step: int) -> None:
        if world.get(waiting).waits < 6:
            left = iter([RESERVED + 1.0] * 3)  # to begin, to ask for the lease and to look for the images once
            assert world.run(waiting, Deadline(lambda: next(left, REQUEUE_S))).state == "queued"

    world.run(leader, Invocation(world, 20, other_worker).deadline)
    waited = world.get(waiting)
    assert (waited.waits, waited.deadline_requeues, waited.attempt, waited.runs) == (6, 0, 0, 6)
    assert world.run(waiting).state == "succeeded"
    assert world.engine.steps == 8
    assert was_cached(world, world.get(waiting)) is True


@pytest.mark.parametrize(("left_s", "counted"), [(30.0, (1, 0)), (500.0, (0, 1))])
def test_a_run_that_leads_too_late_has_waited(world: JobWorld, left_s: float, counted: tuple[int, int]) -> None:
    """Nothing but a run that had most of its time counts against the job."""
    leases, left = MemoryLeases(), 900.0
    world.runner.images._single_flight = SingleFlight(leases, lease_s=20, renew_s=60, sleep=lambda _: lead())
    job = world.submit(seed=7)
    leases.take = lambda *_: left < 900  # type: ignore[method-assign]

    def lead() -> None:
        nonlocal left
        left = left_s

    def too_slow(step: int) -> None:
        raise GenerationTimeout("The deadline interrupts the first step.")

    world.engine.during = too_slow
    requeued = world.run(job, Deadline(lambda: left))
    assert (requeued.waits, requeued.deadline_requeues) == counted


def test_one_slow_measurement_does_not_reject_jobs_forever(world: JobWorld) -> None:
    world.runner.images._timed._estimate.record(PLAN, Measured(step_s=2000.0))
    job = world.submit()
    for _ in range(3):
        if not job.final:
            job = world.run(job, Deadline(lambda: 900.0))
    assert job.state == "succeeded"


def test_a_run_that_hung_does_not_overwrite_the_checkpoint_of_its_successor(
    world: JobWorld, checkpoints: MemoryCheckpoints
) -> None:
    job = world.submit(num_inference_steps=6)
    world.runner.checkpoints.__dict__["save_every_s"] = 0.0  # every step
    stale: list[bytes] = []

    def hang(step: int) -> None:
        if step == 2:
            world.clock.pass_s(1000)
            world.sweep.all(Deadline(lambda: 1000.0))
            world.engine.during = lambda step: None
            run(world, job, 3)
            stale.extend(checkpoints.bodies.values())

    world.run(job, Invocation(world, 20, hang).deadline)
    assert list(checkpoints.bodies.values()) == stale
