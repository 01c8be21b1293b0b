"""Pictures that callers send, drawn here: files, and edits of them."""

from __future__ import annotations

import base64
import io

from PIL import Image, ImageDraw

from imagegen.generation.edit import Picture

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


def png(image: Image.Image) -> bytes:
    """Return the image as a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def damaged(file: bytes) -> bytes:
    """Return a PNG file with other compressed pixels: its chunks are complete, so only decoding shows it."""
    start = file.index(b"IDAT") + 6
    return file[:start] + bytes(8) + file[start + 8 :]


def as_base64(image: Image.Image) -> str:
    """Return the image as a request has it."""
    return base64.b64encode(png(image)).decode()


def picture(image: Image.Image) -> Picture:
    """Return the image as a plan has it."""
    return Picture.of(png(image), image.size)
