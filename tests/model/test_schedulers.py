"""Every scheduler agrees with diffusers' wherever diffusers' accepts the combination.

A sample of the step counts and strengths that `make parity` compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from numpy.typing import NDArray

from imagegen.catalog.registry import SCHEDULERS
from imagegen.engines import schedulers
from imagegen.engines.schedulers.config import SchedulerConfig, UnsupportedSettingError
from tools.parity import reference, settings
from tools.parity.compare import NOT_FINITE, ONE_TOO_MANY, RAISES, can_make, compare, network_calls, run
from tools.parity.network import NOISE, PICTURE
from tools.parity.settings import Case

SAMPLED_STEPS = (1, 2, 3, 9, 30, 61)
WRONG_IN_DIFFUSERS = (61, 103, 121, 122)
"""Trailing step counts at which it makes one timestep too many, because of a rounding error in numpy.arange."""


def each(cases: Iterable[Case]) -> pytest.MarkDecorator:
    """Run the test for each case that diffusers accepts."""

    def label(case: Case) -> str:
        flags = ["zero_snr"] * case.zero_snr + ["karras"] * case.karras
        return "-".join([case.scheduler, case.spacing, case.prediction, *flags, *case.other.split()])

    return pytest.mark.parametrize("case", [pytest.param(case, id=label(case)) for case in cases if case.accepted])


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    with reference.double_precision():
        yield


def no_noise() -> NDArray[np.float32]:
    raise AssertionError("no noise is drawn")


@each(settings.combinations())
def test_timesteps_and_latents_are_those_of_diffusers(case: Case) -> None:
    result = compare(case, SAMPLED_STEPS)
    assert result.disagree == []
    assert result.wrong.keys() <= {ONE_TOO_MANY, NOT_FINITE, RAISES}
    assert result.wrong.get(ONE_TOO_MANY, [61]) == [61]


@each(settings.variations())
def test_other_settings_give_the_latents_of_diffusers(case: Case) -> None:
    result = compare(case, (1, 4, 16))
    assert (result.disagree, result.wrong, result.agree) == ([], {}, [1, 4, 16])


@pytest.mark.parametrize("steps", WRONG_IN_DIFFUSERS)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_number_of_network_calls_is_right_where_diffusers_is_wrong(name: str, steps: int) -> None:
    config = SchedulerConfig(timestep_spacing="trailing", original_inference_steps=150)
    case = Case(name, "trailing", "epsilon")
    assert len(schedulers.create(name, config, steps, no_noise).timesteps) == network_calls(case, steps)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_last_call_completes_the_last_step(name: str) -> None:
    for steps in (1, 2, 3, 50):
        scheduler = schedulers.create(name, SchedulerConfig(), steps, no_noise)
        done = [scheduler.steps_done(calls) for calls in range(len(scheduler.timesteps) + 1)]
        assert (done[0], done[-1]) == (0, steps)


def test_every_scheduler_runs_with_every_configuration() -> None:
    """Also with those that diffusers' class does not accept."""
    for case in settings.combinations():
        _, latents = run(case, 4)
        assert latents.dtype == np.float32
        assert np.isfinite(latents).all(), case


@each(settings.combinations())
def test_a_run_from_a_picture_is_that_of_diffusers(case: Case) -> None:
    """The first step, the noise added for it, and the latents."""
    for strength in settings.STRENGTHS:
        assert compare(replace(case, strength=strength), (1, 4, 10, 100)).disagree == [], strength


@pytest.mark.parametrize("strength", settings.STRENGTHS)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_perfect_network_brings_the_picture_back(name: str, strength: float) -> None:
    """The network knows the picture, so whatever noise is left comes from the scheduler.

    diffusers' pipelines leave up to a third of it with PNDM, because they cut its list after the repetition.
    """
    case = Case(name, "leading", "sample", strength=strength)
    for steps in (1, 2, 3, 10, 20, 50):
        if can_make(case, steps):
            _, latents = run(case, steps, lambda _sample, _timestep: PICTURE)
            assert np.abs(latents - PICTURE).max() < 0.1, steps  # alpha of the first trained timestep is not quite 1


