"""What one child process is asked to do; it crosses the process border as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

PROMPT = "a small red circle above a large blue square on a white background"


@dataclass(frozen=True)
class Case:
    """One way to make images; `program` is the module that does it.

    `threads` 0 means one per vCPU; `isa` limits oneDNN (ONEDNN_MAX_CPU_ISA).
    """

    id: str
    program: Literal["naive", "product", "ready", "peer_optimum", "peer_sd_cpp"]
    model: str
    size: int
    steps: int
    guidance: float
    scheduler: str = ""
    """For ours; the naive handler takes what the model's folder names."""
    precision: Literal["float32", "bfloat16"] = "float32"
    threads: int = 0
    isa: Literal["", "AVX2"] = ""
    images: int = 2
    """The first one cold, the others warm."""
    rounds: int = 5
    """How many rounds at most run it: fewer where a run takes a minute and little hangs on it."""

    def event(self) -> dict[str, Any]:
        """A direct invocation. Without a seed, so that no image comes from the cache."""
        return {
            "prompt": PROMPT,
            "model": self.model,
            "width": self.size,
            "height": self.size,
            "num_inference_steps": self.steps,
            "guidance_scale": self.guidance,
        } | ({"scheduler": self.scheduler} if self.scheduler else {})
