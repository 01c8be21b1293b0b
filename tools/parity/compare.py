"""Runs both implementations on the same noise and the same synthetic network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from imagegen.engines import schedulers
from imagegen.engines.schedulers.config import SchedulerConfig
from tools.parity import reference
from tools.parity.network import NOISE, PICTURE, Network, synthetic
from tools.parity.settings import Case

LATENTS_TOLERANCE: Final = 1e-4
"""Relative to the largest latent."""
TIMESTEP_TOLERANCE: Final = 0.01
"""diffusers stores fractional timesteps as float32."""

ONE_TOO_MANY: Final = "one timestep too many"
NOT_FINITE: Final = "not a number"
RAISES: Final = "IndexError"


@dataclass
class Agreement:
    """The largest differences over several step counts, and the counts at which diffusers gives no result, by reason.

    `disagree` are the counts at which the difference is too large, or the network is called too often or too rarely.
    """

    latents: float = 0.0
    timesteps: float = 0.0
    agree: list[int] = field(default_factory=list)
    wrong: dict[str, list[int]] = field(default_factory=dict)
    disagree: list[int] = field(default_factory=list)


def compare(case: Case, counts: Iterable[int]) -> Agreement:
    """Compare at those of the step counts that the scheduler can make."""
    result = Agreement()
    for steps in (each for each in counts if can_make(case, each)):
        timesteps, latents = run(case, steps)
        theirs = _reference(case, steps)
        if len(timesteps) != network_calls(case, steps) or not np.isfinite(latents).all():
            result.disagree.append(steps)
        elif isinstance(theirs, str):
            result.wrong.setdefault(theirs, []).append(steps)
        else:
            _add(result, case, steps, _differences(timesteps, latents, *theirs))
    return result


def _reference(case: Case, steps: int) -> tuple[NDArray[Any], NDArray[Any]] | str:
    """Return diffusers' timesteps and latents, or why it has none."""
    scheduler = reference.create(case)
    try:
        timesteps = reference.begin(scheduler, steps, case.strength)
        latents = reference.run(scheduler, timesteps, None if case.strength is None else PICTURE)
    except IndexError:
        return RAISES
    if len(timesteps) == network_calls(case, steps) + 1:
        return ONE_TOO_MANY
    return (timesteps.numpy(), latents) if np.isfinite(latents).all() else NOT_FINITE


def _differences(
    timesteps: list[float], latents: NDArray[Any], expected_timesteps: NDArray[Any], expected: NDArray[Any]
) -> tuple[float, float]:
    """Return the largest difference of a timestep, and of the latents relative to the largest of them."""
    relative = np.abs(latents - expected).max() / np.abs(expected).max()
    return float(np.abs(timesteps - expected_timesteps).max()), float(relative)


def _add(result: Agreement, case: Case, steps: int, differences: tuple[float, float]) -> None:
    timesteps, latents = differences
    if timesteps <= TIMESTEP_TOLERANCE and latents <= LATENTS_TOLERANCE:
        result.agree.append(steps)
        result.timesteps, result.latents = max(result.timesteps, timesteps), max(result.latents, latents)
    elif reference.makes_one_too_many(case, steps):  # Karras' noise levels end at the one too many
        result.wrong.setdefault(ONE_TOO_MANY, []).append(steps)
    else:
        result.disagree.append(steps)


def can_make(case: Case, steps: int) -> bool:
    """Leave out what is refused: no step left by the strength, and more than LCM's model was distilled from."""
    strength = 1.0 if case.strength is None else case.strength
    if case.scheduler == "lcm":
        return steps <= int(case.settings.get("original_inference_steps", 50) * strength)
    return int(steps * strength) >= 1


def network_calls(case: Case, steps: int) -> int:
    """Return how often a run calls the network: once a step, and PNDM once more."""
    made = steps if case.strength is None or case.scheduler == "lcm" else int(steps * case.strength)
    return made + 1 if case.scheduler == "pndm" and made > 1 else made


def run(case: Case, steps: int, network: Network = synthetic) -> tuple[list[float], NDArray[np.float32]]:
    """Return the timesteps and the latents of our scheduler, in float32. Noise is that of `reference.run`."""
    noise = iter([NOISE[-1], *NOISE])
    config, strength = SchedulerConfig.from_json(case.settings), case.strength
    create = schedulers.create
    scheduler = create(case.scheduler, config, steps, lambda: next(noise), 1.0 if strength is None else strength)
    drawn = scheduler.draw_noise()
    sample = drawn * scheduler.init_noise_sigma if strength is None else scheduler.add_noise(PICTURE, drawn)
    for index, timestep in enumerate(scheduler.timesteps):
        output = network(scheduler.scale_model_input(sample, index), timestep).astype(np.float32)
        sample = scheduler.step(output, index, sample)
    return list(scheduler.timesteps), sample
