"""The noise levels that a network was trained with, and the timesteps of a run."""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from imagegen.engines.schedulers.config import SchedulerConfig, UnsupportedSettingError

Floats: TypeAlias = NDArray[np.floating[Any]]

SMALLEST_ALPHA: Final = 2.0**-24
"""Stands for zero where a method divides by a cumulative alpha, as in diffusers: the smallest positive float16."""


def alphas_cumprod(config: SchedulerConfig) -> Floats:
    """Return the cumulative products of 1 - beta, (num_train_timesteps,), descending from almost 1.

    With `rescale_betas_zero_snr` the last is 0 (Lin et al., 2023, "Common Diffusion Noise Schedules and Sample Steps
    are Flawed", algorithm 1).
    """
    alphas: Floats = np.cumprod(1.0 - _betas(config))
    if config.rescale_betas_zero_snr:
        roots: Floats = np.sqrt(alphas)
        roots = (roots - roots[-1]) * (roots[0] / (roots[0] - roots[-1]))
        alphas = roots * roots
    return alphas


def _betas(config: SchedulerConfig) -> Floats:
    count = config.num_train_timesteps
    if config.trained_betas is not None:
        return np.asarray(config.trained_betas, dtype=np.float64)
    if config.beta_schedule == "squaredcos_cap_v2":
        return _cosine_betas(count)
    if config.beta_schedule == "scaled_linear":
        roots: Floats = np.linspace(math.sqrt(config.beta_start), math.sqrt(config.beta_end), count)
        return roots * roots
    return np.linspace(config.beta_start, config.beta_end, count)


def _cosine_betas(count: int) -> Floats:
    """The cosine schedule of Nichol and Dhariwal (2021), each beta at most 0.999."""
    levels = np.cos((np.arange(count + 1) / count + 0.008) / 1.008 * math.pi / 2) ** 2
    betas: Floats = np.minimum(1 - levels[1:] / levels[:-1], 0.999)
    return betas


def sigmas_of(alphas: Floats) -> Floats:
    """Return the noise-to-signal ratio sqrt((1 - alpha) / alpha) of each cumulative alpha."""
    positive = np.where(alphas > 0, alphas, SMALLEST_ALPHA)
    ratios: Floats = np.sqrt((1 - positive) / positive)
    return ratios


def spaced_timesteps(
    config: SchedulerConfig, num_inference_steps: int, *, rounded: bool = True, surplus: int = 0
) -> Floats:
    """Return exactly `num_inference_steps` timesteps, descending; see table 2 of Lin et al. (2023).

    `rounded` is False for methods on continuous noise levels: only their linspace timesteps are fractional. Timesteps
    are spaced as if there were `surplus` more at the end.

    Raises UnsupportedSettingError if the networks were not trained on that many timesteps, or not on the first one.
    """
    train = config.num_train_timesteps
    if num_inference_steps + surplus > train:
        raise UnsupportedSettingError(
            f"num_inference_steps is {num_inference_steps}; at most {train - surplus}, because num_train_timesteps "
            f"is {train}"
        )
    timesteps = _spaced(config, num_inference_steps + surplus)
    if timesteps[0] >= train:
        raise UnsupportedSettingError(
            f"steps_offset is {config.steps_offset}; with num_inference_steps {num_inference_steps} the first timestep "
            f"is {timesteps[0]:.0f}, and num_train_timesteps is {train}"
        )
    return (timesteps.round() if rounded else timesteps)[:num_inference_steps]


def _spaced(config: SchedulerConfig, count: int) -> Floats:
    train = config.num_train_timesteps
    if config.timestep_spacing == "linspace":
        return np.linspace(0, train - 1, count)[::-1]
    if config.timestep_spacing == "leading":
        return (np.arange(count) * float(train // count))[::-1] + config.steps_offset
    # arange returns one value too many where the rounding of train / count adds up, for example at 61 steps.
    trailing: Floats = np.arange(train, 0, -train / count)[:count]
    return trailing.round() - 1


def first_step(num_inference_steps: int, strength: float) -> int:
    """Return the index of the first of the int(num_inference_steps * strength) steps that a run makes.

    Raises UnsupportedSettingError if there is none.
    """
    steps = int(num_inference_steps * strength)
    if steps < 1:
        raise UnsupportedSettingError(
            f"strength is {strength} and num_inference_steps {num_inference_steps}: their product is below 1, so no "
            f"step is left. Use a strength of at least {1 / num_inference_steps:.4f}, or more steps"
        )
    return num_inference_steps - steps


def karras_sigmas(sigma_min: float, sigma_max: float, count: int) -> Floats:
    """Return `count` noise levels, descending from `sigma_max` (Karras et al., 2022, equation 5 with rho = 7)."""
    low, high = sigma_min ** (1 / 7), sigma_max ** (1 / 7)
    levels: Floats = (high + np.linspace(0, 1, count) * (low - high)) ** 7
    return levels


def timesteps_of(sigmas: Floats, training_sigmas: Floats) -> Floats:
    """Return the fractional timesteps of noise levels: linear interpolation between the logarithms of the trained."""
    return np.interp(np.log(sigmas), np.log(training_sigmas), np.arange(len(training_sigmas)))
