"""The task of one benchmark process, passed to it as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

PROMPT = "a small red circle above a large blue square on a white background"
OPENVINO_PRECISION = {"float32": "f32", "bfloat16": "bf16"}
"""Values of INFERENCE_PRECISION_HINT."""


@dataclass(frozen=True)
class Case:
    """One way to generate images."""

    id: str
    program: Literal["naive", "product", "ready", "peer_optimum", "peer_sd_cpp"]
    """Module of tools.bench that runs the case."""
    model: str
    size: int
    steps: int
    guidance: float
    scheduler: str = ""
    """For the product only; the naive handler uses the scheduler in the model's folder."""
    precision: Literal["float32", "bfloat16"] = "float32"
    threads: int = 0
    """0 means one per vCPU."""
    isa: Literal["", "AVX2"] = ""
    """Instruction set limit for oneDNN (ONEDNN_MAX_CPU_ISA)."""
    images: int = 2
    """The first image is cold, the others are warm."""
    rounds: int = 5
    """Maximum number of rounds that include the case: fewer if a run takes a minute and its precision matters less."""

    def event(self) -> dict[str, Any]:
        """Return the event of a direct invocation. It has no seed, so no image comes from the cache."""
        return {
            "prompt": PROMPT,
            "model": self.model,
            "width": self.size,
            "height": self.size,
            "num_inference_steps": self.steps,
            "guidance_scale": self.guidance,
        } | ({"scheduler": self.scheduler} if self.scheduler else {})
