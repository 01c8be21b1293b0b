"""The file that a new version draws is judged without Pillow, which writes these."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image

from imagegen.pictures import png
from imagegen.rollout.picture import fault

SIZE = (32, 24)


def gradient(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """Return a picture for whose rows Pillow chooses different filters."""
    width, height = size
    picture = Image.new(mode, size)
    for x in range(width):
        for y in range(height):
            picture.putpixel((x, y), ((x * 7) % 256, (y * y) % 256, (x * y) % 256, 255)[: len(mode)])
    return picture


def file_of(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def with_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    """Return the file with a chunk after its header, as content credentials are."""
    after = len(png.SIGNATURE) + 25
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:after] + chunk + data[after:]


def with_filter(kind: int, color: bytes = b"\x10\x20\x30") -> bytes:
    """Return a picture of one color whose rows all have the filter."""
    width, height = SIZE
    first_pixel, others = (color, bytes(3)) if kind in (1, 4) else (color, color)
    first = bytes([1]) + color + bytes(3 * (width - 1))
    row = {
        0: bytes([0]) + color * width,
        1: bytes([1]) + first_pixel + others * (width - 1),
        2: bytes([2]) + bytes(3 * width),
        3: bytes([3]) + bytes(each - each // 2 for each in color) + bytes(3 * (width - 1)),
        4: bytes([4]) + bytes(3 * width),
    }[kind]
    pixels = zlib.compress(first + row * (height - 1))
    header = struct.pack(">IIBBBBB", *SIZE, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    return png.SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_drawing_passes(mode: str) -> None:
    assert fault(file_of(gradient(mode)), SIZE, signed=False) is None


def test_one_other_pixel_at_the_end_is_no_uniform_picture() -> None:
    picture = Image.new("RGB", SIZE, (200, 10, 10))
    assert fault(file_of(picture), SIZE, signed=False) == "it has one color"
    picture.putpixel((31, 23), (200, 10, 11))
    assert fault(file_of(picture), SIZE, signed=False) is None


@pytest.mark.parametrize("kind", range(5))
def test_one_color_is_noticed_whichever_filter_its_rows_have(kind: int) -> None:
    data = with_filter(kind)
    assert len(Image.open(io.BytesIO(data)).convert("RGB").getcolors() or []) == 1, "the test's own file"
    assert fault(data, SIZE, signed=False) == "it has one color"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "not a PNG"),
        (file_of(gradient(), "JPEG"), "not a PNG"),
        (b'{"code": "internal_error"}', "not a PNG"),
        (file_of(gradient(size=(24, 32))), "it has (24, 32) pixels instead of (32, 24)"),
        (file_of(gradient())[:100], "cannot be read"),
        (file_of(gradient())[:30], "cannot be read"),
        (png.SIGNATURE, "cannot be read"),
        (file_of(gradient().convert("L")), "color type 0"),
        (file_of(gradient().convert("P")), "color type 3"),
        (file_of(gradient()).replace(b"IDAT", b"iDAT"), "0 bytes of pixels"),
    ],
)
def test_another_file_is_refused_with_the_reason(data: bytes, found: str) -> None:
    assert found in str(fault(data, SIZE, signed=False))


def test_damaged_pixels_are_refused() -> None:
    data = bytearray(file_of(gradient()))
    position = data.index(b"IDAT") + 8
    data[position] ^= 0xFF
    assert "cannot be read" in str(fault(bytes(data), SIZE, signed=False))


def test_a_picture_is_signed_if_and_only_if_the_deployment_signs() -> None:
    plain = file_of(gradient())
    signed = with_chunk(plain, b"caBX", b"a manifest")
    assert fault(signed, SIZE, signed=True) is None
    assert fault(plain, SIZE, signed=True) == "it is not signed"
    assert "has no key" in str(fault(signed, SIZE, signed=False))
