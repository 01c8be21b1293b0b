"""Promises under faults, in volumes that are large enough for every run to have faults and kills.

`make faults` runs the full volumes. R1 needs a kill: it has 8 to 18, and none in fewer than one of 100,000 runs.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.faults.jobs import JOBS
from tools.faults.ministack import LocalAws
from tools.faults.run import Run
from tools.faults.scenarios import SCENARIOS


@pytest.mark.parametrize(("name", "scale"), [("R1", 0.01), ("R2", 0.003), ("R7", 1.0), ("R12", 0.03), ("R13", 0.05)])
def test_promise_holds(aws: LocalAws, tmp_path: Path, name: str, scale: float) -> None:
    figures = SCENARIOS[name](Run(aws, JOBS, tmp_path, seed=1, scale=scale))
    assert figures["holds"], json.dumps(figures)  # pytest shortens a dict
