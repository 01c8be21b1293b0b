"""Infers a registry entry for a checkpoint that is not in the registry.

Scheduler, steps and guidance follow the checkpoint's own scheduler; memory and the list of schedulers follow what was
measured when the model was prepared. Look at generated images before you ship the entry.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from imagegen.catalog.manifest import Trial
from imagegen.catalog.registry import SCHEDULERS, Defaults, Family, MemoryNeed, Model, ModelLimits
from models.prepare import configuration
from models.prepare.configuration import Configuration
from models.prepare.errors import PrepareError

STEPS: Final[dict[Family, tuple[int, float, int]]] = {
    "stable-diffusion": (20, 7.5, 50),
    "latent-consistency": (4, 8.0, 8),
    "stable-diffusion-xl": (20, 5.0, 50),
}
"""(default steps, default guidance scale, maximum steps)"""
CONSISTENT_STEPS: Final = (4, 1.0, 8)
"""Of networks without a guidance input, distilled for LCM's scheduler."""
TURBO_STEPS: Final = (2, 0.0, 8)
"""Of networks distilled with adversarial diffusion, such as SD Turbo and SDXL Lightning."""
OFFERED: Final[dict[Family, tuple[str, ...]]] = {
    "stable-diffusion": ("ddim", "euler", "euler_ancestral", "pndm", "dpm_multistep"),
    "latent-consistency": ("lcm",),
    "stable-diffusion-xl": ("euler", "euler_ancestral", "ddim", "pndm", "dpm_multistep"),
}
"""In the order in which they replace a default that cannot draw."""
NEAREST: Final = {
    "DDPMScheduler": "ddim",
    "DEISMultistepScheduler": "dpm_multistep",
    "DPMSolverSinglestepScheduler": "dpm_multistep",
    "DPMSolverSDEScheduler": "euler_ancestral",
    "HeunDiscreteScheduler": "euler",
    "KDPM2AncestralDiscreteScheduler": "euler_ancestral",
    "KDPM2DiscreteScheduler": "euler",
    "LMSDiscreteScheduler": "euler",
    "SASolverScheduler": "dpm_multistep",
    "TCDScheduler": "lcm",
    "UniPCMultistepScheduler": "dpm_multistep",
}
"""The nearest of our schedulers, for diffusers' classes that we do not have."""
SMALLEST: Final = 0.75
LARGEST: Final = 1.5
"""Limits of a request's sides, in native sizes: a guess (docs/decisions/demo-model.md)."""
UNMEASURED: Final = MemoryNeed(float32=10_240, half=10_240)
"""Until the model has been prepared: the largest function."""
MARGIN: Final = 1.2
FUNCTION_MB: Final = 150
"""A function needs a fifth more than the measured process, and its own modules."""


def infer(model_id: str, source: str, revision: str, folder: Path) -> tuple[Model, tuple[str, ...]]:
    """Return an entry based on the checkpoint's configuration files, before anything is measured, and notes on it.

    Raises PrepareError if the configuration is damaged or not supported.
    """
    found = configuration.read(folder)
    scheduler = nearest_scheduler(found)
    steps, guidance_scale, max_steps = _steps(found, scheduler)
    max_steps = min(max_steps, _possible_steps(found, scheduler))
    height, width = _size(found)
    low, high = min(height, width), max(height, width)
    model = Model(
        id=model_id,
        family=found.family,
        source=source,
        revision=revision,
        defaults=Defaults(width, height, min(steps, max_steps), guidance_scale=guidance_scale, scheduler=scheduler),
        limits=ModelLimits(_multiple(low * SMALLEST), _multiple(high * LARGEST), max_steps),
        memory_mb=UNMEASURED,
        schedulers=_schedulers(found, scheduler),
        weights="int8" if found.family == "stable-diffusion-xl" else "float16",
    )
    if SCHEDULERS[scheduler] == found.scheduler_class:
        return model, ()
    return model, (f"the checkpoint's {found.scheduler_class} is not available; the nearest scheduler is {scheduler}",)


def measured(model: Model, trials: Mapping[str, Trial]) -> tuple[Model, list[str]]:
    """Return the entry with what drew and what memory it took, by engine, and notes for the reader.

    A scheduler is offered if every engine drew with it. Raises PrepareError if none is left.
    """
    refused = {name: reason for each in trials.values() for name, reason in each.refused.items()}
    drawn = {name for each in trials.values() for name in each.schedulers}
    left = [name for name in model.schedulers if name in drawn and name not in refused]
    if not left:
        raise PrepareError("no scheduler can draw with every engine: " + "; ".join(refused.values()))
    default = model.defaults.scheduler if model.defaults.scheduler in left else left[0]
    notes = [] if default == model.defaults.scheduler else [_replaced(model.defaults.scheduler, default, refused)]
    schedulers = (default, *(name for name in left if name != default))
    defaults = replace(model.defaults, scheduler=default)
    return replace(model, defaults=defaults, schedulers=schedulers, memory_mb=_memory(trials)), notes


