"""Gives every measured process the same start: memory that the host has already handed out, files in the page cache.

A virtual machine's host lends memory on first touch and takes free memory back, so that whoever comes first after a
pause pays seconds of system time for it. This process touches the memory and leaves it to its successor, whoever that
is, then reads the files that will be loaded. `python -m tests.benchmarks.settle GIB FILE...`
"""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_PAGE = 4096
_CHUNK = 16 * 1024**2


def available_bytes() -> int:
    for line in _MEMINFO.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"{_MEMINFO} has no MemAvailable: the benchmark needs Linux")


def touch(size: int) -> None:
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        for start in range(0, size, _PAGE):
            memory[start] = 1


def read(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(_CHUNK):
            pass


if __name__ == "__main__":
    wanted = int(float(sys.argv[1]) * 1024**3)
    touch(max(_PAGE, min(wanted, available_bytes() - 4 * 1024**3)))
    for name in sys.argv[2:]:
        read(Path(name))
