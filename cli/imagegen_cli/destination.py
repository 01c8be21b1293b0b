"""Where images are written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from imagegen_cli.documents import Image, Result
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure, usage
from imagegen_cli.home import expanded
from imagegen_cli.whole_file import is_replaceable

FORMATS: Final = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
"""The API's `output_format` for each file extension."""
_EXTENSIONS: Final = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


class Place(Protocol):
    """Names the files of a result's images."""

    def paths(self, result: Result) -> list[Path]:
        """Return a path for each image. Raises Failure."""


@dataclass(frozen=True)
class Destination:
    """A folder, in which files are named after the job, or a file; `format` is that of the file's extension."""

    path: Path
    is_folder: bool

    @property
    def format(self) -> str | None:
        return None if self.is_folder else FORMATS[self.path.suffix.lower()]

    def paths(self, result: Result) -> list[Path]:
        """Return a path for each image: star.png, or star-1.png, star-2.png and so on. Raises Failure."""
        images = result.images
        extension = extension_of(images)
        if self.format and self.format != FORMATS[extension]:
            raise usage(f"--out {self.path}: the images are {FORMATS[extension]}; use the extension {extension}.")
        first = self.path / f"{result.id}{extension}" if self.is_folder else self.path
        if len(images) == 1:
            return [first]
        return [first.with_name(f"{first.stem}-{number}{first.suffix}") for number in range(1, len(images) + 1)]


def destination(out: Path | None, option: str = "--out") -> Destination:
    """Return where to write: better to find out now than after the images were generated.

    Raises Failure (usage) that names the `option`.
    """
    path = expanded(out or Path())
    is_folder = path.is_dir()
    reason = _reason(path, is_folder)
    if reason:
        raise usage(f"{option} {path} {reason}")
    return Destination(path, is_folder)


def _reason(path: Path, is_folder: bool) -> str | None:
    written = path if path.exists() else path.parent
    if not is_folder and not is_replaceable(path):
        return "is a device, a FIFO or a socket: name a file."
    if not is_folder and path.suffix.lower() not in FORMATS:
        return f"has no extension that names a format: use one of {', '.join(FORMATS)}, or an existing folder."
    if not path.parent.is_dir():
        return f"is in a folder that does not exist: mkdir -p {path.parent}"
    if not os.access(written, os.W_OK):
        return "cannot be written: permission denied."
    return None


def extension_of(images: Sequence[Image]) -> str:
    """Return the extension of files with these images. Raises Failure if it is not known."""
    kind = images[0].content_type.removeprefix("image/")
    if kind not in _EXTENSIONS:
        raise Failure(
            ExitCode.SERVICE_FAILED, f"The images are {images[0].content_type}, which no extension is known for."
        )
    return _EXTENSIONS[kind]
