"""Picture files that tests send: valid ones by Pillow, and parts of files that Pillow does not write."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import Any, Final

from PIL import Image

from imagegen.pictures.stripped import Format

FORMATS: Final[tuple[Format, ...]] = ("PNG", "JPEG", "WEBP")
QUADRANTS = {(0, 0): (255, 0, 0), (1, 0): (0, 128, 0), (0, 1): (0, 0, 255), (1, 1): (255, 255, 0)}
"""Colors by column and row."""


def file(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the image as a file of this format."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def of_data_url(url: str | None) -> Image.Image:
    """Return the picture in a data URL of a WebP file, in RGB."""
    assert url is not None
    head, _, body = url.partition(",")
    assert head == "data:image/webp;base64"
    image = Image.open(io.BytesIO(base64.b64decode(body, validate=True)), formats=["WEBP"])
    return image.convert("RGB")


def quadrants(width: int = 64, height: int = 48) -> Image.Image:
    """Return a picture whose four quadrants have different colors, so that every turn is visible."""
    image = Image.new("RGB", (width, height))
    for (column, row), color in QUADRANTS.items():
        left, top = column * width // 2, row * height // 2
        image.paste(color, (left, top, left + width // 2, top + height // 2))
    return image


def pixels(image: Image.Image) -> list[tuple[int, ...]]:
    """Return the pixels of an RGB picture, row by row."""
    values = image.tobytes()
    return [tuple(values[start : start + 3]) for start in range(0, len(values), 3)]


def noise(width: int = 64, height: int = 48) -> Image.Image:
    """Return a picture that does not compress well; the same one each time."""
    values = bytes((i * 7919 + i * i * 31) % 251 for i in range(width * height * 3))
    return Image.frombytes("RGB", (width, height), values)


def turned(orientation: int) -> bytes:
    """Return EXIF with this orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(size: tuple[int, int], color_type: int, depth: int, rows: bytes, *before: bytes, after: bytes = b"") -> bytes:
    """Return a PNG with these raw rows, each with its filter byte, and more chunks before and after them."""
    header = struct.pack(">IIBBBBB", *size, depth, color_type, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), *before, chunk(b"IDAT", zlib.compress(rows, 9)), after, chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def with_segments(jpeg: bytes, *segments: bytes, marker: int = 0xE1) -> bytes:
    """Return the JPEG with more segments at its start."""
    added = b"".join(bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body for body in segments)
    return jpeg[:2] + added + jpeg[2:]


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a WebP file of these chunks."""
    body = b"".join(struct.pack("<4sI", kind, len(each)) + each + b"\0" * (len(each) % 2) for kind, each in chunks)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WEBP") + body


def canvas(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    """Return the VP8X chunk of an extended WebP file."""
    return b"VP8X", bytes((flags, 0, 0, 0)) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def webp_chunk(webp: bytes) -> tuple[bytes, bytes]:
    """Return the only chunk of a simple WebP file."""
    (length,) = struct.unpack_from("<I", webp, 16)
    return webp[12:16], webp[20 : 20 + length]
