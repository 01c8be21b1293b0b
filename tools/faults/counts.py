"""Counts the faults that AWS calls met, and judges whether they match the plan.

Each call is written to a file at once, so SIGKILL loses none. Limits are Chernoff bounds for a sum of independent draws
at different rates: a run in which no faults or half of them were injected does not hold.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tools.faults.plan import CLEAN, FaultPlan, Kind

CHANCE: Final = 1e-6
"""Probability per bound that a correct run violates it."""


class CallLog:
    """Appends a line per call: operation, fault or `clean`, and the status that AWS answered (0: no answer)."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(folder / f"{os.getpid()}.calls", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def add(self, operation: str, kind: Kind, status: int) -> None:
        """Append a call."""
        os.write(self._file, f"{operation} {kind} {status}\n".encode())


@dataclass
class Tally:
    """The calls of a run by fault and by operation, and the expected number of each fault."""

    calls: int = 0
    expected: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    lost_acknowledgements: int = 0
    """Calls that AWS executed but whose answer did not arrive."""

    @classmethod
    def of(cls, folder: Path, plan: FaultPlan) -> Tally:
        """Read the logs of every process in `folder`. `plan` is the one that the run followed."""
        tally = cls()
        for path in folder.glob("*.calls"):
            for line in path.read_text().splitlines():
                operation, kind, status = line.split()
                tally._add(plan, operation, kind, int(status))
        return tally

    def _add(self, plan: FaultPlan, operation: str, kind: str, status: int) -> None:
        self.calls += 1
        self.operations[operation] += 1
        for each, share in asdict(plan.of(operation)).items():
            if share:
                self.expected[each] += share
        if kind != CLEAN:
            self.happened[kind] += 1
        if kind in ("dropped", "truncated") and 200 <= status < 300:
            self.lost_acknowledgements += 1

    def doubts(self) -> list[str]:
        """Return why the run proves nothing: faults that happened less or more often than planned."""
        if not self.expected:
            return ["no faults planned"]
        found = []
        for kind, expected in sorted(self.expected.items()):
            low, high = bounds(expected)
            if low < 1:
                found.append(f"{kind}: only {expected:.1f} expected, none would be within the bounds")
            elif not low <= self.happened[kind] <= high:
                found.append(f"{kind}: {self.happened[kind]} happened, {low:.0f} to {high:.0f} expected")
        return found

    def figures(self) -> dict[str, Any]:
        """Return the counts for the report."""
        return {
            "calls": self.calls,
            "faulted": sum(self.happened.values()),
            "share": round(sum(self.happened.values()) / max(1, self.calls), 4),
            "kinds": {
                kind: {"happened": self.happened[kind], "expected": round(expected, 1)}
                for kind, expected in sorted(self.expected.items())
            },
            "lost_acknowledgements": self.lost_acknowledgements,
            "operations": dict(sorted(self.operations.items())),
        }


def bounds(expected: float, chance: float = CHANCE) -> tuple[float, float]:
    """Return limits that a count with this expectation violates with probability `chance` on each side.

    Chernoff bounds, for any mixture of rates.
    """
    tail = -math.log(chance)
    return expected - math.sqrt(2 * expected * tail), expected + tail / 2 + math.sqrt(tail**2 / 4 + 2 * expected * tail)
