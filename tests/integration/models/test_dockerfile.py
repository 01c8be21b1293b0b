"""The image's weights stages copy only what preparation imports, so that other changes do not prepare weights again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

FUNCTION = ROOT / "function"
PROGRAM = """
import models.prepare.__main__, models.prepare.trial, models.prepare.completed, imagegen.engines.{engine}
from imagegen.catalog.registry import REGISTRY

spec = models.prepare.trial._spec(REGISTRY["demo"], "ddim", 128, 128)
assert spec.canvas is None  # engines ask for it, and its module is not copied
"""


def stage(name: str) -> list[str]:
    """Return the stage's instructions, each on one line."""
    text = (FUNCTION / "Dockerfile").read_text().replace("\\\n", " ")
    return text[text.index(f" AS {name}\n") :].split("\nFROM")[0].splitlines()


@pytest.mark.parametrize(("name", "engine"), [("weights", "openvino_engine"), ("gpu-weights", "torch_engine")])
def test_a_weights_stage_copies_what_preparation_imports(tmp_path: Path, name: str, engine: str) -> None:
    for line in (line for line in stage(name) if line.startswith("COPY ")):
        *sources, target = line.split()[1:]
        for each in (FUNCTION / source for source in sources):
            if each.is_dir():
                shutil.copytree(each, tmp_path / target, ignore=shutil.ignore_patterns("*.safetensors"))
            else:
                (tmp_path / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(each, tmp_path / target)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(engine=engine)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