def size_note(model: Model) -> str:
    """Return the note on the limits that nothing has measured."""
    limits = model.limits
    return (
        f"min_size and max_size are not measured: look at images of {limits.min_size} and {limits.max_size} pixels "
        "before you ship the entry"
    )


def to_python(model: Model) -> str:
    """Return the entry as Python source, ready to paste into the registry."""
    defaults, limits, memory = model.defaults, model.limits, model.memory_mb
    return f"""Model(
    id="{model.id}",
    family="{model.family}",
    source="{model.source}",
    revision="{model.revision}",
    defaults=Defaults(
        {defaults.width},
        {defaults.height},
        num_inference_steps={defaults.num_inference_steps},
        guidance_scale={defaults.guidance_scale},
        scheduler="{defaults.scheduler}",
    ),
    limits=ModelLimits(min_size={limits.min_size}, max_size={limits.max_size}, max_steps={limits.max_steps}),
    memory_mb=MemoryNeed(float32={memory.float32}, half={memory.half}),
    schedulers={_tuple(model.schedulers)},
    weights="{model.weights}",
),"""


def nearest_scheduler(found: Configuration) -> str:
    """Return our scheduler of the checkpoint's class, or the nearest one that the family can use."""
    own = next((name for name, each in SCHEDULERS.items() if each == found.scheduler_class), None)
    if found.family == "latent-consistency":
        return "lcm"
    return own or NEAREST.get(found.scheduler_class, OFFERED[found.family][0])


def _schedulers(found: Configuration, default: str) -> tuple[str, ...]:
    return default, *(name for name in OFFERED[found.family] if name != default)


def _steps(found: Configuration, scheduler: str) -> tuple[int, float, int]:
    """Return the default steps, the default guidance scale and the maximum steps.

    Only networks distilled to a few steps come with LCM, or with Euler on trailing steps for a schedule that ends with
    some signal left.
    """
    config = found.scheduler
    if found.family == "latent-consistency":
        return STEPS[found.family]
    if scheduler == "lcm":
        return CONSISTENT_STEPS
    trailing = config.timestep_spacing == "trailing" and not config.rescale_betas_zero_snr
    if trailing and config.prediction_type == "epsilon" and scheduler in ("euler", "euler_ancestral"):
        return TURBO_STEPS
    return STEPS[found.family]


def _possible_steps(found: Configuration, scheduler: str) -> int:
    """Return how many steps the scheduler can surely make: in any spacing, half as many as the networks' timesteps."""
    half = max(1, found.scheduler.num_train_timesteps // 2)
    return min(half, found.scheduler.original_inference_steps) if scheduler == "lcm" else half


def _size(found: Configuration) -> tuple[int, int]:
    """Return the default height and width in pixels, multiples of 8."""
    largest = 1024 if found.family == "stable-diffusion-xl" else 512
    factor = found.vae.pixels_per_latent
    height, width = (max(8, min(side * factor, largest) // 8 * 8) for side in found.sample_size)
    return height, width


def _multiple(pixels: float) -> int:
    """Return the multiple of 8 below, at least 8."""
    return max(8, int(pixels) // 8 * 8)


def _memory(trials: Mapping[str, Trial]) -> MemoryNeed:
    """Return the need by precision. Half precision, if this CPU cannot measure it, is taken to need as much."""
    peaks = [each.peak_mb for each in trials.values()]
    float32 = max(each["float32"] for each in peaks if "float32" in each)
    half = max((peak for each in peaks for name, peak in each.items() if name != "float32"), default=float32)
    return MemoryNeed(float32=_with_margin(float32), half=_with_margin(min(half, float32)))


def _with_margin(peak_mb: int) -> int:
    return math.ceil((peak_mb * MARGIN + FUNCTION_MB) / 100) * 100


def _replaced(wanted: str, default: str, refused: Mapping[str, str]) -> str:
    reason = refused.get(wanted, "no prepared engine has it")
    return f"the default is {default}, because {wanted} cannot draw: {reason}"


def _tuple(names: tuple[str, ...]) -> str:
    """With double quotes, as the formatter writes it."""
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"({quoted},)" if len(names) == 1 else f"({quoted})"
