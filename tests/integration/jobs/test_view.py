"""What callers see of a job."""

from __future__ import annotations

import pytest

from imagegen.errors import ResultExpired
from imagegen.jobs.job import Job
from imagegen.jobs.ports import Listed
from imagegen.jobs.view import JobInfo
from tests.support.fakes import PLENTY
from tests.support.job_faults import UnavailableQueue, UnavailableTurns
from tests.support.job_world import JobWorld


def test_progress_is_visible_during_a_run(world: JobWorld) -> None:
    job = world.submit()
    seen = []

    def look(step: int) -> None:
        world.clock.pass_s(2)
        seen.append(world.renderer.render(world.get(job)).progress)

    world.engine.during = look
    world.run(job)
    assert [(each.phase, each.step, each.of, each.percent) for each in seen if each] == [
        ("load", 0, 4, 0), ("step", 1, 4, 25), ("step", 2, 4, 50), ("step", 3, 4, 75),
    ]  # fmt: skip
    assert [each.eta_ms for each in seen if each] == [None, None, 4000, 2000]


def test_a_job_of_a_killed_worker_keeps_its_progress_and_loses_its_estimate(world: JobWorld) -> None:
    job = world.submit()
    seen: list[JobInfo] = []

    def look(step: int) -> None:
        world.clock.pass_s(2)
        seen.append(world.renderer.render(world.get(job)))
        if step == 4 and seen[-1].attempt == 1:
            raise KeyboardInterrupt  # no code of the product handles it: the row stays as a killed worker leaves it

    world.engine.during = look
    with pytest.raises(KeyboardInterrupt):
        world.run(job)
    world.clock.pass_s(world.timing.lease_s)
    seen.append(world.renderer.render(world.get(job)))
    world.sweep.all(PLENTY)
    seen.append(world.renderer.render(world.get(job)))
    world.run(job)
    shown = [(each.status, each.attempt, each.progress) for each in seen]
    percents = [progress.percent for _, _, progress in shown if progress]
    assert percents == sorted(percents)
    assert percents[3:6] == [75, 75, 75]
    assert [(status, attempt, progress and progress.eta_ms) for status, attempt, progress in shown[3:6]] == [
        ("running", 1, 2000), ("running", 1, None), ("queued", 1, None),
    ]  # fmt: skip
    assert [(status, attempt) for status, attempt, _ in shown[6:]] == [("running", 2)] * 4
    assert {each.started_at for each in seen} == {seen[0].started_at}


def test_a_queued_job_shows_how_many_are_ahead_and_when_it_starts(world: JobWorld) -> None:
    """Bob learns a number, and nothing else of alice's jobs."""
    ahead = [world.submit(tenant="alice") for _ in range(4)]
    world.clock.pass_s(10)
    own = [world.submit(tenant="bob") for _ in range(2)]
    world.clock.pass_s(10)
    job = world.submit(tenant="bob")

    def shown() -> tuple[str, int | None, int | None]:
        world.clock.pass_s(10)  # the queue is cached
        progress = world.renderer.render(world.get(job)).progress
        assert progress is not None
        return progress.phase, progress.position, progress.eta_ms

    assert shown() == ("queue", 6, None)  # two of its own tenant, three of alice
    for _ in range(3):
        world.submit(tenant="alice")
    assert shown() == ("queue", 6, None)
    run_next(world, ahead[0])
    run_next(world, ahead[1])
    assert shown() == ("queue", 4, 30_000 * 4 // 2)
    world.submit(tenant="carol")
    assert shown() == ("queue", 5, 40_000 * 5)  # a new tenant takes its turn, too
    for message_of in own:  # runs one of carol's and one of alice's
        run_next(world, message_of)
    assert shown() == ("queue", 4, 50_000 * 4 // 2)


def test_the_position_is_unknown_without_the_index_or_a_message(world: JobWorld) -> None:
    job = world.submit()
    world.container.backlog._turns = UnavailableTurns()
    world.clock.pass_s(10)
    assert [progress.position for progress in (world.renderer.render(job).progress,) if progress] == [None]
    world.container.outbox._queue = UnavailableQueue()
    unsent = world.renderer.render(world.submit())
    assert unsent.progress is not None
    assert (unsent.progress.phase, unsent.progress.position, unsent.progress.eta_ms) == ("queue", None, None)


def test_the_queue_is_read_every_five_seconds(world: JobWorld) -> None:
    calls, turns = 0, world.container.turn_store
    real = turns.waiting

    def counted(limit: int, after: str = "") -> list[Listed]:
        nonlocal calls
        calls += 1
        return real(limit, after)

    turns.waiting = counted  # type: ignore[method-assign]
    job = world.submit()
    for _ in range(100):
        world.clock.pass_s(0.1)
        world.renderer.render(job)
    assert calls == 3


def run_next(world: JobWorld, message_of: Job) -> None:
    """Run the job whose turn it is, with the message of another job."""
    world.runner.run(message_of.tenant, message_of.job_id, PLENTY)


def test_expired_images_have_no_url(world: JobWorld) -> None:
    job = world.run(world.submit())
    (signed,) = world.renderer.render_listed(job).result.images  # type: ignore[union-attr]
    world.clock.pass_s(7 * 24 * 3600 - 60)
    again = world.run(world.submit(seed=signed.seed + 1))
    world.clock.pass_s(120)
    with pytest.raises(ResultExpired):
        world.renderer.render(job)
    summary = world.renderer.render_listed(again)
    assert (summary.status, summary.result) == ("succeeded", None)
    assert summary.error is not None
    assert (summary.error.code, summary.error.status) == ("result_expired", 410)