@pytest.mark.parametrize("name", SCHEDULERS)
def test_what_a_mask_keeps_has_the_noise_of_each_step_as_in_diffusers(name: str) -> None:
    for spacing in ("leading", "trailing"):
        case, noise = Case(name, spacing, "epsilon"), NOISE[-1]
        theirs = reference.create(case)
        timesteps = reference.begin(theirs, 10, None)
        ours = schedulers.create(name, SchedulerConfig.from_json(case.settings), 10, no_noise)
        for index, timestep in enumerate(ours.timesteps):
            picture, drawn = (torch.from_numpy(each).double() for each in (PICTURE, noise))
            expected = theirs.add_noise(picture, drawn, timesteps[index : index + 1])
            assert np.abs(ours.add_noise(PICTURE, noise, index) - expected.numpy()).max() < 1e-4, (spacing, timestep)


@pytest.mark.parametrize("name", ["ddim", "dpm_multistep", "euler", "pndm"])
def test_a_run_with_a_perfect_network_has_the_noise_of_each_step(name: str) -> None:
    """What is repainted and what is kept meet at the same level, also within PNDM's repetition."""
    case, noise = Case(name, "trailing", "sample"), NOISE[-1]
    scheduler = schedulers.create(name, SchedulerConfig.from_json(case.settings), 10, no_noise, 0.7)
    sample = scheduler.add_noise(PICTURE, noise)
    for index in range(len(scheduler.timesteps) - 1):
        sample = scheduler.step(PICTURE, index, sample)
        assert np.abs(sample - scheduler.add_noise(PICTURE, noise, index + 1)).max() < 1e-3, index


@pytest.mark.parametrize("steps", [3, 10, 20])
def test_diffusers_leaves_noise_in_a_picture_with_pndm(steps: int) -> None:
    """The reason why PNDM's timesteps differ from diffusers' in runs from a picture. Remove both once it is cured."""
    strength = 1.5 / steps
    theirs = reference.create(Case("pndm", "trailing", "epsilon"))
    theirs.set_timesteps(steps)
    noise = torch.from_numpy(NOISE[-1]).double()
    picture = torch.from_numpy(PICTURE).double()
    pipeline = SimpleNamespace(scheduler=theirs)
    timesteps, _ = StableDiffusionImg2ImgPipeline.get_timesteps(pipeline, steps, strength, "cpu")
    sample = theirs.add_noise(picture, noise, timesteps[:1])
    for timestep in timesteps:
        alpha = theirs.alphas_cumprod[timestep]
        known = (sample - alpha.sqrt() * picture) / (1 - alpha).sqrt()
        sample = theirs.step(known, timestep, sample, return_dict=False)[0]
    assert (sample - picture).abs().max() > 0.2
    _, ours = run(Case("pndm", "trailing", "sample", strength=strength), steps, lambda _sample, _timestep: PICTURE)
    assert np.abs(ours - PICTURE).max() < 0.1


