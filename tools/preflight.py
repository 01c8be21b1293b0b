"""Check what `make setup` needs before it downloads 2 GB. The interpreter that runs this may be older than 3.11."""

from __future__ import annotations

import platform
import shutil
import sys
from typing import Final

OLDEST: Final = (3, 11)
FREE_GB: Final = 3


def problems(version: tuple[int, int], implementation: str, free_bytes: int) -> list[str]:
    """Return what is missing, each with the way out."""
    found = []
    if implementation != "CPython" or version < OLDEST:
        found.append(
            f"CPython 3.11 or newer is needed, and this is {implementation} {version[0]}.{version[1]}."
            " Name another interpreter: make PYTHON=python3.13"
        )
    if free_bytes < FREE_GB * 10**9:
        found.append(f"{FREE_GB} GB of disk are needed, and {free_bytes / 10**9:.1f} GB are free in this folder.")
    return found


if __name__ == "__main__":
    sys.exit(
        "\n".join(problems(sys.version_info[:2], platform.python_implementation(), shutil.disk_usage(".").free)) or 0
    )
