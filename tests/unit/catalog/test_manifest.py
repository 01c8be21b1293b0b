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
        (manifest.NAME, b'{"format": 1, "files": {"model_index.json": {}}}', "is not a manifest"),
        (manifest.NAME, b'{"format": 2, "anything": []}', "written by a newer version"),
        ("unet/weights.ckpt", b"", "may be a pickle"),
        ("pytorch_model.bin", b"", "may be a pickle"),
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


def test_openvinos_weights_are_not_taken_for_a_pickle(folder: Path) -> None:
    (folder / "unet" / "openvino_model.bin").write_bytes(b"0123")
    manifest.write(folder)
    manifest.verify(folder)


def test_a_pickle_is_not_even_listed(folder: Path) -> None:
    (folder / "weights.pt").touch()
    with pytest.raises(ModelUnavailable):
        manifest.write(folder)


def test_large_files_are_left_for_later(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "LARGE_BYTES", 10)
    (folder / "unet" / "weights.safetensors").write_bytes(b"0123456780")
    large = manifest.verify_small(folder)
    assert list(large) == ["unet/weights.safetensors"]
    with pytest.raises(ModelUnavailable):
        manifest.verify_large(folder, large)


def test_the_tools_are_remembered(folder: Path) -> None:
    manifest.write(folder, {"openvino": "2026.4.1"})
    assert manifest.prepared_with(folder) == {"openvino": "2026.4.1"}
