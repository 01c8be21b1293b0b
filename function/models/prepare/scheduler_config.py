"""Completes a checkpoint's scheduler configuration, so that every scheduler draws with what the networks learned.

A request may name another scheduler than the configuration does, and the classes have different defaults: DDIM clips
the latents, LCM has other betas, Euler another spacing.
"""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any, Final, Literal

import diffusers
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, ValidationError

from models.prepare.configuration import Configuration, invalid
from models.prepare.errors import PrepareError
from models.prepare.pipeline_index import read_json

FILE: Final = "scheduler/scheduler_config.json"


class NoiseSchedule(BaseModel):
    """The settings that all schedulers share. diffusers has no others that depend on how the networks were trained."""

    model_config = ConfigDict(strict=True)

    num_train_timesteps: PositiveInt
    beta_start: PositiveFloat
    beta_end: PositiveFloat
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"]
    trained_betas: list[PositiveFloat] | None = None
    prediction_type: Literal["epsilon", "v_prediction", "sample"]
    timestep_spacing: Literal["leading", "trailing", "linspace"] = "leading"
    steps_offset: int = 0
    set_alpha_to_one: bool | None = None
    """None: the class of the configuration does not know it, and each scheduler keeps its own default."""
    rescale_betas_zero_snr: bool = False
    skip_prk_steps: bool = True
    """PNDM's first steps as Runge-Kutta steps: Stable Diffusion leaves them out, and no scheduler here has them."""


def complete(checkpoint: Path, configuration: Configuration) -> dict[str, Any]:
    """Return the configuration with the defaults of its own class, and without what latents cannot have.

    Raises PrepareError if it has no noise schedule that the engines' schedulers know.
    """
    config = {name: value for name, value in read_json(checkpoint, FILE).items() if not _is_infinite(value)}
    defaults = _defaults(configuration.scheduler_class)
    try:
        schedule = NoiseSchedule.model_validate(defaults | config)
    except ValidationError as error:
        raise invalid(FILE, error) from error
    shared = schedule.model_dump(exclude_none=True)
    if configuration.family != "stable-diffusion-xl":
        shared["steps_offset"] = 1  # as in diffusers' StableDiffusionPipeline, whatever the file says
    # Latents have no range to clip to. Only DDPM's and DDIM's pictures of pixels have.
    shared |= {"clip_sample": False, "thresholding": False}
    return config | shared | {"_class_name": configuration.scheduler_class}


def _defaults(class_name: str) -> dict[str, Any]:
    """Return the class's defaults of the shared settings."""
    kind = getattr(diffusers, class_name, None)
    if not class_name.endswith("Scheduler") or kind is None:
        raise PrepareError(f"{FILE}: _class_name is {class_name!r}, which is no scheduler of diffusers")
    parameters = inspect.signature(kind.__init__).parameters
    if "beta_schedule" not in parameters:
        raise PrepareError(
            f"{FILE}: the noise schedule of {class_name} is not supported; supported are those of DDIM, PNDM, Euler, "
            "DPM-Solver and LCM, which have a beta_schedule"
        )
    return {
        name: each.default
        for name, each in parameters.items()
        if name in NoiseSchedule.model_fields and name != "skip_prk_steps"
    }


def _is_infinite(value: object) -> bool:
    """Return whether JSON cannot express the value. diffusers writes DPM-Solver's default lambda_min_clipped so."""
    return isinstance(value, float) and not math.isfinite(value)
