"""Planner and schedulers agree on every cell of steps x strength: as many steps as planned, or none at all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from imagegen.catalog.image_models import ImageModels
from imagegen.catalog.registry import REGISTRY, SCHEDULERS
from imagegen.engines import schedulers
from imagegen.engines.schedulers.config import SchedulerConfig, UnsupportedSettingError
from imagegen.errors import InvalidRequest
from imagegen.generation.planner import Planner
from imagegen.generation.request import GenerateRequest
from tests.conftest import ROOT
from tests.support.plans import BACKEND
from tests.support.scenes import picture, scene

MOST_STEPS: Final = 100
GRID: Final = [(steps, hundredths / 100) for steps in range(1, MOST_STEPS + 1) for hundredths in range(1, 101)]
_DEMO: Final = REGISTRY["demo"]
_EVERY: Final = replace(_DEMO, schedulers=tuple(SCHEDULERS), limits=replace(_DEMO.limits, max_steps=MOST_STEPS))
PLANNER: Final = Planner(ImageModels({_EVERY.id: _EVERY}, _EVERY.id), BACKEND)
SCENE: Final = picture(scene())
DEMO_CONFIG: Final = json.loads((ROOT / "function/models/demo/scheduler/scheduler_config.json").read_text())
CONFIGS: Final[dict[str, dict[str, Any]]] = {
    **{each: {"timestep_spacing": "leading", "steps_offset": 1} for each in SCHEDULERS},
    **dict.fromkeys(_DEMO.schedulers, DEMO_CONFIG),
}
"""The demo model's configuration for its own schedulers, that of most Stable Diffusion models for the others."""


def no_noise() -> NDArray[np.float32]:
    raise AssertionError("no noise is drawn")


def planned(steps: int, strength: float, scheduler: str) -> int | None:
    """Return the steps of one image, or None if the request is refused because of its strength."""
    body = {"prompt": "a", "image": "its name", "num_inference_steps": steps, "strength": strength, "seed": 1}
    try:
        spec = PLANNER.plan(GenerateRequest.parse({**body, "scheduler": scheduler}), (SCENE, None)).spec
    except InvalidRequest as error:
        assert [(each.field, each.code) for each in error.errors] == [("strength", "out_of_range")]
        return None
    return spec.steps_per_image


def run(steps: int, strength: float, scheduler: str, config: SchedulerConfig) -> int | None:
    """Return the steps that the scheduler's timesteps make, or None if it refuses."""
    try:
        made = schedulers.create(scheduler, config, steps, no_noise, strength)
    except UnsupportedSettingError:
        return None
    assert all(0 <= each < config.num_train_timesteps for each in made.timesteps)
    return made.steps_done(len(made.timesteps))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_cell_makes_the_steps_that_were_planned_or_is_refused(scheduler: str) -> None:
    config = SchedulerConfig.from_json(CONFIGS[scheduler])
    cells = {cell: (planned(*cell, scheduler), run(*cell, scheduler, config)) for cell in GRID}
    assert {cell: each for cell, each in cells.items() if each[0] != each[1]} == {}
    assert 0 not in {of_plan for of_plan, _ in cells.values()}
