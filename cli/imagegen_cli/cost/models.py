"""The models whose cost is known, with the registry's defaults. A test compares them with the service's registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from imagegen_cli.failure import usage


@dataclass(frozen=True)
class Model:
    """What decides about a model's cost.

    `architecture` is that of the step times. A step makes `calls` of the network that was measured: two if guidance
    needs a second one. `hosted` is the architecture that a hosted API would draw with, and `hosted_steps` how many
    steps it would need: a distilled model's few steps draw nothing usable with the ordinary one. None: as many.
    """

    id: str
    architecture: str
    width: int
    height: int
    steps: int
    memory_mb: int
    half_memory_mb: int
    calls: int = 1
    hosted: str | None = "sd15"
    hosted_steps: int | None = None


MODELS: Final = {
    model.id: model
    for model in (
        Model("demo", "demo", 128, 128, 10, 800, 800, hosted=None),
        Model("sd-turbo", "sd15", 512, 512, 2, 6500, 4500, hosted_steps=30),
        Model("sd-1.5", "sd15", 512, 512, 20, 6500, 4500, calls=2),
        Model("bk-sdm-small", "bk-sdm-small", 512, 512, 20, 6500, 4500, calls=2),
        Model("lcm-dreamshaper-7", "sd15", 512, 512, 4, 6500, 4500, hosted_steps=30),
        Model("sdxl-turbo", "sdxl", 512, 512, 1, 9500, 9500, hosted="sdxl", hosted_steps=30),
    )
}


def model_named(model_id: str) -> Model:
    """Return the model. Raises Failure for an unknown one."""
    if model_id not in MODELS:
        raise usage(
            f"--model: unknown model {model_id!r}; known are {', '.join(MODELS)}. For a model of your own, choose the "
            "one of its architecture and pass its --step-seconds."
        )
    return MODELS[model_id]
