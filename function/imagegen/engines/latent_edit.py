"""Image to image and inpainting in latents, in plain arithmetic on NumPy arrays and on torch tensors alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from imagegen.engines.schedulers.base import Array, Scheduler

PIXELS_PER_LATENT = 8
"""Every supported autoencoder halves the size three times."""


def in_pixels(latents: slice) -> slice:
    """Return the rows or columns of pixels that these of latents stand for."""
    return slice(latents.start * PIXELS_PER_LATENT, latents.stop * PIXELS_PER_LATENT)


@dataclass(frozen=True)
class LatentEdit:
    """A picture's latents, (1, channels, height / 8, width / 8), and which of them are repainted."""

    original: Array
    strength: float
    repainted: Array | None = None
    """1 where the picture is repainted, 0 where it is kept, (1, 1, height / 8, width / 8). None repaints all of it."""


class EditedRun:
    """One image's run from a picture. `noise` is the first of the image's random numbers, also in a resumed run."""

    def __init__(self, edit: LatentEdit, scheduler: Scheduler, noise: Array):
        self._edit = edit
        self._scheduler = scheduler
        self._noise = noise

    def start(self) -> Array:
        """Return the latents before the first network call.

        They are noise alone at strength 1: the first level of most schedules would leave a trace of the picture, and
        what is under a mask must be gone.
        """
        if self._edit.strength == 1:
            return self._noise * self._scheduler.init_noise_sigma
        return self._scheduler.add_noise(self._edit.original, self._noise)

    def keep(self, calls: int, sample: Array) -> Array:
        """Return the latents after `calls` network calls, with the picture's own where it is kept.

        They have the noise of the next call's level, as in diffusers' pipeline for networks that were not trained for
        inpainting (RePaint, Lugmayr et al., 2022, without its resampling).
        """
        repainted, original = self._edit.repainted, self._edit.original
        if repainted is None:
            return sample
        ended = calls == len(self._scheduler.timesteps)
        kept = original if ended else self._scheduler.add_noise(original, self._noise, calls)
        return repainted * sample + (1 - repainted) * kept


def repainted_latents(weights: Image) -> NDArray[np.float32]:
    """Return 1 for each latent that has any pixel to repaint: a latent that was kept would show through there."""
    height, width = weights.height // PIXELS_PER_LATENT, weights.width // PIXELS_PER_LATENT
    blocks = np.asarray(weights).reshape(height, PIXELS_PER_LATENT, width, PIXELS_PER_LATENT)
    latents: NDArray[np.float32] = (blocks.max(axis=(1, 3)) > 0).astype(np.float32)[None, None]
    return latents
