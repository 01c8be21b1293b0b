"""Every scheduler agrees with diffusers' at every step count, wherever diffusers' accepts the combination."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from imagegen.engines import schedulers
from imagegen.engines.denoise import denoise
from imagegen.engines.schedulers.config import SchedulerConfig, UnsupportedSettingError
from tests.support.diffusers_schedulers import (
    CLASSES,
    accepts,
    configurations,
    double_precision,
    network,
    reference,
    run,
)

ALL_STEPS = range(1, 151)
SAMPLED_STEPS = (1, 2, 3, 4, 9, 16, 30, 49, 61, 150)
WRONG_IN_DIFFUSERS = (61, 103, 121, 122)
"""Trailing step counts at which it makes one timestep too many, because of a rounding error in numpy.arange."""
NOISE = [np.random.RandomState(seed).standard_normal((1, 4, 4, 4)).astype(np.float32) for seed in range(153)]
LCM_STEPS = 50
"""diffusers' LCM makes no more steps than the 50 that its model was distilled from."""

COMBINATIONS = [(name, config) for name in CLASSES for config in configurations() if accepts(name, config)]


def each(combinations: Iterable[tuple[str, dict[str, Any]]]) -> pytest.MarkDecorator:
    """Run the test for each combination of scheduler and configuration."""

    def label(name: str, config: dict[str, Any]) -> str:
        flags = [flag for flag in ("rescale_betas_zero_snr", "use_karras_sigmas") if config[flag]]
        return "-".join([name, config["timestep_spacing"], config["prediction_type"], *flags])

    return pytest.mark.parametrize(
        ("name", "config"), [pytest.param(*combination, id=label(*combination)) for combination in combinations]
    )


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    with double_precision():
        yield


def comparable(name: str, config: dict[str, Any], counts: Iterable[int]) -> list[int]:
    """Return the step counts at which diffusers' scheduler works."""
    most = 150
    if name == "lcm":
        most = LCM_STEPS
    if name == "dpm_multistep" and config["use_karras_sigmas"] and config["rescale_betas_zero_snr"]:
        most = 10  # with more steps it repeats a timestep and then fails with an IndexError
    wrong = WRONG_IN_DIFFUSERS if config["timestep_spacing"] == "trailing" else ()
    return [count for count in counts if count <= most and count not in wrong]


def network_calls(name: str, steps: int) -> int:
    return steps + 1 if name == "pndm" and steps > 1 else steps


def no_noise() -> NDArray[np.float32]:
    raise AssertionError("no noise is drawn")


def run_ours(name: str, config: dict[str, Any], steps: int) -> NDArray[np.float32]:
    """Draw NOISE[-1] first, then in step i NOISE[i], as `run` does."""
    current = [-1]
    scheduler = schedulers.create(name, SchedulerConfig.from_json(config), steps, lambda: NOISE[current[0]])

    def predict(sample: NDArray[np.float32], timestep: float) -> NDArray[np.float32]:
        current[0] += 1
        return network(sample, timestep).astype(np.float32)

    latents: NDArray[np.float32] = denoise(scheduler, predict, lambda _calls, _sample: None)
    return latents


@each(case for case in COMBINATIONS if case[1]["prediction_type"] == "v_prediction")
def test_the_timesteps_are_those_of_diffusers(name: str, config: dict[str, Any]) -> None:
    theirs = reference(name, config)
    for steps in comparable(name, config, SAMPLED_STEPS if config["use_karras_sigmas"] else ALL_STEPS):
        theirs.set_timesteps(steps)
        ours = schedulers.create(name, SchedulerConfig.from_json(config), steps, no_noise).timesteps
        assert len(ours) == network_calls(name, steps)
        np.testing.assert_allclose(ours, theirs.timesteps, atol=0.01)


@pytest.mark.parametrize("steps", WRONG_IN_DIFFUSERS)
@pytest.mark.parametrize("name", CLASSES)
def test_the_number_of_network_calls_is_right_where_diffusers_is_wrong(name: str, steps: int) -> None:
    config = SchedulerConfig(timestep_spacing="trailing", original_inference_steps=150)
    assert len(schedulers.create(name, config, steps, no_noise).timesteps) == network_calls(name, steps)


@each(COMBINATIONS)
def test_the_latents_are_those_of_diffusers(name: str, config: dict[str, Any]) -> None:
    theirs = reference(name, config)
    for steps in comparable(name, config, SAMPLED_STEPS):
        theirs.set_timesteps(steps)
        ours, expected = run_ours(name, config, steps), run(theirs, NOISE)
        assert ours.dtype == np.float32
        assert np.isfinite(ours).all()
        if np.isfinite(expected).all():  # diffusers divides by zero in the first step of epsilon with zero SNR
            assert np.abs(ours - expected).max() <= 1e-4 * np.abs(expected).max(), steps


def test_every_scheduler_runs_with_every_configuration() -> None:
    """Also with those that diffusers' class does not accept."""
    for name in CLASSES:
        for config in configurations():
            assert np.isfinite(run_ours(name, config, 4)).all(), (name, config)


def test_lcm_refuses_more_steps_than_its_model_was_distilled_from() -> None:
    with pytest.raises(UnsupportedSettingError, match="original_inference_steps, 50"):
        schedulers.create("lcm", SchedulerConfig(), 51, no_noise)


@pytest.mark.parametrize(
    "setting",
    [{"prediction_type": "flow"}, {"timestep_spacing": "karras"}, {"beta_schedule": "exp"}, {"thresholding": True}],
)
def test_a_setting_that_is_not_supported_is_named(setting: dict[str, Any]) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(UnsupportedSettingError, match=f"{name} is {value!r}"):
        SchedulerConfig.from_json(setting)
