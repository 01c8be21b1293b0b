"""Strength, steps and sizes of an edit."""

from __future__ import annotations

import pytest

from imagegen.catalog.registry import REGISTRY
from imagegen.generation.edit import least_steps, least_strength, leaves_a_step, steps_made
from imagegen.generation.sizes import Size, size_for

DEMO, SD15 = REGISTRY["demo"].limits, REGISTRY["sd-1.5"].limits


@pytest.mark.parametrize("scheduler", ["ddim", "lcm"])
def test_the_least_strength_leaves_a_step_and_less_does_not(scheduler: str) -> None:
    for steps in range(1, 51 if scheduler == "lcm" else 151):
        least = least_strength(steps, scheduler)
        assert 0 < least <= 1
        assert leaves_a_step(steps, least, scheduler), steps
        assert not leaves_a_step(steps, least - 0.0002, scheduler), steps


def test_the_least_steps_leave_one() -> None:
    for hundredths in range(1, 101):
        strength = hundredths / 100
        steps = least_steps(strength)
        assert steps_made(steps, strength, "ddim") == 1
        assert steps == 1 or steps_made(steps - 1, strength, "ddim") == 0


@pytest.mark.parametrize(
    ("picture", "size"),
    [
        ((128, 128), (128, 128)),
        ((131, 123), (128, 120)),
        ((1, 1), (120, 120)),
        ((4000, 3000), (144, 120)),
        ((4000, 30), (144, 120)),
        ((30, 4000), (120, 144)),
        ((300, 200), (144, 120)),
    ],
)
def test_without_a_size_the_model_draws_its_nearest_to_the_pictures(picture: Size, size: Size) -> None:
    assert size_for(picture, None, None, DEMO) == size


@pytest.mark.parametrize(
    ("picture", "asked", "size"),
    [
        ((511, 631), (None, None), (512, 632)),
        ((4032, 3024), (None, None), (768, 576)),
        ((300, 200), (None, None), (384, 256)),
        ((1000, 500), (512, None), (512, 256)),
        ((500, 1000), (None, 768), (384, 768)),
        ((500, 1000), (512, 512), (512, 512)),
    ],
)
def test_a_side_that_is_left_out_follows_the_pictures_aspect_ratio(
    picture: Size, asked: tuple[int | None, int | None], size: Size
) -> None:
    assert size_for(picture, *asked, SD15) == size
