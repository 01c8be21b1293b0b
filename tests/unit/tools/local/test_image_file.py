from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from tools.local.image_file import FORMATS, image_path, save


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.JPEG", "a.b.webp", "with blank.png"])
def test_a_path_in_an_existing_folder_is_accepted_in_every_format(tmp_path: Path, name: str) -> None:
    path = image_path(str(tmp_path / name))
    assert path == tmp_path / name
    assert path.suffix.lower() in FORMATS


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert image_path("~/a.png") == tmp_path / "a.png"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.gif", "use one of .png, .jpg, .jpeg, .webp"),
        ("a", "use one of .png, .jpg, .jpeg, .webp"),
        (".png", "use one of .png, .jpg, .jpeg, .webp"),
        ("missing/a.png", "mkdir -p "),
        ("folder", "name a file in it, such as "),
        ("folder.png", "name a file in it, such as "),
        ("fifo.png", "is a device, a FIFO or a socket"),
        ("link.png", "is a device, a FIFO or a socket"),
    ],
)
def test_any_other_path_is_rejected_with_the_way_out(tmp_path: Path, name: str, reason: str) -> None:
    for folder in ("folder", "folder.png"):
        (tmp_path / folder).mkdir()
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "link.png").symlink_to("fifo.png")
    with pytest.raises(argparse.ArgumentTypeError, match=reason):
        image_path(str(tmp_path / name))


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old and longer")
    save(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    blocked = tmp_path / "a.png"
    blocked.mkdir()
    with pytest.raises(OSError, match=r"a\.png"):
        save(blocked, b"new")
    assert list(tmp_path.iterdir()) == [blocked]


def test_a_fifo_that_has_appeared_since_is_not_replaced(tmp_path: Path) -> None:
    path = image_path(str(tmp_path / "a.png"))
    os.mkfifo(path)
    with pytest.raises(FileExistsError, match=r"a\.png"):
        save(path, b"new")
    assert path.is_fifo()
