"""Every kind of picture that callers send becomes RGB: upright, in sRGB, on white, without metadata."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from imagegen.errors import ImageFormatUnsupported, ImageInvalid
from imagegen.pictures.decode import decode
from imagegen.pictures.inspection import inspect
from tests.support.pictures import (
    FORMATS,
    canvas,
    chunk,
    file,
    noise,
    pixels,
    png,
    quadrants,
    riff,
    turned,
    with_segments,
)

WHITE = (255, 255, 255)


def reference(data: bytes) -> Image.Image:
    """Return what Pillow alone makes of an upright, opaque file without a profile."""
    return Image.open(io.BytesIO(data)).convert("RGB")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}),
        ("JPEG", {"subsampling": 0, "restart_marker_rows": 1}), ("WEBP", {}), ("WEBP", {"lossless": True}),
    ],
)  # fmt: skip
def test_the_pixels_are_those_of_the_file(kind: str, options: dict[str, object]) -> None:
    data = file(noise(), kind, **options)
    picture = decode(data)
    assert (picture.mode, picture.size, picture.info) == ("RGB", (64, 48), {})
    assert picture.tobytes() == reference(data).tobytes()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_are_applied(kind: str, orientation: int) -> None:
    data = file(quadrants(), kind, exif=turned(orientation))
    picture, expected = decode(data), ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert picture.size == inspect(data).size == ((48, 64) if orientation >= 5 else (64, 48))
    assert picture.tobytes() == expected.convert("RGB").tobytes()


@pytest.mark.parametrize(
    "exif",
    [
        b"", b"II*\0", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff" + b"\0" * 8,
        turned(1)[:-6], b"Exif\0\0junk",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x01\0\0\0\x06\0\0\0",
    ],
)  # fmt: skip
def test_an_orientation_that_cannot_be_read_is_upright(exif: bytes) -> None:
    data = png((2, 1), 2, 8, b"\0" + bytes(range(6)), chunk(b"eXIf", exif))
    assert pixels(decode(data)) == [(0, 1, 2), (3, 4, 5)]


def test_what_is_transparent_becomes_white() -> None:
    image = Image.new("RGBA", (3, 1))
    image.putdata([(255, 0, 0, 255), (0, 0, 0, 0), (0, 0, 0, 128)])
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        red, clear, half = pixels(decode(file(image, kind, **options)))
        assert (red, clear) == ((255, 0, 0), WHITE)
        assert half == (127, 127, 127)


@pytest.mark.parametrize(
    "data",
    [
        png((2, 1), 3, 8, b"\0\0\1", chunk(b"PLTE", b"\1\2\3\4\5\6"), chunk(b"tRNS", b"\0")),
        png((2, 1), 0, 8, b"\0\7\x04", chunk(b"tRNS", b"\0\7")),
        png((2, 1), 2, 8, b"\0\7\7\7\4\5\6", chunk(b"tRNS", b"\0\7\0\7\0\7")),
        png((2, 1), 4, 8, b"\0\0\0\x04\xff"),
        png((2, 1), 4, 16, b"\0\0\0\0\0\x04\x04\xff\xff"),
        png((2, 1), 6, 16, b"\0" + b"\0" * 8 + b"\4\4\5\5\6\6\xff\xff"),
    ],
    ids=["palette", "grey key", "color key", "LA", "16-bit LA", "16-bit RGBA"],
)
def test_every_kind_of_transparency_becomes_white(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clear, kept = pixels(decode(data))
    assert clear == WHITE
    assert kept in ((4, 5, 6), (4, 4, 4))


def test_16_bits_keep_the_high_byte() -> None:
    values = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 20
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    grey = np.asarray(decode(png((64, 48), 0, 16, rows)))
    assert (grey == (values >> 8)[:, :, None]).all()
    with_key = np.asarray(decode(png((64, 48), 0, 16, rows, chunk(b"tRNS", b"\xff\xff"))))
    assert (with_key == grey).all()
    assert decode(png((1, 1), 2, 16, b"\0\x80\1\x40\2\x20\3")).getpixel((0, 0)) == (0x80, 0x40, 0x20)


MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "JPEG": ("1", "L", "RGB", "CMYK", "YCbCr"),
    "WEBP": ("L", "P", "RGB", "RGBA"),
}
"""Modes in which Pillow writes each format."""


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in MODES.items() for mode in modes])
def test_every_mode_that_the_format_has_is_read(kind: str, mode: str) -> None:
    data = file(quadrants().convert(mode), kind)
    assert decode(data).tobytes() == reference(data).tobytes()


def test_an_interlaced_png_is_read() -> None:
    rows = [b"\0" + bytes([1, 2, 3])] + [b""] * 6  # Adam7 of one pixel has one pass
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 1))
    data = png((1, 1), 2, 8, b"".join(rows))
    assert decode(data[:8] + header + data[33:]).getpixel((0, 0)) == (1, 2, 3)


def p3() -> bytes:
    """Return an RGB profile whose red is sRGB's green, so that its effect cannot be missed."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red + 4 : red + 12], profile[green + 4 : green + 12] = (
        profile[green + 4 : green + 12],
        profile[red + 4 : red + 12],
    )
    return bytes(profile)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_profile_is_applied(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    data = file(Image.new("RGB", (8, 8), (250, 0, 0)), kind, icc_profile=p3(), **options)
    red, green, _ = pixels(decode(data))[0]
    assert (red < 30, green > 220) == (True, True)


def test_the_profile_of_srgb_changes_no_pixel() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert decode(file(noise(), "PNG", icc_profile=profile)).tobytes() == noise().tobytes()


@pytest.mark.parametrize(
    "profile", [b"junk", p3()[:200], ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()]
)
def test_a_profile_that_cannot_be_applied_is_ignored(profile: bytes) -> None:
    assert decode(file(noise(), "PNG", icc_profile=profile)).tobytes() == noise().tobytes()


def test_a_profile_and_transparency_together() -> None:
    image = Image.new("RGBA", (2, 1), (250, 0, 0, 255))
    image.putpixel((1, 0), (250, 0, 0, 0))
    (red, green, _), clear = pixels(decode(file(image, "PNG", icc_profile=p3())))
    assert (red < 30, green > 220, clear) == (True, True, WHITE)


def test_a_phones_jpeg_with_a_second_picture_is_its_first() -> None:
    """A multi-picture file (CIPA DC-007), such as one with a gain map or a thumbnail, is no animation."""
    first, second = noise(), quadrants()
    data = file(first, "MPO", save_all=True, append_images=[second])
    picture = decode(data)
    expected = Image.open(io.BytesIO(data))
    assert expected.format == "MPO"
    assert picture.tobytes() == expected.convert("RGB").tobytes()
    assert b"MPF" not in inspect(data).data


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animations_are_refused(kind: str) -> None:
    data = file(noise(), kind, save_all=True, append_images=[quadrants()])
    with pytest.raises(ImageFormatUnsupported, match="animated"):
        decode(data)


def test_metadata_never_reaches_the_decoder() -> None:
    secret = b"tell nobody"
    jpeg = with_segments(
        file(noise(), "JPEG", comment=secret), b"Exif\0\0" + secret, b"http://ns.adobe.com/xap/1.0/\0" + secret
    )
    texts = chunk(b"tEXt", b"Comment\0" + secret), chunk(b"tIME", secret)
    for data in (
        jpeg + secret,
        png((1, 1), 0, 8, b"\0\7", *texts, after=chunk(b"iTXt", secret)) + secret,
        file(noise(), "WEBP", exif=b"Exif\0\0" + secret, xmp=secret) + secret,
    ):
        assert secret in data
        assert secret not in inspect(data).data
        decode(data)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_picture_is_invalid(kind: str) -> None:
    data = file(noise(200, 200), kind)
    for length in (len(data) // 2, len(data) // 4, 40, 12):
        with pytest.raises(ImageInvalid) as raised:
            decode(data[:length])
        assert raised.value.errors[0].field == "image"


def test_headers_that_contradict_each_other_are_invalid() -> None:
    second = chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0))
    with pytest.raises(ImageInvalid):
        decode(png((1, 1), 2, 8, b"\0" * 4, second))
    jpeg = file(noise(), "JPEG")
    start = jpeg.index(b"\xff\xc0")
    with pytest.raises(ImageInvalid):
        decode(jpeg[:start] + jpeg[start : start + 19] + jpeg[start:])
    bitstream = file(noise(), "WEBP")
    with pytest.raises(ImageInvalid):
        decode(riff(canvas(9, 9), (bitstream[12:16], bitstream[20:])))


def test_details_of_decoders_stay_private() -> None:
    damaged = bytearray(png((8, 8), 3, 8, b"\0" * 72))  # a palette that is missing: AssertionError in Pillow
    with pytest.raises(ImageInvalid) as raised:
        decode(bytes(damaged))
    assert (raised.value.private, raised.value.detail) == ("AssertionError", ImageInvalid.usual_detail)
