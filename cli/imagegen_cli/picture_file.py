"""Pictures that the caller names: files of this machine, or uploads of earlier commands."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagegen_cli.failure import Failure, usage
from imagegen_cli.home import expanded

FIELDS: Final = ("image", "mask_image")
_UPLOAD_ID: Final = re.compile(r"upload_[0-7][0-9A-HJKMNP-TV-Z]{25}")
_DATA_URL: Final = re.compile(r"data:[\w.+/-]*;base64,", re.IGNORECASE)
_BASE64: Final = re.compile(r"(iVBORw0KGgo|/9j/|UklGR)[A-Za-z0-9+/]{16,}={0,2}")
"""How a PNG, JPEG or WebP file begins."""
_LONGEST_PATH: Final = 4096
"""Characters. A longer text is base64."""


@dataclass(frozen=True)
class PictureFile:
    """A PNG, JPEG or WebP file. Its content decides the type, not its name."""

    path: Path
    content_type: str
    sha256: str
    """Of the file, in hex."""
    size: int
    """Bytes."""

    def read(self) -> bytes:
        """Return the file's bytes. Raises Failure (usage) if they are no longer those that were looked at."""
        with _readable(self.path):
            data = self.path.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise usage(f"{self.path} has changed since the command began. Run it again.")
        return data


Picture = PictureFile | str
"""A file, or the text that the service takes: an upload's id or base64."""


def look_at(path: Path) -> PictureFile:
    """Return the file. Raises Failure (usage) if it cannot be read, or is no picture that the service reads."""
    with _readable(path):
        if path.exists() and not path.is_file():
            raise usage(f"{path} is not a file.")
        with path.open("rb") as file:
            content_type = _content_type(file.read(12))
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest() if content_type else ""
            size = file.tell()
    if content_type is None:
        raise usage(f"{path} is not a PNG, JPEG or WebP file.")
    return PictureFile(path, content_type, digest, size)


def find_pictures(
    fields: Mapping[str, str | None], folder: Path, look: Callable[[Path], PictureFile] = look_at
) -> dict[str, Picture]:
    """Return the picture of each field that was given: ids and base64 as they are, files of `folder` by `look`.

    Raises Failure (usage) that names the field.
    """
    found: dict[str, Picture] = {}
    for name, text in fields.items():
        try:
            if text is not None:
                found[name] = text if _is_sent_as_it_is(text) else look(folder / expanded(Path(text)))
        except Failure as failure:
            raise usage(f"{name}: {failure.detail}") from None
    return found


def _is_sent_as_it_is(text: str) -> bool:
    is_known = _UPLOAD_ID.fullmatch(text) or _DATA_URL.match(text) or _BASE64.fullmatch(text)
    return bool(is_known) or len(text) > _LONGEST_PATH


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a null character
        raise usage(f"{path} cannot be read: {getattr(error, 'strerror', error)}.") from error


def _content_type(data: bytes) -> str | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None