@pytest.mark.parametrize(
    ("name", "settings", "steps", "strength", "names"),
    [
        ("ddim", {}, 9, 0.1, ["strength is 0.1", "num_inference_steps 9", "0.1111"]),
        ("pndm", {}, 1, 0.999, ["strength is 0.999", "num_inference_steps 1"]),
        ("euler", {}, 10, 0.0, ["strength is 0.0", "greater than 0, at most 1"]),
        ("lcm", {}, 4, 1.01, ["strength is 1.01", "at most 1"]),
        ("euler", {}, 10, float("nan"), ["strength is nan"]),
        ("lcm", {}, 4, 0.07, ["num_inference_steps is 4", "original_inference_steps x strength, 50 x 0.07"]),
        ("lcm", {}, 51, 1.0, ["num_inference_steps is 51", "original_inference_steps x strength, 50 x 1"]),
        ("lcm", {"num_train_timesteps": 40}, 1, 1.0, ["original_inference_steps is 50", "num_train_timesteps, 40"]),
        ("ddim", {"num_train_timesteps": 40}, 41, 1.0, ["num_inference_steps is 41", "at most 40"]),
        ("euler", {"num_train_timesteps": 40}, 41, 1.0, ["num_inference_steps is 41", "at most 40"]),
        ("pndm", {"num_train_timesteps": 40}, 40, 1.0, ["steps_offset is 1", "num_inference_steps 40"]),
        ("ddim", {"steps_offset": 20}, 50, 1.0, ["steps_offset is 20", "num_inference_steps 50", "1000"]),
        ("dpm_multistep", {"steps_offset": 30}, 49, 1.0, ["steps_offset is 30", "num_inference_steps 49"]),
        (
            "dpm_multistep",
            {"num_train_timesteps": 40, "timestep_spacing": "linspace"},
            40,
            1.0,
            ["num_inference_steps is 40", "at most 39", "num_train_timesteps is 40"],
        ),
    ],
)
def test_what_a_scheduler_cannot_do_is_refused_before_the_run(
    name: str, settings: dict[str, Any], steps: int, strength: float, names: list[str]
) -> None:
    with pytest.raises(UnsupportedSettingError) as caught:
        schedulers.create(name, SchedulerConfig(**settings), steps, no_noise, strength)
    assert [each for each in names if each not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("setting", "allowed"),
    [
        ({"prediction_type": "flow_prediction"}, "epsilon"),
        ({"timestep_spacing": "karras"}, "leading"),
        ({"beta_schedule": "exp"}, "scaled_linear"),
        ({"num_train_timesteps": 0}, "greater than 0"),
        ({"num_train_timesteps": "1000"}, "integer"),
        ({"beta_start": 0}, "greater than 0"),
        ({"beta_end": 1.0}, "less than 1"),
        ({"steps_offset": -1}, "greater than or equal to 0"),
        ({"original_inference_steps": 0}, "greater than 0"),
        ({"timestep_scaling": 0.0}, "greater than 0"),
        ({"rescale_betas_zero_snr": "yes"}, "boolean"),
        ({"final_sigmas_type": "denoise_to_zero"}, "sigma_min"),
        ({"thresholding": True}, "False"),
        ({"timestep_type": "continuous"}, "discrete"),
        ({"variance_type": "learned_range"}, "fixed_small"),
        ({"use_exponential_sigmas": True}, "False"),
        ({"use_beta_sigmas": True}, "False"),
        ({"use_lu_lambdas": True}, "False"),
        ({"use_flow_sigmas": True}, "False"),
        ({"interpolation_type": "log_linear"}, "linear"),
    ],
)
def test_a_setting_that_is_not_supported_is_named(setting: dict[str, Any], allowed: str) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(UnsupportedSettingError, match=re.escape(f"{name} is {value!r}; ")) as caught:
        SchedulerConfig.from_json(setting)
    assert allowed in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"trained_betas": [0.1, 0.2]}, ["trained_betas has 2 values", "num_train_timesteps is 1000"]),
        ({"trained_betas": [0.1, -0.2], "num_train_timesteps": 2}, ["trained_betas.1 is -0.2"]),
        ({"sigma_min": 20.0, "sigma_max": 10.0}, ["sigma_min is 20.0", "sigma_max, 10.0"]),
    ],
)
def test_settings_that_contradict_each_other_are_named(settings: dict[str, Any], names: list[str]) -> None:
    with pytest.raises(UnsupportedSettingError) as caught:
        SchedulerConfig.from_json(settings)
    assert [each for each in names if each not in str(caught.value)] == []
