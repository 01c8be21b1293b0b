"""The models that are measured: random weights in the shape of Stable Diffusion 1.5, and the demo model.

Random weights are right for time and memory and say nothing about pictures. They are no entry of the product's
registry: a process that measures adds them to its own copy.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from imagegen.registry import REGISTRY, Defaults, Limits, MemoryNeed, Model

ROOT: Final = Path(__file__).resolve().parents[2]
HOME: Final = ROOT / ".local" / "bench"
PREPARED: Final = HOME / "models"
DEMO: Final = REGISTRY["demo"]

FULL: Final = Model(
    id="random-sd15",
    family="stable-diffusion",
    source="folder",
    revision="random",
    defaults=Defaults(512, 512, num_inference_steps=4, guidance_scale=0.0, scheduler="euler"),
    limits=Limits(min_size=256, max_size=768, max_steps=50),
    memory_mb=MemoryNeed(float32=10_000, half=10_000),
    schedulers=("euler", "pndm"),
)
"""With the decoder that the checkpoint comes with."""
TINY: Final = replace(FULL, id="random-sd15-tiny")
"""With a tiny decoder of the TAESD family in its place."""
RANDOM: Final = (FULL, TINY)


def source(model: Model) -> Path:
    """The model's folder in diffusers layout: what the naive handler loads, and what is prepared for ours."""
    return ROOT / "function" / "models" / model.id if model == DEMO else HOME / "sources" / model.id


def prepared(model: Model) -> Path:
    return PREPARED / model.id / "openvino"


def register() -> None:
    """Add the random models to this process's registry."""
    REGISTRY.update({model.id: model for model in RANDOM})
