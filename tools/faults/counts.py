"""What really happened to AWS calls, kept where SIGKILL cannot reach it, and whether it is what was asked for.

A line per call is handed to the kernel at once, so a killed process loses none. The bounds are Chernoff's for a sum of
independent draws at different rates: a wrapper that injects nothing, or half, fails the run.
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
"""How often a healthy wrapper may be called broken, per bound."""


class CallLog:
    """Appends what happened to each call: operation, fault or `clean`, status of AWS's own answer (0: none)."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(folder / f"{os.getpid()}.calls", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def add(self, operation: str, kind: Kind, status: int) -> None:
        os.write(self._file, f"{operation} {kind} {status}\n".encode())


@dataclass
class Tally:
    """The calls of a run, by fault and operation, beside how many faults were to be expected."""

    calls: int = 0
    expected: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    lost_acknowledgements: int = 0
    """Calls that AWS carried out and whose answer never came."""

    @classmethod
    def of(cls, folder: Path, plan: FaultPlan) -> Tally:
        """What the processes of a run have logged in `folder`, judged by the plan they followed."""
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
        """Why this run proves nothing: kinds that happened less or more often than their rates allow."""
        if not self.expected:
            return ["no fault was to happen"]
        found = []
        for kind, expected in sorted(self.expected.items()):
            low, high = bounds(expected)
            if low < 1:
                found.append(f"{kind}: {expected:.1f} expected, too few to tell from none")
            elif not low <= self.happened[kind] <= high:
                found.append(f"{kind}: {self.happened[kind]} happened, {low:.0f} to {high:.0f} expected")
        return found

    def figures(self) -> dict[str, Any]:
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
    """Between which a count lies but once in 1 / `chance` runs per side (Chernoff; any mixture of rates)."""
    tail = -math.log(chance)
    return expected - math.sqrt(2 * expected * tail), expected + tail / 2 + math.sqrt(tail**2 / 4 + 2 * expected * tail)
