from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from imagegen_cli.whole_file import is_replaceable, whole_file


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


def make_device(path: Path) -> None:
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))  # as /dev/null
    except PermissionError:
        pytest.skip("only root makes devices")


def make_link_to_a_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("fifo"))
    path.symlink_to("fifo")


def make_folder(path: Path) -> None:
    path.mkdir()


SPECIAL = pytest.mark.parametrize(
    "make", [make_fifo, make_socket, make_device, make_link_to_a_fifo, make_folder], ids=lambda each: each.__name__
)


@SPECIAL
def test_only_a_regular_file_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket has at most 107 bytes
    make(Path("a.png"))
    before = {path: path.lstat().st_ino for path in Path().iterdir()}
    assert not is_replaceable(Path("a.png"))
    with pytest.raises(FileExistsError, match="not a regular file"), whole_file(Path("a.png")):
        pass
    assert {path: path.lstat().st_ino for path in Path().iterdir()} == before


def test_a_fifo_that_appears_while_the_file_is_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(FileExistsError), whole_file(path):
        os.mkfifo(path)
    assert path.is_fifo()
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_that_a_link_names_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    link.symlink_to(target)
    for content in (b"first", b"second"):  # absent, then present
        with whole_file(link) as file:
            file.write(content)
        assert target.read_bytes() == content
    assert link.is_symlink()


def test_an_error_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), whole_file(path) as file:
        file.writelines([b"half", "no bytes"])  # type: ignore[list-item]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with whole_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
