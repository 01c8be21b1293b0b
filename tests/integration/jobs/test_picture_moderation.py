"""Jobs whose pictures are judged: what a blocked one is, and what it leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boto3
import numpy as np
import pytest
from PIL import Image

from imagegen.catalog.manifest import LatentColors
from imagegen.generation.edit import Picture
from imagegen.generation.preview import Previews
from imagegen.generation.request import GenerateRequest
from imagegen.jobs.job import Job
from tests.support.fake_audit import RecordingAudit
from tests.support.job_world import HOOK, JobWorld
from tests.support.ledger import billed, settled
from tests.support.picture_checks import ColorChecker, judge_pictures, moderation
from tests.support.pictures import file

BLOCKED_SEED = 7
COLORS = LatentColors(((90.0, 0.0, 0.0), (0.0, 90.0, 0.0), (0.0, 0.0, 90.0), (30.0, 30.0, 30.0)), (128.0, 128.0, 128.0))


@pytest.fixture
def checker() -> ColorChecker:
    return ColorChecker(blocks=(BLOCKED_SEED, 0, 0))


@pytest.fixture
def records() -> RecordingAudit:
    return RecordingAudit()


@pytest.fixture
def world(world: JobWorld, checker: ColorChecker, records: RecordingAudit) -> JobWorld:
    world.runner = judge_pictures(world.container, moderation(checker, records))
    return world


def objects(world: JobWorld, prefix: str) -> list[str]:
    listed = boto3.client("s3").list_objects_v2(Bucket=world.resources["Bucket"], Prefix=prefix)
    return [each["Key"] for each in listed.get("Contents", [])]


def assert_blocked(world: JobWorld, job: Job, stage: str) -> None:
    """The job has failed once and for all, and nothing of it is stored, kept, charged or tried again."""
    assert job.error is not None
    assert (job.state, job.attempt, job.error.code, job.error.status) == ("failed", 1, "moderation_blocked", 422)
    assert job.error.members == {"stage": stage, "category": "sexual"}
    shown = world.renderer.render(job).error
    assert shown is not None
    assert (shown.stage, shown.category) == (stage, "sexual")
    assert objects(world, "images/") == objects(world, "checkpoints/") == []
    assert (billed(world).images, world.items("BILL#"), settled(world)) == (0, [], True)


def test_a_blocked_result_fails_the_job(world: JobWorld, records: RecordingAudit) -> None:
    webhook = HOOK | {"events": ["job.failed"]}
    job = world.run(world.submit(seed=BLOCKED_SEED, num_images_per_prompt=2, webhook=webhook))
    assert_blocked(world, job, "output")
    assert [(each.tenant, each.job_id, each.stage) for each in records.blocked] == [("alice", job.job_id, "output")]
    assert [each[3:] for each in world.webhooks.queued] == [("job.failed", "failed")]
    assert len(world.messages()) == 1, "only the message of the submission"
    assert not job.repeatable, "its Idempotency-Key keeps it"


def edit(world: JobWorld, color: tuple[int, int, int], **body: Any) -> Job:
    data = file(Image.new("RGB", (128, 128), color), "PNG")
    request = GenerateRequest.parse({"prompt": "a red circle", "seed": 1, "image": "of the test", **body})
    plan = world.planner.plan(request, (Picture.of(data, (128, 128)), None))
    return world.jobs.submit(plan, tenant="alice").job


def test_a_blocked_picture_fails_the_job_before_a_model_is_loaded(world: JobWorld) -> None:
    job = world.run(edit(world, (BLOCKED_SEED, 0, 0)))
    assert_blocked(world, job, "input")
    assert world.engines.loads == 0
    assert world.run(edit(world, (0, 0, 90))).state == "succeeded"


def test_the_checkpoint_of_a_blocked_job_is_deleted(world: JobWorld, checker: ColorChecker) -> None:
    """The first run crashed after it had saved its progress."""
    world.runner.checkpoints.__dict__["save_every_s"] = 0.0
    job = world.submit(seed=BLOCKED_SEED)

    def crash(step: int) -> None:
        if step == 4:
            raise RuntimeError

    world.engine.during = crash
    assert world.run(job).state == "queued"
    assert objects(world, "checkpoints/") != []
    world.engine.during = lambda _step: None
    ended = world.run(job)
    assert (ended.state, objects(world, "checkpoints/"), objects(world, "images/")) == ("failed", [], [])
    assert ended.error is not None
    assert ended.error.code == "moderation_blocked"


def test_a_job_waits_for_what_judges(world: JobWorld, checker: ColorChecker, records: RecordingAudit) -> None:
    checker.failing = True
    job = world.submit(seed=8)
    queued = world.run(job)
    assert (queued.state, queued.aws_failures, queued.attempt) == ("queued", 1, 0)
    assert (world.engines.loads, objects(world, "images/")) == (0, [])
    assert records.unavailable == [("output", "no networks")]
    checker.failing = False
    assert world.run(job).state == "succeeded"


def test_a_job_without_a_verdict_fails_in_the_end(world: JobWorld, checker: ColorChecker) -> None:
    checker.failing = True
    job = world.submit(seed=8)
    while not (job := world.run(job)).final:
        pass
    assert job.error is not None
    assert (job.error.code, job.error.status, job.error.stage) == ("moderation_unavailable", 503, None)
    assert settled(world)


@pytest.mark.parametrize(("red", "shown"), [(1.0, True), (9.0, False)])
def test_a_preview_is_judged_before_it_is_shown(
    world: JobWorld, checker: ColorChecker, red: float, shown: bool
) -> None:
    """The result decides about the job, which is not blocked."""
    checker.blocks = (255, 128, 128)
    latents = np.zeros((1, 4, 16, 16), np.float32)
    latents[0, 0, :, 8:] = red
    world.engine.predicted = latents
    world.runner = replace(world.runner, previews=Previews(lambda *_: COLORS, world.container.picture_moderation))
    job, seen = world.submit(preview=True, seed=8), list[bool]()

    def look(_step: int) -> None:
        world.clock.pass_s(2)
        progress = world.renderer.render(world.get(job)).progress
        assert progress is not None
        seen.append(progress.preview is not None)

    world.engine.during = look
    assert world.run(job).state == "succeeded"
    assert any(seen) is shown
    assert [each.size for each in checker.judged if each.size == (16, 16)] != []
