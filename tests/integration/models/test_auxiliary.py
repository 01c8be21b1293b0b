"""Preparing the auxiliary networks: what is built, when, and what is refused."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

import pytest

from imagegen.catalog import auxiliary, manifest
from models.prepare import auxiliary as preparation
from models.prepare.errors import PrepareError


@pytest.mark.parametrize("network", auxiliary.NETWORKS, ids=lambda network: network.name)
def test_the_repository_has_the_files_that_the_catalogue_names(network: auxiliary.AuxiliaryNetwork) -> None:
    """Or, of weights that are too large for it, the pinned package."""
    folder = preparation.SOURCES / network.name
    weights = preparation.weights_of(network, folder)
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == network.sha256
    assert network.sha256 in (preparation.SOURCES / "README.md").read_text()
    text = (folder / "LICENSE").read_text()
    assert any(words in text for words in ("Redistribution", "Apache License", "MIT License"))


def test_a_package_that_is_not_installed_is_named() -> None:
    network = auxiliary.AuxiliaryNetwork("some", "some.onnx", "00", package="not_installed")
    with pytest.raises(PrepareError, match=r"not_installed is not installed; install function/requirements-weights"):
        preparation.weights_of(network, preparation.SOURCES)


def test_preparing_imports_no_package_of_weights(tmp_path: Path) -> None:
    """Its dependencies are not installed."""
    preparation.prepare(tmp_path)
    assert not {network.package for network in auxiliary.NETWORKS} & set(sys.modules)


def test_the_folder_is_complete_has_the_licenses_and_is_built_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preparation.prepare(tmp_path)
    folder = auxiliary.prepared(tmp_path)
    manifest.verify(folder)
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    files = ("LICENSE", "openvino_model.bin", "openvino_model.xml")
    assert found == sorted(["manifest.json", *(f"{each.name}/{file}" for each in auxiliary.NETWORKS for file in files)])
    assert oct(folder.stat().st_mode & 0o777) == "0o755"  # Lambda runs the image as another user
    written = (folder / "manifest.json").stat().st_mtime_ns
    preparation.prepare(tmp_path)
    assert "is up to date" in capsys.readouterr().out
    assert (folder / "manifest.json").stat().st_mtime_ns == written


def test_a_damaged_folder_is_built_again(tmp_path: Path) -> None:
    preparation.prepare(tmp_path)
    weights = auxiliary.prepared(tmp_path) / "upscaler" / "openvino_model.bin"
    before = weights.read_bytes()
    weights.write_bytes(before[:-1])
    preparation.prepare(tmp_path)
    assert weights.read_bytes() == before


def test_other_weights_are_refused_and_leave_what_was_there(tmp_path: Path) -> None:
    sources = Path(shutil.copytree(preparation.SOURCES, tmp_path / "sources"))
    preparation.prepare(tmp_path / "models", sources)
    folder = auxiliary.prepared(tmp_path / "models")
    (folder / "upscaler" / "openvino_model.xml").write_text("damaged")
    changed = sources / "background" / "u2netp.onnx"
    changed.write_bytes(changed.read_bytes()[:-1] + b"\0")
    with pytest.raises(PrepareError, match=r"u2netp.onnx does not have the SHA-256 of background"):
        preparation.prepare(tmp_path / "models", sources)
    assert (folder / "upscaler" / "openvino_model.xml").read_text() == "damaged"
    assert [path.name for path in folder.parent.iterdir()] == ["openvino"]
