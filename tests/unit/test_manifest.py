from __future__ import annotations

from pathlib import Path

import pytest

from imagegen import manifest
from imagegen.errors import ModelUnavailable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "weights.safetensors").write_bytes(b"0123456789")
    (tmp_path / "model_index.json").write_text("{}")
    manifest.write(tmp_path)
    return tmp_path


def test_an_untouched_folder_passes(folder: Path) -> None:
    manifest.verify(folder)


def test_the_manifest_is_the_same_every_time(folder: Path) -> None:
    before = (folder / manifest.NAME).read_bytes()
    manifest.write(folder)
    assert (folder / manifest.NAME).read_bytes() == before


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("unet/weights.safetensors", None, "is missing"),
        ("unet/weights.safetensors", b"012345678", "bytes"),
        ("unet/weights.safetensors", b"0123456780", "SHA-256"),
        (manifest.NAME, None, "is missing"),
        (manifest.NAME, b"{", "is not a manifest"),
        (manifest.NAME, b"{}", "is not a manifest"),
        (manifest.NAME, b"[]", "is not a manifest"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, file: str, content: bytes | None, reason: str) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(ModelUnavailable) as caught:
        manifest.verify(folder)
    assert str(folder / file) in caught.value.private
    assert reason in caught.value.private
