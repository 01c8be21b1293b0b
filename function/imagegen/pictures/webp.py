"""WebP files (RFC 9649)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from imagegen.errors import ImageFormatUnsupported, ImageInvalid
from imagegen.pictures import exif
from imagegen.pictures.stripped import Stripped

SIGNATURE: Final = b"RIFF"
FORM: Final = b"WEBP"
"""The RIFF form, at byte 8."""
_KEPT: Final = frozenset({b"VP8X", b"ICCP", b"ALPH", b"VP8 ", b"VP8L"})
_ANIMATED: Final = 0x02
_SIDE: Final = 0x3FFF
"""14 bits."""


def strip(data: bytes) -> Stripped:
    """Return the file without metadata. Raises ImageInvalid, ImageFormatUnsupported for animations, struct.error.

    The size must be known before the file is decoded: opening it allocates the whole canvas twice.
    """
    sizes, kept, orientation = [], dict[bytes, bytes](), exif.UPRIGHT
    for kind, body in _chunks(data):
        if kind == b"VP8X" and body[0] & _ANIMATED:
            raise ImageFormatUnsupported("The picture is an animated WebP. Send one frame of it.")
        if kind in _SIZES:
            sizes.append(_SIZES[kind](body))
        if kind == b"EXIF":
            orientation = exif.orientation(body)
        if kind in _KEPT and kind not in kept:
            kept[kind] = struct.pack("<4sI", kind, len(body)) + body + b"\0" * (len(body) % 2)
    if len(set(sizes)) != 1 or not kept.keys() & {b"VP8 ", b"VP8L"}:
        raise ImageInvalid
    chunks = b"".join(kept.values())
    return Stripped("WEBP", *sizes[0], orientation, struct.pack("<4sI4s", SIGNATURE, 4 + len(chunks), FORM) + chunks)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and body of each chunk. Raises ImageInvalid if the file or a chunk is cut off."""
    (size,) = struct.unpack_from("<I", data, 4)
    position, end = 12, 8 + size
    if end > len(data):
        raise ImageInvalid
    while position + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, position)
        start, position = position + 8, position + 8 + length + length % 2
        if start + length > end:
            raise ImageInvalid
        yield kind, data[start : start + length]


def _canvas(body: bytes) -> tuple[int, int]:
    return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1


def _lossy(body: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", body, 6)
    return width & _SIDE, height & _SIDE


def _lossless(body: bytes) -> tuple[int, int]:
    (bits,) = struct.unpack_from("<I", body, 1)
    return (bits & _SIDE) + 1, (bits >> 14 & _SIDE) + 1


_SIZES: Final = {b"VP8X": _canvas, b"VP8 ": _lossy, b"VP8L": _lossless}
