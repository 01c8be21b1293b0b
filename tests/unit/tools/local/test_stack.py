from __future__ import annotations

from pathlib import Path

import pytest

from imagegen.catalog import manifest
from tools.local import stack
from tools.local.process import StackError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODELS_DIR", str(tmp_path))
    folder = tmp_path / "sd-turbo" / "openvino"
    folder.mkdir(parents=True)
    return folder


def test_a_prepared_model_is_accepted(folder: Path) -> None:
    manifest.write(folder)
    stack._require_model("sd-turbo")


@pytest.mark.parametrize("version", [manifest.FORMAT - 1, manifest.FORMAT + 1])
def test_a_model_that_another_version_prepared_is_refused_before_the_start(folder: Path, version: int) -> None:
    manifest.write(folder, version=version)
    with pytest.raises(StackError, match=rf"has format {version}.*make model MODEL=sd-turbo"):
        stack._require_model("sd-turbo")


def test_a_model_that_is_not_prepared_is_refused(folder: Path) -> None:
    with pytest.raises(StackError, match="Prepare it: make model MODEL=sd-turbo"):
        stack._require_model("sd-turbo")
