"""What every child process shares: its task, its clock, its peak memory, its answer.

Called as `python -m tools.bench.NAME TASK STARTED OUT`: the task as JSON, the parent's monotonic clock from
before the process existed (it is one clock for the whole machine), and the file for the answer. Output of the
program itself goes wherever the parent pointed it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tools.bench.measured import Image, Run

_STATUS = Path("/proc/self/status")


class Child:
    def __init__(self) -> None:
        self.task: dict[str, Any] = json.loads(sys.argv[1])
        self._started = float(sys.argv[2])
        self._out = Path(sys.argv[3])

    def since_start(self) -> float:
        """Seconds since before this process existed."""
        return time.monotonic() - self._started

    def draw(self, count: int, request: Callable[[], Image], *, import_s: float, ready_s: Callable[[], float]) -> None:
        """Make `count` requests and answer with what they took."""
        images = [request()]
        first_s, first_peak_mb = self.since_start(), peak_mb()
        images += [request() for _ in range(count - 1)]
        self.answer(asdict(Run(import_s, ready_s(), first_s, images, first_peak_mb, peak_mb())))

    def answer(self, document: dict[str, Any]) -> None:
        self._out.write_text(json.dumps(document))


def peak_mb() -> float:
    """The most memory this process ever had resident. Not getrusage's figure, which starts at the parent's."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"{_STATUS} has no VmHWM: the benchmark needs Linux")
