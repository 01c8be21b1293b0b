"""R10: no file kills the process that decodes it, and none takes more than 200 MB."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final

import pytest

from imagegen.pictures.inspection import MAX_BYTES
from tests.conftest import ROOT
from tests.support.hostile_pictures import Hostile, hostile_files

MORE_BYTES: Final = 200 * 1024 * 1024


@pytest.fixture(scope="module")
def files() -> list[Hostile]:
    return hostile_files()


@pytest.fixture(scope="module")
def outcomes(files: list[Hostile], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Decode all files in one process with a limit, and return what became of each."""
    folder = tmp_path_factory.mktemp("hostile")
    for index, (_, data, _) in enumerate(files):
        (folder / f"{index:03}").write_bytes(data)
    command = [sys.executable, "-m", "tests.support.decode_within", str(folder), str(MORE_BYTES)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-2000:]
    found: list[dict[str, Any]] = [json.loads(line) for line in finished.stdout.splitlines()]
    return {files[int(each["name"])][0]: each["outcome"] for each in found}


def test_there_are_at_least_200_files_of_uploadable_size(files: list[Hostile]) -> None:
    assert len({name for name, _, _ in files}) == len(files) >= 200
    assert all(len(data) <= MAX_BYTES for _, data, _ in files)


def test_every_file_is_decoded_or_refused_with_its_code(files: list[Hostile], outcomes: dict[str, str]) -> None:
    wrong = {
        name: outcomes.get(name) for name, _, expected in files if outcomes.get(name) not in expected.split(" or ")
    }
    assert wrong == {}
