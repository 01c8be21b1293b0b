"""The benchmark's models: Stable Diffusion 1.5 with random weights, and the demo model.

Random weights need the same time and memory as real ones; the images are noise, and are not judged: the programs that
are compared judge none. The product's registry does not contain them: each benchmark process registers them for itself.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from imagegen.catalog.registry import REGISTRY, Defaults, MemoryNeed, Model, ModelLimits

ROOT: Final = Path(__file__).resolve().parents[2]
HOME: Final = ROOT / ".local" / "bench"
PREPARED: Final = HOME / "models"
DEMO: Final = replace(REGISTRY["demo"], limits=replace(REGISTRY["demo"].limits, max_size=256))
"""Timed also at sizes at which it does not draw what the caption says."""

FULL: Final = Model(
    id="random-sd15",
    family="stable-diffusion",
    source="folder",
    revision="random",
    defaults=Defaults(512, 512, num_inference_steps=4, guidance_scale=0.0, scheduler="euler"),
    limits=ModelLimits(min_size=256, max_size=768, max_steps=50),
    memory_mb=MemoryNeed(float32=10_000, half=10_000),
    schedulers=("euler", "pndm"),
    harmless=True,
)
"""With the checkpoint's own decoder (AutoencoderKL)."""
TINY: Final = replace(FULL, id="random-sd15-tiny")
"""With a tiny decoder (TAESD) instead."""
RANDOM: Final = (FULL, TINY)


def source(model: Model) -> Path:
    """Return the model's folder in diffusers layout. The naive handler loads it; the product loads `prepared`."""
    return ROOT / "function" / "models" / model.id if model == DEMO else HOME / "sources" / model.id


def prepared(model: Model) -> Path:
    """Return the model's folder as `models.prepare` writes it for OpenVINO."""
    return PREPARED / model.id / "openvino"


def register() -> None:
    """Put the benchmark's models into this process's registry."""
    REGISTRY.update({model.id: model for model in (DEMO, *RANDOM)})
