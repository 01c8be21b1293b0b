"""Decodes the pictures that callers send: an image in sRGB, or a mask in grey, upright and without metadata."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image, ImageChops, ImageCms

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
    return _render(inspect(data), WHITE, in_srgb=True)


def decode_mask(data: bytes, size: tuple[int, int]) -> Image.Image:
    """Return a mask in mode L for an upright image of this size: white is repainted, what is transparent is kept.

    Raises ImageInvalid, ImageTooLarge, ImageFormatUnsupported, MaskSizeMismatch or MaskEmpty, whose field is
    `mask_image`. Its colors are data: no ICC profile changes them.
    """
    try:
        stripped = inspect(data)
        check_mask_size(stripped.size, size)
        mask = _render(stripped, BLACK, in_srgb=False).convert("L")
    except PictureError as error:
        raise error.in_field("mask_image") from None
    if mask.point(lambda value: value >= REPAINTED_FROM and 255).getbbox() is None:
        raise MaskEmpty
    return mask


def _render(stripped: Stripped, background: tuple[int, int, int], *, in_srgb: bool) -> Image.Image:
    """Return the picture in RGB, upright and on the background. Raises ImageInvalid."""
    try:
        colors, alpha, profile = _planes(stripped)
        picture = _to_srgb(colors, profile if in_srgb else None)
        if alpha is not None:
            picture.paste(background, mask=ImageChops.invert(alpha))
        return _upright(picture, stripped.orientation)
    except (MemoryError, ImageInvalid):
        raise
    except Exception as error:  # Pillow documents no list: also SyntaxError, AssertionError and struct.error
        raise ImageInvalid(private=type(error).__name__) from None


def _planes(stripped: Stripped) -> tuple[Image.Image, Image.Image | None, bytes | None]:
    """Return the colors, the alpha channel and the ICC profile, as copies: the decoder's own memory is then free."""
    stored = io.BytesIO(stripped.data)
    opened = Image.open(stored, formats=(stripped.format,))
    if opened.size != (stripped.width, stripped.height):
        raise ImageInvalid
    opened.load()
    stored.close()
    profile: bytes | None = opened.info.get("icc_profile")
    # Pillow clips 16 bits in a conversion to RGBA. No grey level of such a picture is transparent here.
    if opened.mode == "I;16" or not opened.has_transparency_data:
        return _colors(opened), None, profile
    clear = opened if opened.mode == "RGBA" else opened.convert("RGBA")
    return clear.convert("RGB"), clear.getchannel("A"), profile


def _colors(opened: Image.Image) -> Image.Image:
    """Return a copy in a mode that an ICC profile can describe: RGB, L or CMYK."""
    if opened.mode in ("RGB", "L", "CMYK"):
        return opened.copy()
    if opened.mode == "I;16":  # Pillow's own conversion clips everything above 255
        return opened.convert("I").point(_HIGH_BYTE, "L")
    return opened.convert("L" if opened.mode == "1" else "RGB")


def _to_srgb(colors: Image.Image, profile: bytes | None) -> Image.Image:
    """Return the picture in RGB, in place if it was. A profile that cannot be applied is ignored, as browsers do."""
    if profile:
        try:
            source, in_place = ImageCms.ImageCmsProfile(io.BytesIO(profile)), colors.mode == "RGB"
            converted = ImageCms.profileToProfile(colors, source, _SRGB, outputMode="RGB", inPlace=in_place)
        except (ImageCms.PyCMSError, OSError):
            pass
        else:
            return converted or colors
    return colors if colors.mode == "RGB" else colors.convert("RGB")


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Return the picture as it is to be seen, without what Pillow knows about the file."""
    method = _TO_UPRIGHT.get(orientation)
    turned = picture if method is None else picture.transpose(method)
    turned.info.clear()
    return turned
