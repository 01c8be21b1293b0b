"""`python -m tools.scale`: prints the figures of docs/scale.md as JSON lines. Fails if a promise does not hold."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Final

from tools.scale.load import load
from tools.scale.restarts import Kind, restarts
from tools.scale.webhooks import Noise, deliveries

RESTART_S: Final = 90.0
"""R6, p99 (docs/faults.md)."""
DELAY_S: Final = 30.0
"""What one slow receiver and its pending retries may delay another tenant's webhook by."""
OTHERS: Final[list[Kind]] = ["waiting", "unsent", "expired"]
SLOW: Final = Noise(takes_s=20.0, pending=10_000, per_minute=1000)
FAILING: Final = Noise(takes_s=0.05, pending=0, per_minute=1000, reason="connection_failed")


def main() -> int:
    """Run every scenario. Returns the exit code."""
    broken = 0
    for jobs_a_minute in (10, 1000):
        _show("load", asdict(load(jobs_a_minute)))
    for dead, others, kind in [*((1000, 49_000, kind) for kind in OTHERS), (50_000, 0, OTHERS[0])]:
        restarted = restarts(dead, others, kind)
        broken += restarted.p99_s > RESTART_S
        _show(f"restarts, others {kind}", asdict(restarted))
    for name, noise in (("slow receiver", SLOW), ("failing receiver", FAILING)):
        delivered = deliveries(noise, minutes=10)
        broken += delivered.quiet_longest_s > DELAY_S
        _show(name, asdict(delivered))
    _show("slow receiver, without slots", asdict(deliveries(SLOW, minutes=10, limited=False)))
    return int(broken > 0)


def _show(scenario: str, figures: dict[str, object]) -> None:
    print(json.dumps({"scenario": scenario, **figures}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
