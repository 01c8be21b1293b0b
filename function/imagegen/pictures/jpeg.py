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
MAX_SEGMENTS: Final = 200_000
"""A file of 10 MB could have 2,500,000 empty ones, which take a busy processor half a minute. Cameras write dozens."""
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
    segments: int = 0

    def take(self, marker: int, segment: bytes) -> None:
        """Add a segment, which begins with its length. Raises ImageInvalid after MAX_SEGMENTS, or struct.error."""
        self.segments += 1
        if self.segments > MAX_SEGMENTS:
            raise ImageInvalid
        if marker == _APP1 and segment[2:].startswith(exif.PREFIX):
            self.orientation = exif.orientation(segment[2:])
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", segment, 3)
            self.sizes.append((width, height))
        if marker not in _DROPPED or (marker in _KEPT and segment[2:].startswith(_KEPT[marker])):
            self.kept.append(bytes((0xFF, marker)) + segment)


def strip(data: bytes) -> Stripped:
    """Return the file without metadata, and without what follows its end. Raises ImageInvalid or struct.error."""
    reading, position = _Reading(), len(_SOI)
    while (found := _NEXT_MARKER.search(data, position)) and found[1][0] != _END:
        marker, start = found[1][0], found.end()
        (length,) = struct.unpack_from(">H", data, start)
        if length < 2:  # its own two bytes
            raise ImageInvalid
        position = start + length
        reading.take(marker, data[start:position])
        if marker == _SCAN:
            start, position = position, _end_of_scan(data, position)
            reading.kept.append(data[start:position])
            reading.scans += 1
    reading.kept.append(data[position : found.end() if found else len(data)])
    if len(reading.sizes) != 1 or not 1 <= reading.scans <= MAX_SCANS:
        raise ImageInvalid
    return Stripped("JPEG", *reading.sizes[0], reading.orientation, b"".join(reading.kept))


def _end_of_scan(data: bytes, start: int) -> int:
    following = _NEXT_MARKER.search(data, start)
    return following.start() if following else len(data)
