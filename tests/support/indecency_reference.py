"""Pictures of 224 x 224 pixels, and what nsfwjs' network says about them in TensorFlow.js.

Recorded once, on 2026-11-27: @tensorflow/tfjs 4.22.0 with its JavaScript backend (`cpu`) on Node.js 20.20.2, by
`loadLayersModel` on the files of nsfwjs 4.4.0's `dist/models/mobilenet_v2`. Levels were divided by 255.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Levels = NDArray[np.uint8]

POSITIVE: Final = Path(__file__).with_name("moderation-positive.png")
"""An abstract patch of colors, found by random search, that the networks take for an indecent picture."""
SIDE: Final = 224
CLASSES: Final = ("drawing", "hentai", "neutral", "porn", "sexy")
RECORDED: Final[dict[str, tuple[float, ...]]] = {
    "patch, tiled": (0.002327, 0.000093, 0.997256, 0.000309, 0.000016),
    "patch, resized": (0.007514, 0.005612, 0.487600, 0.489053, 0.010220),
    "patch, doubled": (0.027099, 0.008187, 0.867194, 0.092632, 0.004888),
    "noise": (0.083347, 0.008394, 0.895024, 0.011516, 0.001719),
    "gradient": (0.872127, 0.021008, 0.099983, 0.005679, 0.001203),
    "black": (0.788308, 0.026247, 0.173372, 0.010010, 0.002063),
    "stripes": (0.016107, 0.004388, 0.965670, 0.012923, 0.000913),
    "disc": (0.273316, 0.003915, 0.722708, 0.000049, 0.000011),
}
"""Probabilities in the order of CLASSES, rounded to six places."""


def positive() -> Image.Image:
    """Return the picture that is blocked, 128 x 128."""
    return Image.open(POSITIVE).convert("RGB")


def pictures() -> dict[str, Levels]:
    """Return the pictures by name."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    patch = np.asarray(positive())
    within = (rows - 112) ** 2 + (columns - 112) ** 2 < 80**2
    stripes = np.repeat((columns // 16 % 2 * 255)[:, :, None], 3, axis=2)
    return {
        "patch, tiled": np.tile(patch, (2, 2, 1))[:SIDE, :SIDE],
        "patch, resized": np.asarray(positive().resize((SIDE, SIDE), Image.Resampling.BILINEAR)),
        "patch, doubled": patch.repeat(2, axis=0).repeat(2, axis=1)[:SIDE, :SIDE],
        "noise": np.random.default_rng(7).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8),
        "gradient": np.stack([rows, columns, 255 - rows], axis=2).astype(np.uint8),
        "black": np.zeros((SIDE, SIDE, 3), np.uint8),
        "stripes": stripes.astype(np.uint8),
        "disc": np.where(within[:, :, None], (220, 150, 120), (250, 250, 250)).astype(np.uint8),
    }
