"""diffusers' schedulers as the reference, computed in float64, so that its own rounding is not in the comparison."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

import diffusers
import numpy as np
import torch
from diffusers.schedulers import (
    scheduling_ddim,
    scheduling_dpmsolver_multistep,
    scheduling_euler_ancestral_discrete,
    scheduling_euler_discrete,
    scheduling_lcm,
    scheduling_pndm,
)
from numpy.typing import NDArray

CLASSES: Final = {
    "ddim": "DDIMScheduler",
    "dpm_multistep": "DPMSolverMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_ancestral": "EulerAncestralDiscreteScheduler",
    "lcm": "LCMScheduler",
    "pndm": "PNDMScheduler",
}
MODULES: Final = (
    scheduling_ddim,
    scheduling_dpmsolver_multistep,
    scheduling_euler_ancestral_discrete,
    scheduling_euler_discrete,
    scheduling_lcm,
    scheduling_pndm,
)
KARRAS: Final = ("euler", "dpm_multistep")
BASE: Final = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
EXPLICIT: Final = {"set_alpha_to_one": False, "clip_sample": False, "skip_prk_steps": True}


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


def configurations() -> list[dict[str, Any]]:
    """Return every combination of spacing, prediction type, zero terminal SNR and Karras' noise levels."""
    return [
        {
            **BASE,
            **EXPLICIT,
            "timestep_spacing": spacing,
            "prediction_type": prediction,
            "rescale_betas_zero_snr": zero_snr,
            "use_karras_sigmas": karras,
        }
        for spacing, prediction, zero_snr, karras in itertools.product(
            ("leading", "trailing", "linspace"), ("epsilon", "v_prediction", "sample"), (False, True), (False, True)
        )
    ]


def reference(name: str, config: Mapping[str, Any]) -> Any:
    """Return diffusers' scheduler with those settings of `config` that its class has."""
    scheduler_class = getattr(diffusers, CLASSES[name])
    known = inspect.signature(scheduler_class.__init__).parameters
    return scheduler_class(**{key: value for key, value in config.items() if key in known})


def accepts(name: str, config: Mapping[str, Any]) -> bool:
    """Return whether diffusers' class implements the combination. Otherwise it raises, or ignores a setting."""
    if config["use_karras_sigmas"] and name not in KARRAS:
        return False
    if name == "pndm":
        return config["prediction_type"] != "sample" and not config["rescale_betas_zero_snr"]
    return not (name == "euler_ancestral" and config["prediction_type"] == "sample")


def run(scheduler: Any, noise: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Return the latents after a run on the synthetic network; `noise[i]` is drawn in step i, the last one first."""
    if hasattr(scheduler, "sigmas"):
        scheduler.sigmas = scheduler.sigmas.double()
    sample = torch.from_numpy(noise[-1]).double() * float(scheduler.init_noise_sigma)
    for index, timestep in enumerate(scheduler.timesteps):
        drawn = torch.from_numpy(noise[index]).double()
        for module in (scheduling_euler_ancestral_discrete, scheduling_lcm):
            module.randn_tensor = lambda *_args, drawn=drawn, **_kwargs: drawn
        output = network(scheduler.scale_model_input(sample, timestep).numpy(), float(timestep))
        sample = scheduler.step(torch.from_numpy(output), timestep, sample, return_dict=False)[0]
    latents: NDArray[np.float64] = sample.numpy()
    return latents


def network(sample: NDArray[Any], timestep: float) -> NDArray[Any]:
    """Return the output of a synthetic network: smooth, not linear, and different at each timestep."""
    output: NDArray[Any] = 0.8 * sample + 0.3 * np.sin(3 * sample) + 0.1 * np.cos(timestep / 100)
    return output
