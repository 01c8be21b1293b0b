from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagegen_cli.destination import destination
from imagegen_cli.documents import Result
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from tests.support.api_server import JOB_ID, example


def result(count: int = 1, content_type: str = "image/png") -> Result:
    image = example("result")["images"][0] | {"content_type": content_type}
    return Result.model_validate(example("result") | {"images": [image] * count})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("out", "content_type", "count", "paths"),
    [
        (None, "image/png", 1, [f"{JOB_ID}.png"]), (None, "image/jpeg", 2, [f"{JOB_ID}-1.jpg", f"{JOB_ID}-2.jpg"]),
        ("a.b.webp", "image/webp", 1, ["a.b.webp"]), ("a star.JPG", "image/jpeg", 1, ["a star.JPG"]),
        (".", "image/webp", 1, [f"{JOB_ID}.webp"]), ("star.png", "image/png", 1, ["star.png"]),
        ("star.PNG", "image/png", 2, ["star-1.PNG", "star-2.PNG"]), ("star.jpeg", "image/jpeg", 1, ["star.jpeg"]),
    ],
)  # fmt: skip
def test_files_are_named(folder: Path, out: str | None, content_type: str, count: int, paths: list[str]) -> None:
    found = destination(None if out is None else Path(out)).paths(result(count, content_type))
    assert [str(path) for path in found] == paths


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("star", "has no extension"), ("star.gif", r"one of \.png, \.jpg, \.jpeg, \.webp"),
        (".png", "has no extension"), ("nope/star.png", "mkdir -p nope"),
        ("fifo.png", "is a device, a FIFO or a socket"), ("link.png", "is a device, a FIFO or a socket"),
        ("star.png/x.png", "in a folder that does not exist"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_before_anything_is_drawn(folder: Path, out: str, reason: str) -> None:
    os.mkfifo("fifo.png")
    Path("link.png").symlink_to("fifo.png")
    Path("star.png").touch()
    with pytest.raises(Failure, match=reason) as raised:
        destination(Path(out))
    assert raised.value.exit_code is ExitCode.USAGE


def test_the_home_folder_is_expanded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert destination(Path("~/star.png")).path == folder / "star.png"


def test_the_extension_must_be_that_of_the_images(folder: Path) -> None:
    with pytest.raises(Failure, match=r"the images are jpeg; use the extension \.jpg"):
        destination(Path("star.png")).paths(result(content_type="image/jpeg"))


def test_an_unknown_kind_of_image_is_the_service_s_fault(folder: Path) -> None:
    with pytest.raises(Failure, match=r"image/\.\./\.\./x") as raised:
        destination(None).paths(result(content_type="image/../../x"))
    assert raised.value.exit_code is ExitCode.SERVICE_FAILED
