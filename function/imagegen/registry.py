"""The models this software knows: where each comes from, its defaults and its limits. Pure data.

Add a model here and deploy with its id in `ModelIds`; docs/operations.md has the recipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

SCHEDULERS: Final[dict[str, str]] = {
    "ddim": "DDIMScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_ancestral": "EulerAncestralDiscreteScheduler",
    "lcm": "LCMScheduler",
    "pndm": "PNDMScheduler",
    "dpm_multistep": "DPMSolverMultistepScheduler",
}
"""Public scheduler ids and diffusers' classes."""


@dataclass(frozen=True)
class Defaults:
    """What a request gets where it is silent; names and units are diffusers'."""

    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float
    scheduler: str


@dataclass(frozen=True)
class Limits:
    """Inclusive bounds of a request; sizes in pixels, always multiples of 8."""

    min_size: int
    max_size: int
    max_steps: int
    max_images: int = 8


@dataclass(frozen=True)
class Model:
    """One entry of the registry.

    `source` is `folder` for a model that ships with the repository, else `hub:owner/name`, fetched when the image
    is built. `revision` is part of every cache key: a hub's commit, or the digest of the shipped files.
    """

    id: str
    family: str
    source: str
    revision: str
    defaults: Defaults
    limits: Limits
    schedulers: tuple[str, ...] = field(default=("ddim", "euler"))


REGISTRY: Final[dict[str, Model]] = {
    model.id: model
    for model in (
        Model(
            id="demo",
            family="stable-diffusion",
            source="folder",
            revision="8cf10461944c",
            defaults=Defaults(128, 128, num_inference_steps=10, guidance_scale=1.5, scheduler="ddim"),
            limits=Limits(min_size=64, max_size=256, max_steps=100),
            schedulers=("ddim", "euler", "euler_ancestral", "dpm_multistep"),
        ),
        Model(
            id="sd-turbo",
            family="stable-diffusion",
            source="hub:stabilityai/sd-turbo",
            revision="b261bac6fd2cf515557d5d0707481eafa0485ec2",
            defaults=Defaults(512, 512, num_inference_steps=2, guidance_scale=0.0, scheduler="euler"),
            limits=Limits(min_size=256, max_size=768, max_steps=8),
            schedulers=("euler", "euler_ancestral", "ddim", "lcm"),
        ),
    )
}


def offered(model_ids: Sequence[str]) -> dict[str, Model]:
    """The models a deployment offers, in its order. Raises ValueError for an id that is not in the registry."""
    unknown = [model_id for model_id in model_ids if model_id not in REGISTRY]
    if unknown:
        raise ValueError(f"MODEL_IDS names {', '.join(unknown)}; the registry knows {', '.join(REGISTRY)}")
    return {model_id: REGISTRY[model_id] for model_id in model_ids}
