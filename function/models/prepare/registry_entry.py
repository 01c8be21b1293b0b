"""Infers a registry entry for a checkpoint that is not in the registry.

The values are conservative defaults of the model's family. Look at generated images before you ship the entry.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from imagegen.catalog.registry import Defaults, Family, MemoryNeed, Model, ModelLimits
from models.prepare.errors import PrepareError
from models.prepare.pipeline_index import detect_family, read_index

STEPS: Final[dict[Family, tuple[int, float, int]]] = {
    "stable-diffusion": (20, 7.5, 50),
    "latent-consistency": (4, 8.0, 8),
    "stable-diffusion-xl": (20, 5.0, 50),
}
"""(default steps, default guidance scale, maximum steps)"""
SCHEDULERS: Final[dict[Family, tuple[str, ...]]] = {
    "stable-diffusion": ("ddim", "euler", "euler_ancestral", "pndm", "dpm_multistep"),
    "latent-consistency": ("lcm",),
    "stable-diffusion-xl": ("euler", "euler_ancestral", "ddim", "dpm_multistep"),
}
"""The first one is the default."""
MEMORY: Final[dict[Family, MemoryNeed]] = {
    "stable-diffusion": MemoryNeed(float32=8000, half=5000),
    "latent-consistency": MemoryNeed(float32=8000, half=5000),
    "stable-diffusion-xl": MemoryNeed(float32=9500, half=9500),
}


def infer(model_id: str, source: str, revision: str, folder: Path) -> Model:
    """Return an entry based on the checkpoint's configuration files.

    Raises PrepareError if the family is not supported, or if the unet takes more than latents (inpainting).
    """
    unet, vae = (json.loads((folder / name / "config.json").read_text()) for name in ("unet", "vae"))
    family = detect_family(read_index(folder), unet)
    if unet["in_channels"] != vae["latent_channels"]:
        raise PrepareError(
            f"the unet takes {unet['in_channels']} channels, but latents have {vae['latent_channels']}: "
            "only text-to-image models are supported"
        )
    steps, guidance_scale, max_steps = STEPS[family]
    vae_scale_factor = 2 ** (len(vae.get("block_out_channels", "....")) - 1)
    size = min(unet["sample_size"] * vae_scale_factor, 1024 if family == "stable-diffusion-xl" else 512)
    return Model(
        id=model_id,
        family=family,
        source=source,
        revision=revision,
        defaults=Defaults(
            size, size, num_inference_steps=steps, guidance_scale=guidance_scale, scheduler=SCHEDULERS[family][0]
        ),
        limits=ModelLimits(min_size=size // 2, max_size=size * 3 // 2 // 8 * 8, max_steps=max_steps),
        memory_mb=MEMORY[family],
        schedulers=SCHEDULERS[family],
        weights="int8" if family == "stable-diffusion-xl" else "float16",
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


def _tuple(names: tuple[str, ...]) -> str:
    """With double quotes, as the formatter writes it."""
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"({quoted},)" if len(names) == 1 else f"({quoted})"
