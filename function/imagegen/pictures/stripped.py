"""A picture's file without its metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["PNG", "JPEG", "WEBP"]


@dataclass(frozen=True)
class Stripped:
    """What the header says, and the file reduced to pixels, palette, transparency and ICC profile.

    A decoder therefore never sees texts, previews, EXIF or further frames. `width` and `height` are those of the stored
    pixels; `orientation` is EXIF's, 1 to 8.
    """

    format: Format
    width: int
    height: int
    orientation: int
    data: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height after the orientation is applied."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)
