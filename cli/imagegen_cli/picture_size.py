"""The size of a picture from its header. Pure."""

from __future__ import annotations

import struct
import zlib
from typing import Final

_NO_SIZE: Final = {0xC4, 0xC8, 0xCC}
"""Of the markers C0 to CF, those that begin no frame."""


def stored_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG, JPEG or WebP file as stored, before it is turned upright; None if damaged."""
    try:
        if data.startswith(b"\x89PNG"):
            return struct.unpack_from(">II", data, 16)
        return _of_webp(data) if data.startswith(b"RIFF") else _of_jpeg(data)
    except (struct.error, IndexError):
        return None


def mask_of_one_pixel(width: int, height: int) -> bytes:
    """Return a black PNG whose first pixel is white."""
    rows = bytearray((1 + (width + 7) // 8) * height)
    rows[1] = 0x80
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _of_jpeg(data: bytes) -> tuple[int, int]:
    at = 2
    while True:
        marker = data[at + 1]
        if data[at] != 0xFF or marker == 0xFF:  # fill bytes
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_SIZE:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]


def _of_webp(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
