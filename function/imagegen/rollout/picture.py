"""Judges the PNG file that a new version has drawn, without Pillow, which the zip functions lack."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from imagegen.errors import ImageInvalid
from imagegen.pictures import png

_CREDENTIALS: Final = b"caBX"
"""Chunk of content credentials (C2PA specification 2.1, A.3.2)."""
_CHANNELS: Final = {2: 3, 6: 4}
"""Bytes of a pixel for the color types RGB and RGBA, at 8 bits."""


def fault(data: bytes, size: tuple[int, int], *, signed: bool) -> str | None:
    """Return what is wrong with the file, or None.

    Covered: a PNG of `size` (width, height) in pixels, complete, with more than one color, and with content credentials
    if it should be `signed`. Not covered: what the picture shows, and whether the signature is valid.
    """
    if not data.startswith(png.SIGNATURE):
        return "it is not a PNG"
    try:
        return _fault_of_png(data, size, signed=signed)
    except (ImageInvalid, struct.error, zlib.error) as error:
        return f"it cannot be read ({type(error).__name__})"


def _fault_of_png(data: bytes, size: tuple[int, int], *, signed: bool) -> str | None:
    if png.size(data) != size:
        return f"it has {png.size(data)} pixels instead of {size}"
    chunks = [(kind, data[start:end]) for kind, start, end in png.chunks(data)]
    if signed != any(kind == _CREDENTIALS for kind, _ in chunks):
        return "it is not signed" if signed else "it is signed, and the deployment has no key"
    depth, color_type, interlaced = data[24], data[25], data[28]  # of IHDR, which is the first chunk
    if depth != 8 or color_type not in _CHANNELS or interlaced:
        return f"it has depth {depth}, color type {color_type} and interlace method {interlaced}"
    width, height = size
    channels = _CHANNELS[color_type]
    length = height * (1 + width * channels)
    pixels = zlib.decompressobj().decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"), length + 1)
    if len(pixels) != length:
        return f"it has {len(pixels)} bytes of pixels instead of {length}"
    return "it has one color" if _is_uniform(pixels, width, channels) else None


def _is_uniform(filtered: bytes, width: int, channels: int) -> bool:
    """Return whether all pixels are equal. Ends at the first row that differs."""
    color = b""
    for row in _rows(filtered, width * channels, channels):
        color = color or row[:channels]
        if row != color * width:
            return False
    return True


def _rows(filtered: bytes, length: int, channels: int) -> Iterator[bytes]:
    """Yield the rows of pixels: each was stored as the difference to a prediction (PNG specification, 9.2)."""
    above = bytearray(length)
    for start in range(0, len(filtered), length + 1):
        kind, row = filtered[start], bytearray(filtered[start + 1 : start + 1 + length])
        for index in range(length if kind else 0):
            left = row[index - channels] if index >= channels else 0
            corner = above[index - channels] if index >= channels else 0
            row[index] = (row[index] + _predicted(kind, left, above[index], corner)) & 0xFF
        yield bytes(row)
        above = row


def _predicted(kind: int, left: int, above: int, corner: int) -> int:
    """Return the filter's prediction for a byte. Raises ImageInvalid for a filter that does not exist."""
    match kind:
        case 1:
            return left
        case 2:
            return above
        case 3:
            return (left + above) // 2
        case 4:
            distance = {each: abs(left + above - corner - each) for each in (corner, above, left)}
            nearest = min(distance.values())
            return next(each for each in (left, above, corner) if distance[each] == nearest)
    raise ImageInvalid
