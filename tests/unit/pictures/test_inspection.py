"""What is refused by its header, without Pillow."""

from __future__ import annotations

import struct

import pytest

from imagegen.errors import ImageFormatUnsupported, ImageInvalid, ImageTooLarge
from imagegen.pictures.inspection import MAX_BYTES, MAX_PIXELS, MAX_SIDE, inspect
from imagegen.pictures.jpeg import MAX_SCANS, MAX_SEGMENTS
from imagegen.pictures.stripped import Format
from tests.support.pictures import FORMATS, canvas, file, noise, png, quadrants, riff, turned, webp_chunk
from tests.unit.test_imports import modules_after


def test_a_picture_is_inspected_without_pillow() -> None:
    loaded = modules_after("import imagegen.pictures.inspection, imagegen.pictures.encoded, imagegen.pictures.uploads")
    assert not loaded & {"PIL", "numpy", "boto3"}


@pytest.mark.parametrize("kind", FORMATS)
def test_format_size_and_orientation(kind: str) -> None:
    found = inspect(file(noise(), kind, exif=turned(6)))
    assert (found.format, found.width, found.height, found.orientation, found.size) == (kind, 64, 48, 6, (48, 64))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"GIF89a\1\0\1\0", "GIF"), (b"II*\0\x08\0\0\0", "TIFF"), (b"MM\0*\0\0\0\x08", "TIFF"), (b"BM\0\0", "BMP"),
        (b"8BPS\0\1", "PSD"), (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<?xml version='1.0'?><svg/>", "SVG"), (b"%PDF-1.7", "PDF"), (b"\0\0\1\0\1\0", "ICO"),
        (b"\0\0\0\x20ftypavif", "AVIF"), (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypmif1", "HEIC"), (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"), (b"\0\0\0\x0cjP  \r\n", "JPEG 2000"),
    ],
)  # fmt: skip
def test_another_format_is_415_and_named(data: bytes, name: str) -> None:
    with pytest.raises(ImageFormatUnsupported, match=f"is a {name} file. Send it as PNG, JPEG or WebP") as raised:
        inspect(data)
    assert (raised.value.status, raised.value.errors[0].field) == (415, "image")


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"hello", b"RIFF\0\0\0\0AVI ", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF\4\0\0\0WEBP"]
)
def test_what_is_no_picture_is_invalid(data: bytes) -> None:
    with pytest.raises(ImageInvalid):
        inspect(data)


def test_a_jpeg_of_too_many_segments_is_refused_before_all_of_them_are_read() -> None:
    """10 MB of empty comments took half a minute under load."""
    jpeg = file(noise(), "JPEG")

    def with_comments(count: int) -> bytes:
        return jpeg[:2] + b"\xff\xfe\0\2" * count + jpeg[2:]

    assert inspect(with_comments(MAX_SEGMENTS - 100)).size == (64, 48)
    with pytest.raises(ImageInvalid):
        inspect(with_comments(MAX_SEGMENTS + 1))


def of_size(kind: str, width: int, height: int) -> bytes:
    """Return a small file whose header says this size."""
    data = bytearray(file(noise(), kind))
    if kind == "PNG":
        return png((width, height), 2, 8, b"")
    if kind == "JPEG":
        start = data.index(b"\xff\xc0") + 5
        data[start : start + 4] = struct.pack(">HH", height, width)
        return bytes(data)
    return riff(canvas(width, height), webp_chunk(of_bitstream(width, height)))


def of_bitstream(width: int, height: int) -> bytes:
    """Return a lossless WebP whose bitstream says this size; the largest is 16,384."""
    data = bytearray(file(noise(), "WEBP", lossless=True))
    (bits,) = struct.unpack_from("<I", data, 21)
    size = (min(width, MAX_SIDE) - 1) | (min(height, MAX_SIDE) - 1) << 14
    data[21:25] = struct.pack("<I", bits & ~0xFFFFFFF | size)
    return bytes(data)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(("width", "height"), [(3500, 3501), (16_384, 748)])
def test_a_bomb_is_refused_by_its_header(kind: Format, width: int, height: int) -> None:
    data = of_size(kind, width, height)
    assert len(data) < 10_000
    with pytest.raises(
        ImageTooLarge, match=rf"{width} x {height} pixels.*at most {MAX_PIXELS[kind]} pixels.*Scale it down"
    ):
        inspect(data)


def test_the_longest_side() -> None:
    assert inspect(of_size("PNG", MAX_SIDE, 1)).size == (MAX_SIDE, 1)
    with pytest.raises(ImageTooLarge):
        inspect(of_size("PNG", MAX_SIDE + 1, 1))


@pytest.mark.parametrize(("kind", "size"), [("PNG", (3500, 3500)), ("JPEG", (4032, 3024)), ("WEBP", (3200, 3125))])
def test_the_largest_picture_is_accepted(kind: str, size: tuple[int, int]) -> None:
    assert inspect(of_size(kind, *size)).size == size


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_no_pixels_are_invalid(kind: str) -> None:
    with pytest.raises(ImageInvalid):
        inspect(of_size(kind, 0, 48))


def test_a_file_that_is_too_long_is_refused() -> None:
    with pytest.raises(ImageTooLarge, match=f"has {MAX_BYTES + 1} bytes and must have at most {MAX_BYTES}"):
        inspect(b"\0" * (MAX_BYTES + 1))


def test_a_jpeg_of_too_many_scans_is_refused() -> None:
    """Each scan of a few bytes costs a pass over all pixels."""
    jpeg = file(quadrants(), "JPEG", progressive=True)
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    scans = jpeg.count(b"\xff\xda")
    assert inspect(jpeg[:-2] + last * (MAX_SCANS - scans) + b"\xff\xd9").size == (64, 48)
    with pytest.raises(ImageInvalid):
        inspect(jpeg[:-2] + last * (MAX_SCANS - scans + 1) + b"\xff\xd9")


def test_what_follows_a_jpegs_end_is_dropped_and_its_scans_do_not_count() -> None:
    jpeg = file(noise(), "JPEG")
    assert inspect(jpeg + b"\xff\xda\0\2" * 100).data == inspect(jpeg).data
