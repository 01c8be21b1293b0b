"""A clock that only the simulation moves."""

from __future__ import annotations

from typing import Final

START_MS: Final = 1_795_780_800_000
"""2026-11-27, 12:00 UTC."""


class VirtualClock:
    """Seconds since the simulation began, and the product's clock in epoch milliseconds."""

    def __init__(self, now: float = 0.0):
        self.now = now

    def __call__(self) -> int:
        return START_MS + round(self.now * 1000)

    def spend(self, seconds: float) -> None:
        """Let the time pass that a call or an attempt takes."""
        self.now += seconds
