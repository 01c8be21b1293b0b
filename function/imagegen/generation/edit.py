"""What a generation starts from instead of noise: a picture, and which part of it to repaint.

Importing this needs no Pillow: the zip functions, which lack it, plan requests, too.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_STRENGTH_DIGITS = 4


@dataclass(frozen=True)
class Canvas:
    """A picture of the output's size: RGB, or in mode L a mask, white where the picture is repainted.

    Canvases are equal if their pixels are, whatever file or resizing they come from.
    """

    sha256: str
    """SHA-256 of the pixels, in hex."""
    pixels: Image = field(repr=False, compare=False)

    @classmethod
    def of(cls, pixels: Image) -> Canvas:
        """Return the canvas of an image of mode RGB or L."""
        return cls(pixels_sha256(pixels), pixels)


@dataclass(frozen=True)
class Edit:
    """Image to image: the last `strength` of the denoising steps, from the picture with noise. With a mask: inpainting.

    At strength 1 a run starts from noise alone, so that nothing of what is repainted remains.
    """

    image: Canvas
    strength: float
    """More than 0, at most 1."""
    mask: Canvas | None = None


def pixels_sha256(image: Image) -> str:
    """Return the SHA-256, in hex, of the image's bytes: row by row from the top, left to right, without padding."""
    return hashlib.sha256(image.tobytes()).hexdigest()


def steps_made(num_inference_steps: int, strength: float, scheduler: str) -> int:
    """Return how many denoising steps a run makes. LCM makes all of them, within the last part of its levels."""
    return num_inference_steps if scheduler == "lcm" else int(num_inference_steps * strength)


def least_strength(num_inference_steps: int) -> float:
    """Return a strength that leaves a single step, rounded up to four decimals."""
    scale = 10**_STRENGTH_DIGITS
    return math.ceil(scale / num_inference_steps) / scale
