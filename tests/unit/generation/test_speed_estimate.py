from __future__ import annotations

from imagegen.generation.speed_estimate import Measured, SpeedEstimate
from tests.support.plans import spec


def test_speed_is_estimated_separately_with_guidance() -> None:
    estimate = SpeedEstimate()
    estimate.record(spec(guidance_scale=2), Measured(step_s=100.0, finish_s=10.0))
    assert estimate.of(spec(guidance_scale=1)).step_s == 0
    assert estimate.of(spec(guidance_scale=3)).step_s == 100


def test_the_fastest_times_are_kept_and_halved_together() -> None:
    estimate = SpeedEstimate()
    for step_s, finish_s, load_s in ((4.0, 1.0, 30.0), (2.0, 3.0, 20.0), (8.0, 2.0, 40.0)):
        estimate.record(spec(), Measured(step_s, finish_s))
        estimate.record_load("demo", load_s)
    assert (estimate.of(spec()), estimate.load_s("demo")) == (Measured(2.0, 1.0), 20.0)
    estimate.halve(spec())
    assert (estimate.of(spec()), estimate.load_s("demo")) == (Measured(1.0, 0.5), 10.0)
    assert estimate.load_s("sd-turbo") == 0
