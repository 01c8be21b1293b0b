"""What function/Dockerfile sets in the environment of every container function, for processes outside the image."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tools.local.process import ROOT

_VARIABLE: Final = re.compile(r"^(?:ENV|   ) (\w+)=([^/\s]+)(?: \\)?$", re.MULTILINE)


def image_variables(root: Path = ROOT) -> dict[str, str]:
    """Return the variables of the working tree `root`, without those that name folders of the image."""
    return dict(_VARIABLE.findall((root / "function/Dockerfile").read_text()))
