"""What callers see of a job."""

from __future__ import annotations

import pytest

from imagegen.errors import (
    ResultExpired,
)
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
        ("load", 0, 0, 0), ("step", 1, 4, 25), ("step", 2, 4, 50), ("step", 3, 4, 75),
    ]  # fmt: skip
    assert [each.eta_ms for each in seen if each] == [None, None, 4000, 2000]


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
