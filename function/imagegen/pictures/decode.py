"""Decodes the pictures that callers send: an image in sRGB, or a mask in grey, upright and without metadata."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image, ImageCms

from imagegen.errors import ImageInvalid, MaskEmpty, PictureError
from imagegen.pictures.inspection import check_mask_size, inspect
from imagegen.pictures.stripped import Stripped

WHITE: Final = (255, 255, 255)
BLACK: Final = (0, 0, 0)
REPAINTED_FROM: Final = 128
"""Value of a mask, 0 to 255, from which a pixel is repainted, as in diffusers."""
_TO_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each orientation (EXIF 3.0, 4.6.5.1.8). 1 is upright."""
_HIGH_BYTE: Final = [value >> 8 for value in range(1 << 16)]
_SRGB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def decode(data: bytes) -> Image.Image:
    """Return the picture in RGB: upright, in sRGB, what is transparent on white.

    Raises ImageInvalid, ImageTooLarge or ImageFormatUnsupported, whose field is `image`.
    """
    stripped = inspect(data)
    opened = _load(stripped)
    return _upright(_opaque(opened, WHITE, opened.info.get("icc_profile")), stripped)


def decode_mask(data: bytes, size: tuple[int, int]) -> Image.Image:
    """Return a mask in mode L for an upright image of this size: white is repainted, what is transparent is kept.

    Raises ImageInvalid, ImageTooLarge, ImageFormatUnsupported, MaskSizeMismatch or MaskEmpty, whose field is
    `mask_image`. Its colors are data: no ICC profile changes them.
    """
    try:
        stripped = inspect(data)
        check_mask_size(stripped.size, size)
        mask = _upright(_opaque(_load(stripped), BLACK, None).convert("L"), stripped)
    except PictureError as error:
        raise error.in_field("mask_image") from None
    if mask.point(lambda value: value >= REPAINTED_FROM and 255).getbbox() is None:
        raise MaskEmpty
    return mask


def _load(stripped: Stripped) -> Image.Image:
    """Return the decoded pixels as the file has them. Raises ImageInvalid."""
    try:
        opened = Image.open(io.BytesIO(stripped.data), formats=(stripped.format,))
        if opened.size != (stripped.width, stripped.height):
            raise ImageInvalid
        opened.load()
    except (MemoryError, ImageInvalid):
        raise
    except Exception as error:  # Pillow documents no list: also SyntaxError, AssertionError and struct.error
        raise ImageInvalid(private=type(error).__name__) from None
    return opened


def _opaque(opened: Image.Image, background: tuple[int, int, int], profile: bytes | None) -> Image.Image:
    """Return the picture in RGB on the background."""
    if not opened.has_transparency_data:
        return _to_srgb(_colors(opened), profile)
    clear = opened.convert("RGBA")
    canvas = Image.new("RGB", clear.size, background)
    canvas.paste(_to_srgb(clear.convert("RGB"), profile), mask=clear.getchannel("A"))
    return canvas


def _colors(opened: Image.Image) -> Image.Image:
    """Return the picture in a mode that an ICC profile can describe: RGB, L or CMYK."""
    if opened.mode in ("RGB", "L", "CMYK"):
        return opened
    if opened.mode == "I;16":  # Pillow's own conversion clips everything above 255
        return opened.convert("I").point(_HIGH_BYTE, "L")
    return opened.convert("L" if opened.mode == "1" else "RGB")


def _to_srgb(colors: Image.Image, profile: bytes | None) -> Image.Image:
    """Return the picture in RGB. A profile that cannot be applied is ignored, as browsers do."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            transformed = ImageCms.profileToProfile(colors, source, _SRGB, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            return colors.convert("RGB")
        assert transformed is not None  # noqa: S101 (it is None only if done in place)
        return transformed
    return colors.convert("RGB")


def _upright(picture: Image.Image, stripped: Stripped) -> Image.Image:
    """Return the picture as it is to be seen, without what Pillow knows about the file."""
    method = _TO_UPRIGHT.get(stripped.orientation)
    turned = picture if method is None else picture.transpose(method)
    turned.info.clear()
    return turned
