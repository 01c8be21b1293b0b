"""The promises under faults, in a volume that chance leaves neither without faults nor without kills.

`make faults` has the real one. R1 needs a kill, and has 8 to 18: none at all in fewer than one of 100,000 runs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.faults.jobs import JOBS
from tools.faults.ministack import StandIn
from tools.faults.scenarios import SCENARIOS, Ring


@pytest.mark.parametrize(("name", "scale"), [("R1", 0.01), ("R2", 0.003), ("R7", 1.0)])
def test_it_holds(aws: StandIn, tmp_path: Path, name: str, scale: float) -> None:
    figures = SCENARIOS[name](Ring(aws, JOBS, tmp_path, seed=1, scale=scale))
    assert figures["holds"], figures
