"""Shared by the training stages: resumable checkpoints, optimizer step, learning rate schedule, progress log."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

SAVE_EVERY_SECONDS = 120


@dataclass
class Checkpoint:
    """Saves a stage's state at most every two minutes and restores it after a restart."""

    folder: Path
    saved_at: float = field(default_factory=time.monotonic)

    @classmethod
    def in_folder(cls, folder: Path) -> Checkpoint:
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder)

    def restore(self, stage: str, *parts: Any) -> int:
        """Load the state of each part. Returns the number of completed steps: 0 without a checkpoint."""
        path = self.folder / f"{stage}.pt"
        if not path.exists():
            return 0
        state = torch.load(path, weights_only=True)
        for part, part_state in zip(parts, state["parts"], strict=True):
            part.load_state_dict(part_state)
        return int(state["step"])

    def save(self, stage: str, step: int, *parts: Any, final: bool) -> None:
        """Write the state of each part. Does nothing within two minutes of the last save, unless `final`."""
        if not final and time.monotonic() - self.saved_at < SAVE_EVERY_SECONDS:
            return
        path = self.folder / f"{stage}.pt"
        partial = path.with_suffix(".partial")
        torch.save({"step": step, "parts": [part.state_dict() for part in parts]}, partial)
        partial.replace(path)
        self.saved_at = time.monotonic()


def one_cycle(optimizer: torch.optim.Optimizer, steps: int, warmup: int = 100) -> torch.optim.lr_scheduler.LambdaLR:
    """Return a schedule: linear warm-up, then cosine decay from the optimizer's learning rate to 1 % of it."""

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / (steps - warmup))))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def optimizer_step(
    loss: torch.Tensor,
    parameters: Iterable[torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LambdaLR,
) -> None:
    """Backpropagate, clip the gradient norm to 1, and step the optimizer and the schedule."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    scheduler.step()


_last_log: dict[str, float] = {}


def log_every(every: int, step: int, steps: int, stage: str, **figures: float) -> None:
    """Print the figures every `every` steps, with the mean seconds per step since the last line."""
    if step % every:
        return
    now = time.monotonic()
    seconds = (now - _last_log.get(stage, now)) / every
    _last_log[stage] = now
    values = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
    print(f"{stage} {step}/{steps}  {values}  {seconds:.2f} s/step", flush=True)
