"""Previews of a running job: who sees them, when, and what remains of them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imagegen.catalog import manifest
from imagegen.catalog.manifest import LatentColors
from imagegen.errors import GenerationInvalid, JobNotFound
from imagegen.generation.preview import Previews
from imagegen.generation.snapshot import Array
from imagegen.jobs.job import Job
from tests.support.fakes import Unjudged
from tests.support.job_world import JobWorld
from tests.support.pictures import of_data_url

COLORS = LatentColors(((90.0, 0.0, 0.0), (0.0, 90.0, 0.0), (0.0, 0.0, 90.0), (30.0, 30.0, 30.0)), (128.0, 128.0, 128.0))
NOISE = np.random.RandomState(0).choice([-9.0, 9.0], (1, 4, 128, 128)).astype(np.float32)


@pytest.fixture
def world(world: JobWorld) -> JobWorld:
    """The engine predicts noise at 1024 x 1024: the largest previews."""
    world.engine.predicted = NOISE
    world.runner = replace(world.runner, previews=Previews(lambda _model, _backend: COLORS, Unjudged()))
    return world


def brightening(step: int) -> Array:
    """Return latents that differ from those of every other step."""
    latents = np.zeros((1, 4, 16, 16), np.float32)
    latents[..., :8] = step / 40
    return latents


def shown(world: JobWorld, job: Job) -> str | None:
    progress = world.renderer.render(world.get(job)).progress
    assert progress is not None
    return progress.preview


def row(world: JobWorld, job: Job) -> dict[str, Any]:
    (item,) = world.items(f"JOB#{job.tenant}#{job.job_id}")
    return item


def looks(world: JobWorld, job: Job) -> list[str | None]:
    """Run the job; return the preview that its caller sees in each step."""
    seen: list[str | None] = []

    def look(_step: int) -> None:
        world.clock.pass_s(2)
        seen.append(shown(world, job))

    world.engine.during = look
    world.run(job)
    return seen


def test_a_running_job_shows_a_preview_and_a_final_one_does_not(world: JobWorld) -> None:
    job = world.submit(preview=True)
    assert shown(world, job) is None
    before, first, *later = looks(world, job)
    assert before is None
    assert of_data_url(first).size == (64, 64)
    assert None not in later
    ended = world.get(job)
    assert (ended.state, world.renderer.render(ended).progress) == ("succeeded", None)
    assert "data:image" not in str(row(world, job))


def test_only_a_job_that_asks_for_previews_has_them(world: JobWorld) -> None:
    assert looks(world, world.submit()) == [None] * 4
    assert looks(world, world.submit(preview=False, seed=2)) == [None] * 4


def test_the_receipt_has_the_time_of_the_previews_and_takes_it_from_the_steps(world: JobWorld) -> None:
    ticks = itertools.count()
    world.runner = replace(
        world.runner, previews=Previews(lambda _model, _backend: COLORS, Unjudged(), lambda: next(ticks) / 4)
    )
    world.engine.step_s = 1.0
    watched, plain = world.submit(preview=True), world.submit(seed=2)
    assert len([each for each in looks(world, watched) if each]) == 3
    looks(world, plain)
    found = [world.get(job).result for job in (watched, plain)]
    assert [(each.timings.preview_ms, each.timings.denoise_ms) for each in found if each] == [(1000, 3000), (0, 4000)]


@pytest.mark.parametrize("colors", [COLORS, None])
def test_colors_are_those_of_the_prepared_folder(world: JobWorld, tmp_path: Path, colors: LatentColors | None) -> None:
    """A folder that an earlier version prepared has none: the job then shows no preview, and runs."""
    folder = tmp_path / "demo" / "torch"
    folder.mkdir(parents=True)
    manifest.write(folder, flops=manifest.Flops(10**9, 10**9, 10**9, 10**9), colors=colors)
    world.container.settings = world.container.settings.model_copy(update={"models_dir": tmp_path})
    world.runner = replace(world.runner, previews=world.container.previews)
    job = world.submit(preview=True)
    assert [each is not None for each in looks(world, job)] == [False, *[colors is not None] * 3]
    assert world.get(job).state == "succeeded"


def test_a_preview_is_new_at_most_once_a_second(world: JobWorld) -> None:
    job, seen = world.submit(preview=True, num_inference_steps=40), set()

    def look(step: int) -> None:
        world.clock.pass_s(0.1)
        seen.add(shown(world, job))
        world.engine.predicted = brightening(step)

    world.engine.during = look
    world.run(job)
    assert 3 <= len(seen - {None}) <= 4  # of 40 steps, in four seconds


def test_it_adds_at_most_8_kb_to_the_row(world: JobWorld) -> None:
    job, sizes = world.submit(preview=True), []

    def measure(_step: int) -> None:
        world.clock.pass_s(2)
        sizes.append(len(str(row(world, job)).encode()))

    world.engine.during = measure
    world.run(job)
    assert 1000 < max(sizes) - min(sizes) < 8200


def test_only_the_view_of_its_own_tenant_has_it(world: JobWorld) -> None:
    job = world.submit(preview=True)
    own: list[str | None] = []
    listed: list[str | None] = []
    foreign: list[Job] = []

    def look(_step: int) -> None:
        world.clock.pass_s(2)
        own.append(shown(world, job))
        page = world.jobs.page("alice", limit=10).jobs
        listed.extend(progress.preview for each in page if (progress := world.renderer.render_listed(each).progress))
        with pytest.raises(JobNotFound):
            world.jobs.get("bob", job.job_id)
        foreign.extend(world.jobs.page("bob", limit=10).jobs)

    world.engine.during = look
    world.run(job)
    assert own[-1] is not None
    assert listed == [None] * 4
    assert foreign == []


@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_a_job_that_ended_early_has_none(world: JobWorld, state: str) -> None:
    job = world.submit(preview=True)

    def end(step: int) -> None:
        world.clock.pass_s(2)
        if step == 3:
            assert shown(world, job) is not None
            if state == "failed":
                raise GenerationInvalid
            world.jobs.cancel("alice", job.job_id)

    world.engine.during = end
    ended = world.run(job)
    assert (ended.state, world.renderer.render(ended).progress) == (state, None)
    assert "data:image" not in str(row(world, job))


def test_latents_that_are_no_picture_have_none(world: JobWorld) -> None:
    world.engine.predicted = NOISE * np.float32(np.nan)
    assert looks(world, world.submit(preview=True)) == [None] * 4


def test_a_preview_changes_neither_the_images_nor_their_key(world: JobWorld) -> None:
    watched, plain = world.submit(preview=True, seed=7), world.submit(seed=7)
    looks(world, watched)
    world.run(plain)
    one, other = world.get(watched).result, world.get(plain).result
    assert one is not None
    assert other is not None
    assert (one.cached, other.cached) == (False, True)
    assert one.images[0].sha256 == other.images[0].sha256
