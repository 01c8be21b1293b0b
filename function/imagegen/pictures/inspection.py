"""Format, size and orientation of a picture from its header, before anything is decoded. Needs no Pillow."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from imagegen.errors import ImageFormatUnsupported, ImageInvalid, ImageTooLarge, MaskSizeMismatch
from imagegen.pictures import jpeg, png, webp
from imagegen.pictures.stripped import Format, Stripped

MAX_BYTES: Final = 10_000_000
"""Of a file. POST /uploads accepts no more."""
MAX_PIXELS: Final[dict[Format, int]] = {"PNG": 12_250_000, "JPEG": 12_250_000, "WEBP": 10_000_000}
"""A 12-megapixel camera's 4032 x 3024 and 3500 x 3500; less for WebP, whose decoder takes 16 bytes for each pixel."""
MAX_SIDE: Final = 16_384
"""Pixels. WebP has no longer side."""
FORMATS: Final = "PNG, JPEG or WebP"
_STRIP: Final[dict[Format, Callable[[bytes], Stripped]]] = {"PNG": png.strip, "JPEG": jpeg.strip, "WEBP": webp.strip}

_OTHERS: Final = (
    (0, b"GIF8", "GIF"), (0, b"II*\0", "TIFF"), (0, b"MM\0*", "TIFF"), (0, b"BM", "BMP"), (0, b"8BPS", "PSD"),
    (0, b"%PDF", "PDF"), (0, b"<svg", "SVG"), (0, b"<?xml", "SVG"), (0, b"\0\0\1\0", "ICO"),
    (0, b"\xff\x0a", "JPEG XL"), (4, b"JXL ", "JPEG XL"), (4, b"jP  ", "JPEG 2000"),
    (4, b"ftypavif", "AVIF"), (4, b"ftyphei", "HEIC"), (4, b"ftypmif1", "HEIC"),
)  # fmt: skip
"""Formats that callers try: offset, signature and name."""


def inspect(data: bytes) -> Stripped:
    """Return the picture's format, size and orientation, and its file without metadata.

    Raises ImageInvalid, ImageTooLarge or ImageFormatUnsupported, whose field is `image`.
    """
    if len(data) > MAX_BYTES:
        raise ImageTooLarge(f"The picture has {len(data)} bytes and must have at most {MAX_BYTES}.")
    try:
        stripped = _STRIP[format_of(data)](data)
    except (struct.error, IndexError):  # cut off within a header
        raise ImageInvalid from None
    _check_size(stripped.width, stripped.height, MAX_PIXELS[stripped.format])
    return stripped


def format_of(data: bytes) -> Format:
    """Return the format that the file's first bytes name. Raises ImageInvalid or ImageFormatUnsupported."""
    if data.startswith(png.SIGNATURE):
        return "PNG"
    if data.startswith(jpeg.SIGNATURE):
        return "JPEG"
    if data.startswith(webp.SIGNATURE) and data[8:12] == webp.FORM:
        return "WEBP"
    for offset, signature, name in _OTHERS:
        if data.startswith(signature, offset):
            raise ImageFormatUnsupported(f"The picture is a {name} file. Send it as {FORMATS}.")
    raise ImageInvalid(f"The file is not a picture that can be read. Send a {FORMATS} file.")


def check_mask_size(mask: tuple[int, int], image: tuple[int, int]) -> None:
    """Raise MaskSizeMismatch unless a mask has the size of its image, both upright."""
    if mask != image:
        raise MaskSizeMismatch(
            f"The mask has {mask[0]} x {mask[1]} pixels and the image {image[0]} x {image[1]}, both upright. Send a "
            "mask of the image's size."
        )


def _check_size(width: int, height: int, most: int) -> None:
    if not (width and height):
        raise ImageInvalid
    if width * height > most or max(width, height) > MAX_SIDE:
        raise ImageTooLarge(
            f"The picture has {width} x {height} pixels. It must have at most {most} pixels and no side above "
            f"{MAX_SIDE}. Scale it down: models draw much smaller ones."
        )
