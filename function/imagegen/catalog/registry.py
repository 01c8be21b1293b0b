"""The model registry: each model's source, defaults and limits. Pure data.

To add a model, add an entry here and deploy with its id as the template parameter `Model`. docs/operations.md has the
recipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

SCHEDULERS: Final = {
    "ddim": "DDIMScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_ancestral": "EulerAncestralDiscreteScheduler",
    "lcm": "LCMScheduler",
    "pndm": "PNDMScheduler",
    "dpm_multistep": "DPMSolverMultistepScheduler",
}
"""diffusers' class with the same method, by scheduler id."""

VERSION_DIGITS: Final = 12
"""Hex digits of a revision in the name of a version."""


@dataclass(frozen=True)
class Defaults:
    """Values for the fields that a request leaves out. Names and units are those of diffusers."""

    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float
    scheduler: str


@dataclass(frozen=True)
class ModelLimits:
    """Inclusive lower and upper bounds of a request. Sizes are in pixels and multiples of 8."""

    min_size: int
    max_size: int
    max_steps: int
    max_images: int = 8


@dataclass(frozen=True)
class MemoryNeed:
    """Peak memory, in MB, of a function that generates one image of the default size, by compute precision."""

    float32: int
    half: int
    """bfloat16 and float16."""

    def of(self, precision: str) -> int:
        """Return the peak memory in MB for `precision` (float32, bfloat16 or float16)."""
        return self.float32 if precision == "float32" else self.half


@dataclass(frozen=True)
class Decoder:
    """A small decoder (TAESD family) in place of the model's own: 5 % of the decoding time, slightly softer images."""

    source: str
    revision: str


Family = Literal["stable-diffusion", "latent-consistency", "stable-diffusion-xl"]


@dataclass(frozen=True)
class Model:
    """One entry of the registry.

    `source` is `folder` for a model that ships with the repository, `hub:owner/name`, downloaded when the image is
    built, or `bucket` for a published version. `revision` is part of every cache key: a commit of the hub, the digest
    of the shipped files, or that of the published description. `weights` is the storage type of OpenVINO's copy; the
    compute precision depends on the CPU.
    """

    id: str
    family: Family
    source: str
    revision: str
    defaults: Defaults
    limits: ModelLimits
    memory_mb: MemoryNeed
    schedulers: tuple[str, ...] = ("ddim", "euler")
    decoder: Decoder | None = None
    weights: Literal["float16", "int8"] = "float16"
    harmless: bool = False
    """Whether it can draw nothing but shapes, so that its pictures need no judge."""

    @property
    def version(self) -> str:
        """What names exactly this version, such as demo@6cc6991b014f: a value of `model`, and what a job keeps."""
        return f"{self.id}@{self.revision[:VERSION_DIGITS]}"

    @property
    def takes_negative_prompts(self) -> bool:
        """False for latent consistency models: they take the guidance scale as an input and make no negative pass."""
        return self.family != "latent-consistency"


TAESD: Final = Decoder("hub:madebyollin/taesd", "614f76814bbe30edbe2e627ace1c2234c81a2c0e")
TAESDXL: Final = Decoder("hub:madebyollin/taesdxl", "b20258aaef75ef61e659c1e0f14f251cf0ad153e")
SD15_MEMORY: Final = MemoryNeed(float32=6500, half=4500)
"""Measured with random weights of the architecture (docs/performance.md), rounded up."""

REGISTRY: Final[dict[str, Model]] = {
    model.id: model
    for model in (
        Model(
            id="demo",
            family="stable-diffusion",
            source="folder",
            revision="6cc6991b014f",
            defaults=Defaults(128, 128, num_inference_steps=10, guidance_scale=1.5, scheduler="ddim"),
            limits=ModelLimits(min_size=120, max_size=144, max_steps=100),
            memory_mb=MemoryNeed(float32=800, half=800),
            schedulers=("ddim", "euler", "euler_ancestral", "dpm_multistep"),
            harmless=True,
        ),
        Model(
            id="sd-turbo",
            family="stable-diffusion",
            source="hub:stabilityai/sd-turbo",
            revision="b261bac6fd2cf515557d5d0707481eafa0485ec2",
            defaults=Defaults(512, 512, num_inference_steps=2, guidance_scale=0.0, scheduler="euler"),
            limits=ModelLimits(min_size=256, max_size=768, max_steps=8),
            memory_mb=SD15_MEMORY,
            schedulers=("euler", "euler_ancestral", "ddim", "lcm"),
            decoder=TAESD,
        ),
        Model(
            id="sd-1.5",
            family="stable-diffusion",
            source="hub:stable-diffusion-v1-5/stable-diffusion-v1-5",
            revision="451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
            defaults=Defaults(512, 512, num_inference_steps=20, guidance_scale=7.5, scheduler="ddim"),
            limits=ModelLimits(min_size=256, max_size=768, max_steps=50),
            memory_mb=SD15_MEMORY,
            schedulers=("ddim", "euler", "euler_ancestral", "pndm", "dpm_multistep"),
            decoder=TAESD,
        ),
        Model(
            id="bk-sdm-small",
            family="stable-diffusion",
            source="hub:nota-ai/bk-sdm-small",
            revision="572238db7ed3a10858900803f3fc8cca53e893e0",
            defaults=Defaults(512, 512, num_inference_steps=20, guidance_scale=7.5, scheduler="ddim"),
            limits=ModelLimits(min_size=256, max_size=768, max_steps=50),
            memory_mb=SD15_MEMORY,
            schedulers=("ddim", "euler", "euler_ancestral", "pndm", "dpm_multistep"),
            decoder=TAESD,
        ),
        Model(
            id="lcm-dreamshaper-7",
            family="latent-consistency",
            source="hub:SimianLuo/LCM_Dreamshaper_v7",
            revision="a85df6a8bd976cdd08b4fd8f3b73f229c9e54df5",
            defaults=Defaults(512, 512, num_inference_steps=4, guidance_scale=8.0, scheduler="lcm"),
            limits=ModelLimits(min_size=256, max_size=768, max_steps=8),
            memory_mb=SD15_MEMORY,
            schedulers=("lcm",),
            decoder=TAESD,
        ),
        Model(
            id="sdxl-turbo",
            family="stable-diffusion-xl",
            source="hub:stabilityai/sdxl-turbo",
            revision="71153311d3dbb46851df1931d3ca6e939de83304",
            defaults=Defaults(512, 512, num_inference_steps=1, guidance_scale=0.0, scheduler="euler_ancestral"),
            limits=ModelLimits(min_size=256, max_size=768, max_steps=4),
            memory_mb=MemoryNeed(float32=9500, half=9500),
            schedulers=("euler_ancestral", "euler", "ddim", "lcm"),
            decoder=TAESDXL,
            weights="int8",
        ),
    )
}


def offered(model_ids: Sequence[str]) -> dict[str, Model]:
    """Return the models of a deployment by id, in the given order. Raises ValueError for an id not in the registry."""
    unknown = [model_id for model_id in model_ids if model_id not in REGISTRY]
    if unknown:
        raise ValueError(f"MODEL_IDS contains unknown ids: {', '.join(unknown)}. Allowed: {', '.join(REGISTRY)}")
    return {model_id: REGISTRY[model_id] for model_id in model_ids}
