"""The commands of docs/gallery.md, run by bash against the local stack: they draw the pictures that the page shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tools.local.endpoint import Endpoint

PAGE = (ROOT / "docs" / "gallery.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
GALLERY = ROOT / "docs" / "gallery"
SECONDS = 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the repository's pictures and an `imagegen`."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "gallery").symlink_to(GALLERY)
    command = tmp_path / "bin" / "imagegen"
    command.parent.mkdir()
    command.write_text(f'#!/bin/bash\nexec {sys.executable} -m imagegen_cli "$@"\n')
    command.chmod(0o755)
    return tmp_path


def run(script: str, folder: Path, stack: Endpoint) -> None:
    environment = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "cli"),
        "HOME": str(folder),
        "NO_PROXY": "127.0.0.1",
        "IMAGEGEN_URL": stack.base_url,
        "IMAGEGEN_API_KEY": stack.api_key,
    }
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr


def difference(found: Path, expected: Path) -> float:
    """Return the mean difference in levels: the stack's engine may compute in another precision."""
    images = [np.asarray(Image.open(file), dtype=int) for file in (found, expected)]
    assert images[0].shape == images[1].shape
    return float(np.abs(images[0] - images[1]).mean())


@pytest.mark.parametrize("block", [each for each in BLOCKS if "batch" not in each], ids=lambda each: each.split('"')[1])
def test_a_command_draws_the_picture_of_the_page(block: str, folder: Path, stack: Endpoint) -> None:
    run(block, folder, stack)
    drawn = re.findall(r"--out (\S+)", block)
    assert drawn
    assert {name: each for name in drawn if (each := difference(folder / name, GALLERY / name)) > 2} == {}


def test_a_list_draws_a_scene_for_each_line(folder: Path, stack: Endpoint) -> None:
    (block,) = (each for each in BLOCKS if "batch" in each)
    run(block, folder, stack)
    results = [json.loads(line) for line in (folder / "scenes" / "results.jsonl").read_text().splitlines()]
    assert len(results) == len((folder / "scenes.jsonl").read_text().splitlines()) == 3
    files = sorted(folder.glob("scenes/*.png"))
    assert [Image.open(each).size for each in files] == [(256, 256)] * 3
    assert difference(files[0], GALLERY / "scene-2x.png") <= 2
