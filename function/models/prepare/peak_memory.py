"""The peak memory of this process. Imports no package: the benchmark's other programs measure themselves with it."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")


def peak_mb() -> float:
    """Return this process's peak resident memory in MB.

    On Linux, getrusage's ru_maxrss starts at the parent's value, so VmHWM is read there.
    """
    if _STATUS.exists():
        (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # macOS reports bytes
