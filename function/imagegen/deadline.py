"""How much time a request has left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from imagegen.errors import GenerationTimeout


class Invocation(Protocol):
    """The part of Lambda's context object that has the remaining time."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends the invocation."""


class Deadline:
    """The moment by which the response must be sent."""

    def __init__(self, left: Callable[[], float]):
        self.left = left
        """Return the seconds left; zero or negative once the deadline has passed."""

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return a deadline `seconds` from now."""
        end = time.monotonic() + seconds
        return cls(lambda: end - time.monotonic())

    @classmethod
    def of_invocation(cls, context: Invocation) -> Deadline:
        """Return the moment at which Lambda ends the invocation."""
        return cls(lambda: context.get_remaining_time_in_millis() / 1000)

    def earlier(self, other: Deadline) -> Deadline:
        """Return the earlier of the two deadlines."""
        return Deadline(lambda: min(self.left(), other.left()))

    def less(self, seconds: float) -> Deadline:
        """Return a deadline `seconds` before this one."""
        return Deadline(lambda: self.left() - seconds)

    def require(self, seconds: float) -> None:
        """Raise GenerationTimeout unless more than `seconds` are left."""
        left = self.left()
        if left <= seconds:
            raise GenerationTimeout(
                f"About {seconds:.1f} s are needed, but only {max(left, 0):.1f} s are left. "
                "Request fewer steps, fewer images or a smaller size."
            )
