"""Pictures that callers edit, and their masks, drawn here."""

from __future__ import annotations

import base64

from PIL import Image, ImageDraw

from imagegen.generation.edit import Picture
from tests.support.pictures import file

Color = tuple[int, int, int]
WHITE: Color = (245, 245, 245)
RED: Color = (220, 40, 40)
BLUE: Color = (50, 90, 220)
"""What the demo model calls white, red and blue."""
Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels, the last two outside."""


def scene(size: tuple[int, int] = (128, 128), background: Color = WHITE, square: Color = BLUE) -> Image.Image:
    """Return a square in the middle half of a background."""
    image = Image.new("RGB", size, background)
    width, height = size
    image.paste(square, (width // 4, height // 4, width * 3 // 4, height * 3 // 4))
    return image


def circle(color: Color = RED, background: Color = WHITE, size: tuple[int, int] = (128, 128)) -> Image.Image:
    """Return a large circle, which the demo model was trained to draw."""
    image = Image.new("RGB", size, background)
    ImageDraw.Draw(image).ellipse((size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4), color)
    return image


def mask(box: Box, size: tuple[int, int] = (128, 128)) -> Image.Image:
    """Return a mask that repaints a box."""
    image = Image.new("L", size, 0)
    image.paste(255, box)
    return image


def damaged(png: bytes) -> bytes:
    """Return a PNG file with other compressed pixels: its chunks are complete, so only decoding shows it."""
    start = png.index(b"IDAT") + 6
    return png[:start] + bytes(8) + png[start + 8 :]


def as_base64(image: Image.Image) -> str:
    """Return the image as a request has it."""
    return base64.b64encode(file(image, "PNG")).decode()


def picture(image: Image.Image) -> Picture:
    """Return the image as a plan has it."""
    return Picture.of(file(image, "PNG"), image.size)
