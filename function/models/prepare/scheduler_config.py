"""Rewrites a checkpoint's scheduler configuration, so that every scheduler draws with what the networks learned.

A request may name another scheduler than the configuration does, and diffusers' classes have different defaults: DDIM
clips the latents, LCM has other betas, Euler another spacing. The file in a prepared folder has every setting that
`imagegen.engines.schedulers` reads, and no other.

What the networks were trained with is kept, or refused: betas, prediction type, kind of timesteps. How a sampler steps
is a preference. Where ours does not have it, it is replaced, and a note says so: the class by its nearest, and the
settings in `PREFERENCES`.
"""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any, Final

import diffusers

from imagegen.catalog.registry import SCHEDULERS
from imagegen.engines.schedulers.config import SchedulerConfig, UnsupportedSettingError
from models.prepare import registry_entry
from models.prepare.configuration import Configuration
from models.prepare.errors import PrepareError
from models.prepare.pipeline_index import read_json

FILE: Final = "scheduler/scheduler_config.json"

PREFERENCES: Final[dict[str, dict[str, object]]] = {
    "": {
        "use_exponential_sigmas": False,
        "use_beta_sigmas": False,
        "use_lu_lambdas": False,
        "interpolation_type": "linear",
    },
    "DPMSolverMultistepScheduler": {
        "algorithm_type": "dpmsolver++",
        "solver_order": 2,
        "solver_type": "midpoint",
        "lambda_min_clipped": None,
    },
    "PNDMScheduler": {"skip_prk_steps": True},
}
"""What our schedulers do, by diffusers' class; "" is every class."""
NEVER: Final = {"clip_sample": False, "thresholding": False}
"""Latents have no range to clip to. Only DDPM's and DDIM's pictures of pixels have."""


def complete(checkpoint: Path, configuration: Configuration) -> dict[str, Any]:
    """Return the whole configuration, with the defaults of its own class. Preferences that are replaced become notes.

    Raises PrepareError for a noise schedule or a setting that our schedulers do not have.
    """
    given = {name: value for name, value in read_json(checkpoint, FILE).items() if not _is_infinite(value)}
    preferences = PREFERENCES[""] | PREFERENCES.get(configuration.scheduler_class, {})
    replaced = {name: ours for name, ours in preferences.items() if given.get(name, ours) not in (ours, None)}
    for name, ours in replaced.items():
        configuration.notes.append(f"{FILE}: {name} is {given[name]!r}, which is not available: {ours!r} is used")
    if configuration.family != "stable-diffusion-xl":
        given["steps_offset"] = 1  # as in diffusers' StableDiffusionPipeline, whatever the file says
    try:
        settings = SchedulerConfig.from_json(_defaults(configuration.scheduler_class) | given | replaced | NEVER)
    except UnsupportedSettingError as error:
        raise PrepareError(f"{FILE}: {error}. Correct the checkpoint's file") from error
    # Neither engine uses the class. It is one that can be imported: some of diffusers' need further packages.
    class_name = SCHEDULERS[registry_entry.nearest_scheduler(configuration)]
    return {"_class_name": class_name, **settings.model_dump(exclude_none=True)}


def _defaults(class_name: str) -> dict[str, Any]:
    """Return the class's defaults of our settings."""
    kind = getattr(diffusers, class_name, None)
    if not class_name.endswith("Scheduler") or kind is None:
        raise PrepareError(f"{FILE}: _class_name is {class_name!r}, which is no scheduler of diffusers")
    parameters = inspect.signature(kind.__init__).parameters
    if "beta_schedule" not in parameters and class_name not in registry_entry.NEAREST:
        raise PrepareError(
            f"{FILE}: the noise schedule of {class_name} is not supported; supported are those of DDIM, PNDM, Euler, "
            "DPM-Solver and LCM, which have a beta_schedule"
        )
    own = {name: each.default for name, each in parameters.items() if name in SchedulerConfig.model_fields}
    return {"steps_offset": 0} | own


def _is_infinite(value: object) -> bool:
    """Return whether JSON cannot express the value. diffusers writes DPM-Solver's default lambda_min_clipped so."""
    return isinstance(value, float) and not math.isfinite(value)
