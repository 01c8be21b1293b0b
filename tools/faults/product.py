"""What the harness needs from the product under test: handlers, environment variables and AWS resources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tools.faults.environment import Handler, Hooks
from tools.faults.ministack import LocalAws

Build = Callable[[Hooks], Handler]


@dataclass(frozen=True)
class Resources:
    """Names and URLs of one deployment's AWS resources."""

    table: str
    bucket: str
    queue_url: str
    dead_letters_url: str
    webhooks_queue_url: str = "none"


@dataclass(frozen=True)
class Product:
    """Builders of Lambda handlers, one per function. A table row whose `sk` is JOB is a job: docs/architecture.md."""

    name: str
    deploy: Callable[[LocalAws], Resources]
    variables: Callable[[Resources], dict[str, str]]
    api: Build
    worker: Build
    sweeper: Build
    generator: Build
    max_attempts: int
    """The job fails after this many runs whose end was not recorded."""
    max_aws_failures: int
    """The job fails after more than this many runs that AWS failures ended."""
    save_every_s: float
    """A run that is killed loses this much work, and the step that exceeds it."""
