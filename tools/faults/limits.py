"""What stops an invocation early: a kill, or its remaining time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tools.faults.kills import KillPoint
from tools.lambda_event import Context


@dataclass(frozen=True)
class Limits:
    """Limits of one invocation. Without any, it has its function's timeout."""

    point: KillPoint | None = None
    """Where its process dies by SIGKILL."""
    kill_after_s: float = 0.0
    """When its process dies if the point is `any`."""
    timeout_s: float | None = None
    """Overrides the function's timeout."""
    last_step: int | None = None
    """Its remaining time falls to what ending takes once the job has done this many denoising steps."""


@dataclass
class Deliveries:
    """What happened to a message before."""

    number: int
    """Messages that were delivered before this one."""
    begun: int = 0
    """Its deliveries. Two at a time are possible; only one of them runs the job."""
    killed: int = 0
    """Its deliveries whose process died."""


Draw = Callable[[Random, Deliveries], Limits]


class InvocationClock:
    """The remaining time of the invocation that this process handles."""

    def __init__(self) -> None:
        self._context = Context(0.0)
        self._last_step: int | None = None

    def begin(self, context: Context, last_step: int | None) -> None:
        """Follow the next invocation."""
        self._context, self._last_step = context, last_step

    def left_s(self) -> float:
        """Return the seconds left; negative once the time limit has passed."""
        return self._context.get_remaining_time_in_millis() / 1000

    def reached(self, step: int, ending_s: float) -> None:
        """Let the remaining time fall to `ending_s` if `step` is the last step."""
        if step == self._last_step:
            self._context.end_in(ending_s)
