"""A registry entry for a checkpoint that the registry does not know, to use now and to paste into it.

Its defaults are those of the family, on the careful side; look at pictures before you ship them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from imagegen.registry import Defaults, Family, Limits, MemoryNeed, Model
from models.prepare.pipeline_index import Refused, family, read

STEPS: Final[dict[Family, tuple[int, float, int]]] = {
    "stable-diffusion": (20, 7.5, 50),
    "latent-consistency": (4, 8.0, 8),
    "stable-diffusion-xl": (20, 5.0, 50),
}
"""By default, the guidance scale that goes with them, and at most."""
SCHEDULERS: Final[dict[Family, tuple[str, ...]]] = {
    "stable-diffusion": ("ddim", "euler", "euler_ancestral", "pndm", "dpm_multistep"),
    "latent-consistency": ("lcm",),
    "stable-diffusion-xl": ("euler", "euler_ancestral", "ddim", "dpm_multistep"),
}
MEMORY: Final[dict[Family, MemoryNeed]] = {
    "stable-diffusion": MemoryNeed(float32=8000, half=5000),
    "latent-consistency": MemoryNeed(float32=8000, half=5000),
    "stable-diffusion-xl": MemoryNeed(float32=9500, half=9500),
}


def infer(model_id: str, source: str, revision: str, folder: Path) -> Model:
    """The entry, from the checkpoint's own configuration. Raises Refused for another family."""
    unet, vae = (json.loads((folder / part / "config.json").read_text()) for part in ("unet", "vae"))
    kind = family(read(folder), unet)
    if unet["in_channels"] != vae["latent_channels"]:
        raise Refused(
            f"its unet takes {unet['in_channels']} channels, more than latents: it does not draw from text alone"
        )
    steps, guidance, most_steps = STEPS[kind]
    factor = 2 ** (len(vae.get("block_out_channels", "....")) - 1)
    size = min(unet["sample_size"] * factor, 1024 if kind == "stable-diffusion-xl" else 512)
    return Model(
        id=model_id,
        family=kind,
        source=source,
        revision=revision,
        defaults=Defaults(
            size, size, num_inference_steps=steps, guidance_scale=guidance, scheduler=SCHEDULERS[kind][0]
        ),
        limits=Limits(min_size=size // 2, max_size=size * 3 // 2 // 8 * 8, max_steps=most_steps),
        memory_mb=MEMORY[kind],
        schedulers=SCHEDULERS[kind],
        weights="int8" if kind == "stable-diffusion-xl" else "float16",
    )


def literal(model: Model) -> str:
    """The entry as the registry writes it."""
    size, limits, memory = model.defaults, model.limits, model.memory_mb
    return f"""Model(
    id="{model.id}",
    family="{model.family}",
    source="{model.source}",
    revision="{model.revision}",
    defaults=Defaults(
        {size.width},
        {size.height},
        num_inference_steps={size.num_inference_steps},
        guidance_scale={size.guidance_scale},
        scheduler="{size.scheduler}",
    ),
    limits=Limits(min_size={limits.min_size}, max_size={limits.max_size}, max_steps={limits.max_steps}),
    memory_mb=MemoryNeed(float32={memory.float32}, half={memory.half}),
    schedulers={_tuple(model.schedulers)},
    weights="{model.weights}",
),"""


def _tuple(names: tuple[str, ...]) -> str:
    listed = ", ".join(f'"{name}"' for name in names)
    return f"({listed},)" if len(names) == 1 else f"({listed})"
