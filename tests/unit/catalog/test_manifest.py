from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from imagegen.catalog import manifest
from imagegen.errors import ModelUnavailable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "weights.safetensors").write_bytes(b"0123456789")
    (tmp_path / "model_index.json").write_text("{}")
    manifest.write(tmp_path)
    return tmp_path


def test_an_unchanged_folder_passes(folder: Path) -> None:
    manifest.verify(folder)


def test_the_manifest_is_reproducible(folder: Path) -> None:
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
        (manifest.NAME, b'{"format": 3, "files": {"model_index.json": {}}}', "is not a manifest"),
        (manifest.NAME, b'{"format": 3, "files": {}, "flops": null}', "is not a manifest"),
        (manifest.NAME, b'{"format": 3, "files": {}, "flops": {"denoise_step": 1}}', "is not a manifest"),
        (
            manifest.NAME,
            b'{"format": 3, "files": {}, "flops": '
            b'{"denoise_step": 1, "decode": "2", "text_encode": 3, "image_encode": 4}}',
            "is not a manifest",
        ),
        (manifest.NAME, b'{"format": 3, "files": {}, "trial": {"schedulers": ["ddim"]}}', "is not a manifest"),
        (
            manifest.NAME,
            b'{"format": 3, "files": {}, "latent_colors": {"weights": [[1.0, 2.0, 3.0]]}}',
            "not a manifest",
        ),
        (
            manifest.NAME,
            b'{"format": 3, "files": {}, "latent_colors": {"weights": [[1.0, 2.0]], "offset": [1.0, 2.0, 3.0]}}',
            "is not a manifest",
        ),
        (manifest.NAME, b'{"format": 4, "anything": []}', "written by a newer version"),
        (manifest.NAME, b'{"format": "3", "anything": []}', "written by a newer version"),
        (manifest.NAME, b'{"format": 1, "files": {}}', "written by an older version"),
        ("unet/weights.ckpt", b"", "may be a pickle"),
        ("pytorch_model.bin", b"", "may be a pickle"),
    ],
)
def test_the_error_names_the_file_and_the_problem(folder: Path, file: str, content: bytes | None, reason: str) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(ModelUnavailable) as caught:
        manifest.verify(folder)
    assert str(folder / file) in caught.value.private
    assert reason in caught.value.private


def test_openvino_weights_are_not_mistaken_for_a_pickle(folder: Path) -> None:
    (folder / "unet" / "openvino_model.bin").write_bytes(b"0123")
    manifest.write(folder)
    manifest.verify(folder)


def test_a_manifest_is_not_written_for_a_pickle(folder: Path) -> None:
    (folder / "weights.pt").touch()
    with pytest.raises(ModelUnavailable):
        manifest.write(folder)


def test_large_files_are_verified_separately(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "LARGE_BYTES", 10)
    (folder / "unet" / "weights.safetensors").write_bytes(b"0123456780")
    large = manifest.verify_small(folder)
    assert list(large) == ["unet/weights.safetensors"]
    with pytest.raises(ModelUnavailable):
        manifest.verify_large(folder, large)


def test_the_manifest_records_the_tool_versions(folder: Path) -> None:
    manifest.write(folder, {"openvino": "2026.4.1"})
    assert manifest.prepared_with(folder) == {"openvino": "2026.4.1"}


def test_the_manifest_lists_the_operations_of_the_networks(folder: Path) -> None:
    assert manifest.flops(folder) is None, "as in a manifest that an older version wrote"
    counted = manifest.Flops(denoise_step=4, decode=3, text_encode=2, image_encode=1)
    manifest.write(folder, flops=counted)
    assert manifest.flops(folder) == counted
    manifest.verify(folder)


def test_the_manifest_lists_what_drew(folder: Path) -> None:
    assert manifest.trial(folder) is None, "as in a manifest that an older version wrote"
    drawn = manifest.Trial(("ddim",), {"lcm": "ended the process"}, {"float32": 255})
    manifest.write(folder, trial=drawn)
    assert manifest.trial(folder) == drawn
    manifest.verify(folder)


def test_the_manifest_has_the_colors_of_the_latents(folder: Path) -> None:
    assert manifest.latent_colors(folder) is None, "as in a manifest that an older version wrote"
    colors = manifest.LatentColors(((1.0, -2.5, 3.0), (0.0, 4.0, 5.0)), (128.0, 127.5, 0.0))
    manifest.write(folder, colors=colors)
    assert manifest.latent_colors(folder) == colors
    manifest.verify(folder)


def make_old(folder: Path) -> None:
    """Give the folder the layout of version 0.1.0: the tokenizer is OpenVINO's own."""
    (folder / "tokenizer").mkdir()
    manifest.write(folder, {"recipe": "2a56c1afebf2"}, version=1)
    for name in ("openvino_tokenizer.xml", "openvino_tokenizer.bin"):
        (folder / "tokenizer" / name).write_bytes(b"0123")


@pytest.mark.parametrize(
    "read",
    [
        manifest.verify, manifest.begin_verifying, manifest.prepared_with, manifest.flops, manifest.trial,
        manifest.latent_colors, manifest.network_bytes,
    ],
)  # fmt: skip
def test_a_folder_in_the_layout_of_an_older_version_must_be_prepared_again(
    folder: Path, read: Callable[[Path], object]
) -> None:
    make_old(folder)
    with pytest.raises(ModelUnavailable) as caught:
        read(folder)
    assert "has format 1, written by an older version; this version reads format 3" in caught.value.private
    assert "Prepare the model again" in caught.value.private


def test_the_manifest_of_a_checkpoint_keeps_its_version_and_so_its_revision(folder: Path) -> None:
    manifest.write(folder, version=manifest.CHECKPOINT_FORMAT)
    manifest.verify(folder, version=manifest.CHECKPOINT_FORMAT)
    assert json.loads((folder / manifest.NAME).read_text())["format"] == 1
