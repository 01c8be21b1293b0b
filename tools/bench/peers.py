"""Other ways to run the same checkpoint on a CPU, measured where they are installed, doing the naive handler's work.

optimum-intel pins older libraries than ours and therefore wants an environment of its own: PEER_PYTHON names its
interpreter. stable-diffusion.cpp is found as `sd-cli`, the name of its program, on PATH.
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
    """The interpreter that has optimum-intel, if any has."""
    return os.environ.get("PEER_PYTHON", sys.executable)


def installed() -> list[Case]:
    found = "import importlib.metadata; importlib.metadata.version('optimum-intel')"
    has_optimum = subprocess.run([python(), "-c", found], capture_output=True, check=False).returncode == 0
    has_sd_cpp = shutil.which("sd-cli") is not None
    return [case for case, is_there in ((OPTIMUM, has_optimum), (SD_CPP, has_sd_cpp)) if is_there]


def optimum_folder(source: Path) -> Path:
    """The checkpoint as optimum-intel exports it: minutes, once."""
    folder = source.with_name(f"{source.name}-{OPTIMUM.id}")
    if not folder.exists():
        print(f"exporting {folder}", file=sys.stderr)
        subprocess.run([python(), "-c", _EXPORT, str(source), str(folder)], check=True)
    return folder
