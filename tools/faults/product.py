"""What the harness needs to know of a product: its functions, their surroundings, and how its table is laid out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tools.faults.environment import Handler, Surroundings
from tools.faults.ministack import StandIn

Build = Callable[[Surroundings], Handler]


@dataclass(frozen=True)
class Places:
    """Where one deployment keeps things."""

    table: str
    bucket: str
    queue_url: str
    dead_letters_url: str
    webhooks_queue_url: str = "none"


@dataclass(frozen=True)
class Product:
    """Handlers of Lambda events, one per function. A table row with `sk` JOB is a job: docs/architecture.md."""

    name: str
    deploy: Callable[[StandIn], Places]
    variables: Callable[[Places], dict[str, str]]
    api: Build
    worker: Build
    sweeper: Build
    max_attempts: int
    """Runs of a job that may end without a word before it fails."""
    max_setbacks: int
    """Runs of a job that failures of AWS may end before another one fails it; 0 where they are attempts, too."""
