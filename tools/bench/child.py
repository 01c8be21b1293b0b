"""Shared by all child processes: task, clock, peak memory, result.

A child is started as `python -m tools.bench.NAME TASK STARTED OUT`: the task as JSON, the parent's monotonic clock from
before the child existed (all processes of the machine share that clock), and the file for the result.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.prepare.peak_memory import peak_mb
from tools.bench.measurements import Image, Run


class Child:
    """This process, started with TASK, STARTED and OUT."""

    def __init__(self) -> None:
        self.task: dict[str, Any] = json.loads(sys.argv[1])
        self._started = float(sys.argv[2])
        self._out = Path(sys.argv[3])

    def since_start(self) -> float:
        """Return seconds since just before the parent started this process."""
        return time.monotonic() - self._started

    def run_requests(
        self, count: int, request: Callable[[], Image], *, import_s: float, ready_s: Callable[[], float]
    ) -> None:
        """Call `request` `count` times and write the Run as the result."""
        images = [request()]
        first_s, first_peak_mb = self.since_start(), peak_mb()
        images += [request() for _ in range(count - 1)]
        self.write_result(asdict(Run(import_s, ready_s(), first_s, images, first_peak_mb, peak_mb())))

    def write_result(self, document: dict[str, Any]) -> None:
        """Write the result for the parent."""
        self._out.write_text(json.dumps(document))
