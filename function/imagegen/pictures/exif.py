"""The one value that is read from EXIF: the orientation. Everything else of it is dropped unread."""

from __future__ import annotations

import struct
from typing import Final

UPRIGHT: Final = 1
PREFIX: Final = b"Exif\0\0"
_BYTE_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}
_ORIENTATION: Final = 0x0112
_SHORT: Final = 3


def orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8; 1 if it is absent or cannot be read. The prefix of JPEG's segment is optional."""
    tiff = exif.removeprefix(PREFIX)
    order = _BYTE_ORDERS.get(tiff[:4])
    try:
        value = UPRIGHT if order is None else _first_directory(tiff, order)
    except struct.error:
        return UPRIGHT
    return value if 1 <= value <= 8 else UPRIGHT


def _first_directory(tiff: bytes, order: str) -> int:
    """Return the tag's value in the first directory (TIFF 6.0, section 2). Raises struct.error if that is cut off."""
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, entry)
        if (tag, kind) == (_ORIENTATION, _SHORT):
            return int(value)
    return UPRIGHT
