"""The file that `make run` writes."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Final

from imagegen.cli.whole_file import is_replaceable, whole_file

FORMATS: Final = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
"""The API's `output_format` for each file extension."""


def image_path(text: str) -> Path:
    """Return the path if an image can be written there: better to find out now than after generating it.

    Raises argparse.ArgumentTypeError.
    """
    path = Path(text).expanduser()
    if path.is_dir():
        reason = f"is a folder: name a file in it, such as {path / 'out.png'}"
    elif not is_replaceable(path):
        reason = "is a device, a FIFO or a socket: name a file"
    elif path.suffix.lower() not in FORMATS:
        reason = f"has no extension that names a format: use one of {', '.join(FORMATS)}"
    elif not path.parent.is_dir():
        reason = f"is in a folder that does not exist: mkdir -p {path.parent}"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        reason = "cannot be written: permission denied"
    else:
        return path
    raise argparse.ArgumentTypeError(f"{text} {reason}")


def save(path: Path, content: bytes) -> None:
    """Write the whole file or, if the disk is full, nothing. Raises OSError."""
    with whole_file(path) as file:
        file.write(content)
