"""How much memory this process uses."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Final

_STATM: Final = Path("/proc/self/statm")


def resident_mb(statm: Path = _STATM) -> float | None:
    """Return the resident set in MB, or None where the kernel does not tell (only Linux has /proc)."""
    try:
        pages = int(statm.read_text().split()[1])
    except OSError:
        return None
    return pages * mmap.PAGESIZE / 1e6
