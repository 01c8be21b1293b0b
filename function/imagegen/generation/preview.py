"""Small pictures of a generation that is under way, from its latents and without the decoder."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from imagegen.catalog.manifest import LatentColors
from imagegen.catalog.registry import Model
from imagegen.generation.checkpoint import Checkpoint
from imagegen.generation.ports import Backend, PictureChecks
from imagegen.generation.snapshot import Array, Snapshot

MAX_SIDE: Final = 128
"""Pixels. A latent of 128 x 128 is an image of 1024 x 1024."""
MAX_CHARACTERS: Final = 8000
"""Of a data URL: it is written with the job, whose row DynamoDB bills by the kilobyte."""
_ATTEMPTS: Final = ((MAX_SIDE, 80), (MAX_SIDE, 40), (MAX_SIDE // 2, 80))
"""Side and quality of WebP, until one fits. Noise of 128 x 128 pixels has up to 19,000, 15,000 and 5,000 characters."""


def _always(_picture: Image.Image) -> bool:
    """Tells that a preview may be shown, of a model whose pictures are not judged."""
    return True


class Preview:
    """What a caller who watches a job sees of one run."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        colors: LatentColors | None,
        clock: Callable[[], float] = time.perf_counter,
        may_show: Callable[[Image.Image], bool] = _always,
    ):
        """Without `colors`, there is nothing to see."""
        self.spent_s = 0.0
        """Seconds that drawing has taken so far."""
        self._checkpoint = checkpoint
        self._colors = colors
        self._may_show = may_show
        self._clock = clock
        self._drawn: Callable[[], Snapshot] | None = None

    def draw(self) -> str | None:
        """Return a data URL of what the image will be, as of the last network call.

        Returns None if it was drawn before, if it shows nothing or may not be shown, and before the first call. Raises
        ModerationUnavailable.
        """
        take = self._checkpoint.latest
        if self._colors is None or take is None or take is self._drawn:
            return None
        started = self._clock()
        predicted = take().predicted
        url = data_url(predicted, self._colors, self._may_show) if predicted is not None else None
        self._drawn = take
        self.spent_s += self._clock() - started
        return url


@dataclass(frozen=True)
class Previews:
    """Previews of the models in this process."""

    colors_of: Callable[[Model, Backend], LatentColors | None]
    checks: PictureChecks
    clock: Callable[[], float] = time.perf_counter

    def of(self, model: Model, backend: Backend, checkpoint: Checkpoint, tenant: str) -> Preview:
        """Return the preview of a run that uses `checkpoint`. It shows nothing of a model without colors."""
        check = self.checks.of(model, tenant)
        may_show = check.may_show if check is not None else _always
        return Preview(checkpoint, self.colors_of(model, backend), self.clock, may_show)


def data_url(latents: Array, colors: LatentColors, may_show: Callable[[Image.Image], bool] = _always) -> str | None:
    """Return latents, (1, channels, height, width), as a picture of a pixel each, at most MAX_SIDE on a side.

    Returns None if they are not finite, or of another number of channels than `colors`, if all pixels are equal, and if
    `may_show` says so.
    """
    if latents.shape[1] != len(colors.weights) or not np.isfinite(latents).all():
        return None
    image = Image.fromarray(_levels(latents[0], colors))
    if image.getcolors(maxcolors=1) is not None or not may_show(image):  # None: more colors than that
        return None
    urls = (_webp_url(image, side, quality) for side, quality in _ATTEMPTS)
    return next((url for url in urls if len(url) <= MAX_CHARACTERS), None)


def _levels(latents: Array, colors: LatentColors) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    weights, offset = np.array(colors.weights, dtype=np.float32), np.array(colors.offset, dtype=np.float32)
    levels = np.tensordot(latents, weights, axes=(0, 0)) + offset
    return levels.round().clip(0, 255).astype(np.uint8)


def _webp_url(image: Image.Image, side: int, quality: int) -> str:
    small, file = image.copy(), io.BytesIO()
    small.thumbnail((side, side), Image.Resampling.BOX)
    small.save(file, "WEBP", quality=quality)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
