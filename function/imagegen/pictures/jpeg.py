"""JPEG files (ITU-T T.81, annex B)."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import Final

from imagegen.errors import ImageInvalid
from imagegen.pictures import exif
from imagegen.pictures.stripped import Stripped

SIGNATURE: Final = b"\xff\xd8\xff"
MAX_SCANS: Final = 32
"""Passes over all pixels, of which each may take a few bytes. Encoders write up to 18, for progressive CMYK."""
_SOI: Final = b"\xff\xd8"
_END, _SCAN, _APP1 = 0xD9, 0xDA, 0xE1
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_DROPPED: Final = frozenset({*range(0xE0, 0xF0), 0xFE})
"""Application data and comments, except for those in `_KEPT`."""
_KEPT: Final = {0xE0: b"JFIF", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
"""What decides about colors, by its marker and identifier."""
_NEXT_MARKER: Final = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
"""A marker other than a restart; in the data of a scan, 0xFF is followed by 0."""


@dataclass
class _Reading:
    """What was found up to the current segment."""

    kept: list[bytes] = field(default_factory=lambda: [_SOI])
    sizes: list[tuple[int, int]] = field(default_factory=list)
    orientation: int = exif.UPRIGHT
    scans: int = 0


def strip(data: bytes) -> Stripped:
    """Return the file without metadata, and without what follows its end. Raises ImageInvalid or struct.error."""
    reading, position = _Reading(), len(_SOI)
    while (found := _NEXT_MARKER.search(data, position)) and found[1][0] != _END:
        (length,) = struct.unpack_from(">H", data, found.end())
        segment = data[found.end() : found.end() + length]
        position = _take(reading, found[1][0], segment, data, found.end() + length)
    reading.kept.append(data[position : found.end() if found else len(data)])
    if len(reading.sizes) != 1 or not 1 <= reading.scans <= MAX_SCANS:
        raise ImageInvalid
    return Stripped("JPEG", *reading.sizes[0], reading.orientation, b"".join(reading.kept))


def _take(reading: _Reading, marker: int, segment: bytes, data: bytes, end: int) -> int:
    """Add a segment, which ends at `end`, and return where to search for the next one."""
    if marker == _APP1 and segment[2:].startswith(exif.PREFIX):
        reading.orientation = exif.orientation(segment[2:])
    elif marker in _FRAMES:
        height, width = struct.unpack_from(">HH", segment, 3)
        reading.sizes.append((width, height))
    elif marker == _SCAN:
        reading.scans += 1
    if marker not in _DROPPED or segment[2:].startswith(_KEPT.get(marker, b"\0none")):
        reading.kept.append(bytes((0xFF, marker)) + segment)
    if marker != _SCAN:
        return end
    following = _NEXT_MARKER.search(data, end)
    stop = following.start() if following else len(data)
    reading.kept.append(data[end:stop])
    return stop
