"""diffusers' schedulers as the reference, computed in float64, so that its own rounding is not in the comparison."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, Final, TypeAlias

import diffusers
import numpy as np
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from diffusers.schedulers import (
    scheduling_ddim,
    scheduling_dpmsolver_multistep,
    scheduling_euler_ancestral_discrete,
    scheduling_euler_discrete,
    scheduling_lcm,
    scheduling_pndm,
)
from numpy.typing import NDArray

from imagegen.catalog.registry import SCHEDULERS
from tools.parity.network import NOISE, synthetic
from tools.parity.settings import Case

Array: TypeAlias = NDArray[Any]

MODULES: Final = (
    scheduling_ddim,
    scheduling_dpmsolver_multistep,
    scheduling_euler_ancestral_discrete,
    scheduling_euler_discrete,
    scheduling_lcm,
    scheduling_pndm,
)

diffusers.utils.logging.set_verbosity_error()  # it logs each setting that a class does not have


class _DoubleTorch(ModuleType):
    """torch, but `torch.float32` is float64."""

    float32 = torch.float64

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


@contextmanager
def double_precision() -> Iterator[None]:
    """Let diffusers' schedulers compute in float64."""
    try:
        for module in MODULES:
            module.torch = _DoubleTorch("torch")
        yield
    finally:
        for module in MODULES:
            module.torch = torch


def create(case: Case) -> Any:
    """Return diffusers' scheduler. `from_config` also passes what only another class has, such as sigma_min."""
    return getattr(diffusers, SCHEDULERS[case.scheduler]).from_config(case.settings)


def begin(scheduler: Any, steps: int, strength: float | None) -> torch.Tensor:
    """Return the timestep of each network call of a run, from noise or, with a strength, from a picture."""
    if strength is not None and isinstance(scheduler, diffusers.LCMScheduler):
        scheduler.set_timesteps(steps, strength=strength)  # as in LatentConsistencyModelImg2ImgPipeline
    else:
        scheduler.set_timesteps(steps)
    if hasattr(scheduler, "sigmas"):
        scheduler.sigmas = scheduler.sigmas.double()
    timesteps: torch.Tensor = scheduler.timesteps
    if strength is None or isinstance(scheduler, diffusers.LCMScheduler):
        return timesteps
    if isinstance(scheduler, diffusers.PNDMScheduler):
        return _pndm_timesteps(scheduler, int(steps * strength))
    pipeline = SimpleNamespace(scheduler=scheduler)
    timesteps, _ = StableDiffusionImg2ImgPipeline.get_timesteps(pipeline, steps, strength, "cpu")
    return timesteps


def _pndm_timesteps(scheduler: Any, steps: int) -> torch.Tensor:
    """Return the last timesteps of a run, the second one twice.

    diffusers' pipelines cut the list in which the second one is already repeated: noise levels and timesteps no longer
    match, and noise is left in the picture (tests/model/test_schedulers.py).
    """
    ascending = scheduler._timesteps[:steps]
    repeated = [*ascending[:-1], *ascending[-2:-1], *ascending[-1:]]
    return torch.tensor(repeated[::-1], dtype=torch.int64)


def makes_one_too_many(case: Case, steps: int) -> bool:
    """Return whether its trailing timesteps, computed as in its code, are one more than the steps."""
    train = case.settings.get("num_train_timesteps", 1000)
    return case.spacing == "trailing" and len(np.arange(train, 0, -train / steps)) > steps


def run(scheduler: Any, timesteps: torch.Tensor, original: Array | None) -> Array:
    """Return the latents after the run that has begun, from noise or from a picture's latents."""
    sample = torch.from_numpy(NOISE[-1]).double()
    if original is None:
        sample = sample * float(scheduler.init_noise_sigma)
    else:
        sample = scheduler.add_noise(torch.from_numpy(original).double(), sample, timesteps[:1])
    for index, timestep in enumerate(timesteps):
        drawn = torch.from_numpy(NOISE[index]).double()
        for module in (scheduling_euler_ancestral_discrete, scheduling_lcm):
            module.randn_tensor = lambda *_args, drawn=drawn, **_kwargs: drawn
        output = synthetic(scheduler.scale_model_input(sample, timestep).numpy(), float(timestep))
        sample = scheduler.step(torch.from_numpy(output), timestep, sample, return_dict=False)[0]
    latents: Array = sample.numpy()
    return latents
