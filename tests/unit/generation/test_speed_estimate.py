from __future__ import annotations

from typing import Any

from imagegen.catalog.registry import REGISTRY
from imagegen.generation.planner import resolve
from imagegen.generation.request import GenerateRequest
from imagegen.generation.spec import GenerationSpec
from imagegen.generation.speed_estimate import Measured, SpeedEstimate


def generation(**fields: Any) -> GenerationSpec:
    return resolve(GenerateRequest.parse({"prompt": "a red circle", **fields}), REGISTRY["demo"], seed=0)


def test_speed_is_estimated_separately_with_guidance() -> None:
    pace = SpeedEstimate()
    pace.record(generation(guidance_scale=2), Measured(step_s=100.0, finish_s=10.0))
    assert pace.of(generation(guidance_scale=1)).step_s == 0
    assert pace.of(generation(guidance_scale=3)).step_s == 100
