from __future__ import annotations

import subprocess
import sys

from models.prepare.peak_memory import peak_mb

ALLOCATE = (
    "from models.prepare.peak_memory import peak_mb; before = peak_mb(); filled = bytearray(b'x') * 2**26; "
    "del filled; print(peak_mb() - before)"
)


def test_the_peak_is_that_of_the_process_and_stays_after_memory_was_freed() -> None:
    done = subprocess.run([sys.executable, "-c", ALLOCATE], capture_output=True, text=True, check=True)
    assert 60 < float(done.stdout) < 80


def test_a_small_child_does_not_start_at_the_peak_of_its_parent() -> None:
    filled = bytearray(b"x") * 2**26
    print_peak = "from models.prepare.peak_memory import peak_mb; print(peak_mb())"
    done = subprocess.run([sys.executable, "-c", print_peak], capture_output=True, text=True, check=True)
    assert float(done.stdout) < peak_mb() - len(filled) / 2**21
