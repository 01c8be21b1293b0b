"""PNG files (PNG specification, third edition)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from imagegen.errors import ImageFormatUnsupported, ImageInvalid
from imagegen.pictures import exif
from imagegen.pictures.stripped import Stripped

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_KEPT: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"IDAT", b"IEND"})
_FRAME: Final = 12
"""Bytes of a chunk around its data: length, type and CRC."""


def strip(data: bytes) -> Stripped:
    """Return the file without metadata. Raises ImageInvalid, ImageFormatUnsupported for APNG, struct.error."""
    width, height = size(data)
    kept, orientation = [SIGNATURE], exif.UPRIGHT
    for kind, start, end in chunks(data):
        if kind == b"eXIf":
            orientation = exif.orientation(data[start:end])
        elif kind == b"acTL" and struct.unpack_from(">I", data, start)[0] > 1:
            raise ImageFormatUnsupported("The picture is an animated PNG. Send one frame of it.")
        elif kind in _KEPT:
            kept.append(data[start - 8 : end + 4])
    return Stripped("PNG", width, height, orientation, b"".join(kept))


def size(data: bytes) -> tuple[int, int]:
    """Return width and height in pixels. Raises ImageInvalid, struct.error."""
    length, kind, width, height = struct.unpack_from(">I4sII", data, len(SIGNATURE))
    if (length, kind) != (13, b"IHDR"):
        raise ImageInvalid
    return width, height


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, start and end of each chunk's data, up to the end of the image.

    Raises ImageInvalid for a second header, which could contradict the first, and if a chunk is cut off.
    """
    position, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, position)
        start, position = position + 8, position + _FRAME + length
        if position > len(data) or (kind == b"IHDR" and start != len(SIGNATURE) + 8):
            raise ImageInvalid
        yield kind, start, start + length
