from __future__ import annotations

import base64
from pathlib import Path

import pytest
from PIL import Image

from imagegen.pictures.uploads import new_id
from imagegen_cli.failure import Failure
from imagegen_cli.picture_file import PictureFile, find_pictures, look_at
from tests.support.pictures import FORMATS, file, noise


@pytest.mark.parametrize("kind", FORMATS)
def test_the_content_decides_the_type_and_not_the_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "photo.gif"
    path.write_bytes(file(noise(), kind))
    found = look_at(path)
    assert (found.content_type, found.size) == (f"image/{kind.lower()}", path.stat().st_size)
    assert found.read() == path.read_bytes()


@pytest.mark.parametrize("content", [b"", b"\x89PNG", b"GIF89a", b"<svg/>", b"RIFF\0\0\0\0WAVE", b"hello"])
def test_what_is_no_picture_is_refused_before_anything_is_sent(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    with pytest.raises(Failure, match=r"photo\.png is not a PNG, JPEG or WebP file"):
        look_at(path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("none.png", "cannot be read: No such file"), (".", "is not a file"), ("a\0b", "cannot be read")],
)
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(Failure, match=reason):
        look_at(tmp_path / name)


def test_a_file_that_changes_meanwhile_is_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(file(noise(), "PNG"))
    found = look_at(path)
    path.write_bytes(file(Image.new("RGB", (8, 8)), "PNG"))
    with pytest.raises(Failure, match="has changed"):
        found.read()


def test_ids_and_base64_are_sent_as_they_are_and_the_rest_are_files(tmp_path: Path) -> None:
    path, upload = tmp_path / "photo.png", new_id()
    path.write_bytes(file(noise(), "PNG"))
    for text in (upload, "data:image/png;base64,iVBORw0KGgo=", base64.b64encode(bytes(range(256)) * 20).decode()):
        assert find_pictures({"image": text}, tmp_path) == {"image": text}
    found = find_pictures({"image": "photo.png", "mask_image": str(path)}, tmp_path)
    assert [each.path for each in found.values() if isinstance(each, PictureFile)] == [path, path]
    assert find_pictures({"image": None}, tmp_path) == {}


@pytest.mark.parametrize("kind", FORMATS)
def test_base64_of_a_small_picture_is_no_path(tmp_path: Path, kind: str) -> None:
    text = base64.b64encode(file(Image.new("1", (8, 8)).convert("RGB"), kind)).decode()
    assert len(text) < 4096
    assert find_pictures({"mask_image": text}, tmp_path) == {"mask_image": text}


def test_a_name_may_begin_with_a_tilde(tmp_path: Path) -> None:
    (tmp_path / "~photo.png").write_bytes(file(noise(), "PNG"))
    found = find_pictures({"image": "~photo.png"}, tmp_path)["image"]
    assert isinstance(found, PictureFile)
    assert found.path == tmp_path / "~photo.png"


@pytest.mark.parametrize("text", ["upload_1", "https://example.com/a.png", "none.png", ""])
def test_a_picture_that_is_neither_names_the_field(tmp_path: Path, text: str) -> None:
    with pytest.raises(Failure, match=r"^mask_image: "):
        find_pictures({"mask_image": text}, tmp_path)
