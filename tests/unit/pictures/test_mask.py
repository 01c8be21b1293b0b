"""Masks: white is repainted, black and what is transparent is kept."""

from __future__ import annotations

import pytest
from PIL import Image

from imagegen.errors import ImageFormatUnsupported, ImageInvalid, MaskEmpty, MaskSizeMismatch, PictureError
from imagegen.pictures.decode import decode_mask
from tests.support.pictures import chunk, file, png, turned

SIZE = (64, 48)


Color = int | tuple[int, ...]


def square(mode: str = "L", background: Color = 0, color: Color = 255) -> Image.Image:
    """Return a mask whose left half is repainted."""
    image = Image.new(mode, SIZE, background)
    image.paste(color, (0, 0, 32, 48))
    return image


BINARY = square().tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
def test_every_mode_gives_the_same_mask(mode: str) -> None:
    mask = decode_mask(file(square().convert(mode), "PNG"), SIZE)
    assert (mask.mode, mask.size) == ("L", SIZE)
    assert mask.tobytes() == BINARY


def test_16_bits_and_a_lossy_format() -> None:
    rows = b"".join(b"\0" + b"\xff\xff" * 32 + b"\0\0" * 32 for _ in range(48))
    assert decode_mask(png(SIZE, 0, 16, rows), SIZE).tobytes() == BINARY
    levels = b"".join(b"\0" + b"\xc0\0" * 64 for _ in range(48))
    assert set(decode_mask(png(SIZE, 0, 16, levels, chunk(b"tRNS", b"\0\0")), SIZE).tobytes()) == {0xC0}
    jpeg = decode_mask(file(square(), "JPEG", quality=60), SIZE)
    assert jpeg.point(lambda value: 255 * (value >= 128)).tobytes() == BINARY


def test_what_is_transparent_is_kept_whatever_its_color() -> None:
    painted = square("RGBA", (255, 255, 255, 0), (255, 255, 255, 255))
    assert decode_mask(file(painted, "PNG"), SIZE).tobytes() == BINARY


def test_a_mask_is_turned_like_an_image() -> None:
    lying = square().transpose(Image.Transpose.ROTATE_90)
    assert decode_mask(file(lying, "PNG", exif=turned(6)), SIZE).tobytes() == BINARY


@pytest.mark.parametrize(
    "mask",
    [
        Image.new("L", SIZE, 0), Image.new("L", SIZE, 127),
        Image.new("1", SIZE, 0), Image.new("RGBA", SIZE, (255, 255, 255, 0)),
        square("RGBA", (0, 0, 0, 0), (0, 0, 0, 255)),
    ],
    ids=["black", "dark grey", "1-bit black", "clear", "a shape in alpha alone"],
)  # fmt: skip
def test_a_mask_that_repaints_nothing_is_refused(mask: Image.Image) -> None:
    with pytest.raises(MaskEmpty) as raised:
        decode_mask(file(mask, "PNG"), SIZE)
    assert [each.field for each in raised.value.errors] == ["mask_image"]


def test_an_all_white_mask_is_allowed() -> None:
    assert decode_mask(file(Image.new("L", SIZE, 255), "PNG"), SIZE).getextrema() == (255, 255)


def test_another_size_is_refused_with_both_sizes_before_decoding() -> None:
    with pytest.raises(MaskSizeMismatch, match="32 x 48 pixels and the image 64 x 48"):
        decode_mask(file(Image.new("L", (32, 48), 255), "PNG"), SIZE)
    with pytest.raises(MaskSizeMismatch, match="48 x 64"):
        decode_mask(file(square(), "PNG", exif=turned(5)), SIZE)


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"", ImageInvalid), (b"GIF89a", ImageFormatUnsupported), (file(square(), "PNG")[:60], ImageInvalid)],
)
def test_errors_name_the_mask(data: bytes, error: type[PictureError]) -> None:
    with pytest.raises(error) as raised:
        decode_mask(data, SIZE)
    assert [(each.field, each.code) for each in raised.value.errors] == [("mask_image", error.code)]
