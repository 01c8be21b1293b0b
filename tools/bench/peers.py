"""Other ways to run the naive handler's checkpoint and parameters on a CPU, measured if they are installed.

optimum-intel pins older libraries than this project and needs its own environment: PEER_PYTHON is its interpreter.
stable-diffusion.cpp is expected on PATH as `sd-cli`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.bench.case import Case
from tools.bench.cases import NAIVE

OPTIMUM: Final = Case("optimum-intel", "peer_optimum", NAIVE.model, NAIVE.size, NAIVE.steps, NAIVE.guidance)
SD_CPP: Final = Case("stable-diffusion.cpp", "peer_sd_cpp", NAIVE.model, NAIVE.size, NAIVE.steps, NAIVE.guidance)
CASES: Final = (OPTIMUM, SD_CPP)
_EXPORT: Final = """
import sys
from optimum.intel import OVStableDiffusionPipeline
OVStableDiffusionPipeline.from_pretrained(sys.argv[1], export=True, compile=False).save_pretrained(sys.argv[2])
"""


def python() -> str:
    """Return the interpreter to look for optimum-intel in: PEER_PYTHON, or this one."""
    return os.environ.get("PEER_PYTHON", sys.executable)


def installed() -> list[Case]:
    """Return the cases whose programs are installed."""
    look_up = "import importlib.metadata; importlib.metadata.version('optimum-intel')"
    has_optimum = subprocess.run([python(), "-c", look_up], capture_output=True, check=False).returncode == 0
    has_sd_cpp = shutil.which("sd-cli") is not None
    return [case for case, is_installed in ((OPTIMUM, has_optimum), (SD_CPP, has_sd_cpp)) if is_installed]


def optimum_folder(source: Path) -> Path:
    """Return the folder of the checkpoint exported by optimum-intel. The first call exports it, which takes minutes."""
    folder = source.with_name(f"{source.name}-{OPTIMUM.id}")
    if not folder.exists():
        print(f"exporting {folder}", file=sys.stderr)
        subprocess.run([python(), "-c", _EXPORT, str(source), str(folder)], check=True)
    return folder
