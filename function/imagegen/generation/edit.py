"""What a generation starts from instead of noise: a picture, and which part of it to repaint.

Importing this needs no Pillow: the zip functions, which lack it, plan requests, too.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from imagegen.generation.request import ResizeMode

if TYPE_CHECKING:
    from PIL.Image import Image

LCM_STEPS: Final = 50
"""Steps that latent consistency models were distilled from: `original_inference_steps`, unless a checkpoint says
otherwise, which the engine then reports."""
_STRENGTHS: Final = 10_000
"""Strengths are named with four decimals."""


@dataclass(frozen=True)
class Picture:
    """A file that a caller sent. Pictures are equal if their files are."""

    sha256: str
    """Of the file, in hex."""
    size: tuple[int, int] = field(compare=False)
    """Width and height in pixels, upright."""
    data: bytes = field(repr=False, compare=False)

    @classmethod
    def of(cls, data: bytes, size: tuple[int, int]) -> Picture:
        """Return the picture of a file whose upright size is known."""
        return cls(hashlib.sha256(data).hexdigest(), size, data)


@dataclass(frozen=True)
class Edit:
    """Image to image: the last `strength` of the denoising steps, from the picture with noise. With a mask: inpainting.

    At strength 1 a run starts from noise alone, so that nothing of what is repainted remains.
    """

    image: Picture
    strength: float
    """More than 0, at most 1."""
    resize_mode: ResizeMode
    mask: Picture | None = None
    """White where the image is repainted."""

    def key(self) -> dict[str, Any]:
        """Return what a cache key needs."""
        mask = self.mask.sha256 if self.mask else None
        return {
            "image": self.image.sha256,
            "mask": mask,
            "strength": float(self.strength),
            "resize_mode": self.resize_mode,
        }


def pixels_sha256(image: Image) -> str:
    """Return the SHA-256, in hex, of the image's bytes: row by row from the top, left to right, without padding."""
    return hashlib.sha256(image.tobytes()).hexdigest()


def steps_made(num_inference_steps: int, strength: float, scheduler: str) -> int:
    """Return how many denoising steps a run makes. LCM makes all of them, within the last part of its levels."""
    return num_inference_steps if scheduler == "lcm" else int(num_inference_steps * strength)


def leaves_a_step(num_inference_steps: int, strength: float, scheduler: str) -> bool:
    """Return whether a run can be made. LCM can make only the part of LCM_STEPS that the strength leaves."""
    if scheduler == "lcm":
        return int(LCM_STEPS * strength) >= num_inference_steps
    return int(num_inference_steps * strength) >= 1


def least_strength(num_inference_steps: int, scheduler: str) -> float:
    """Return the least strength, of four decimals, that leaves a step. LCM_STEPS is the most for LCM."""
    needed, of = (num_inference_steps, LCM_STEPS) if scheduler == "lcm" else (1, num_inference_steps)
    estimate = math.ceil(_STRENGTHS * needed / of) / _STRENGTHS
    rounded_down = not leaves_a_step(num_inference_steps, estimate, scheduler)  # 50 x 0.58 is below 29
    return round(estimate + rounded_down / _STRENGTHS, 4)


def least_steps(strength: float) -> int:
    """Return the fewest denoising steps of which `strength` leaves one."""
    steps = math.ceil(1 / strength)
    return steps if int(steps * strength) else steps + 1
