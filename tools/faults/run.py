"""Where a scenario runs, and the requests that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.faults.callers import Call, call_all
from tools.faults.deployment import Deployment
from tools.faults.ministack import LocalAws
from tools.faults.plan import FaultPlan, Mix
from tools.faults.product import Product

Figures = dict[str, Any]

NO_FAULTS: Final = FaultPlan(Mix())
WORKERS: Final = 6
STALL_S: Final = 60.0
_CALLERS: Final = 4


@dataclass(frozen=True)
class Run:
    """Where a scenario runs, and in which volume."""

    aws: LocalAws
    product: Product
    folder: Path
    seed: int
    scale: float

    def deploy(self, name: str, plan: FaultPlan, **variables: str) -> Deployment:
        """Create a deployment with its own resources and folder. `variables` override the product's."""
        return Deployment(self.aws, self.product, self.folder / name, self.seed, plan, variables)

    def submit(self, deployment: Deployment, calls: Sequence[Call], kills: float = 0.0) -> None:
        """Make the calls, four at a time. `kills` is the share of Api invocations that die by SIGKILL."""
        call_all(deployment.function(self.product.api), calls, deployment.history, self.seed, _CALLERS, kills)

    def generate(self, deployment: Deployment, calls: Sequence[Call]) -> None:
        """Make calls of POST /generate, four at a time."""
        call_all(deployment.function(self.product.generator), calls, deployment.history, self.seed, _CALLERS)

    def scaled(self, volume: int) -> int:
        """Return `volume` times `scale`, at least 1."""
        return max(1, round(volume * self.scale))


def call(n: int, copy: int = 0, prompt: str = "a circle", seed: int | None = None, **fields: int) -> Call:
    """Return the request of job number `n` for POST /jobs. Its seed is the number, unless given."""
    body = {"prompt": prompt, "seed": n if seed is None else seed, "metadata": {"n": str(n)}, **fields}
    return Call(str(n), f"key-{n}", body, copy)
