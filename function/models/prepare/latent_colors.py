"""Fits the colors of a model's latents: what a preview multiplies latents by, in place of decoding them.

Covered: every autoencoder that can be prepared. Not covered: what a linear map of single latents cannot have, such as
texture, and colors that the decoder computes otherwise. How close it is: docs/decisions/previews.md.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imagegen.catalog.manifest import LatentColors
from models.prepare import networks

SIDE: Final = 128
"""Of the pictures, in pixels."""
LEVELS: Final = (*itertools.product((32, 224), repeat=3), *((grey, grey, grey) for grey in (0, 64, 128, 192, 255)))
"""Colors of the pictures: the corners of RGB, not quite saturated, and grey."""

Floats = NDArray[np.float64]


def fit(autoencoder: Path) -> LatentColors:
    """Return the map that is closest, in least squares, to decoding what the autoencoder encodes pictures as.

    Raises PrepareError if its weights do not match its configuration.
    """
    vae = networks.load(networks.autoencoder_class(autoencoder), autoencoder, torch.float32)
    with torch.inference_mode():
        latents = [_encoded(vae, color) for color in LEVELS]
        colors = torch.cat([_decoded(vae, each) for each in latents])
    return _least_squares(_rows(torch.cat(latents) * _scaling_factor(autoencoder)), _rows(colors))


def _encoded(vae: Any, color: tuple[int, ...]) -> Tensor:
    picture = torch.tensor(color, dtype=torch.float32).reshape(1, 3, 1, 1).expand(1, 3, SIDE, SIDE) / 127.5 - 1
    encoded = vae.encode(picture, return_dict=False)[0]
    return encoded if isinstance(encoded, Tensor) else encoded.mode()  # AutoencoderTiny has no deviation


def _decoded(vae: Any, latent: Tensor) -> Tensor:
    """Return the mean levels of the pixels that belong to each latent."""
    pixels = vae.decode(latent, return_dict=False)[0]
    levels = (pixels * 127.5 + 127.5).clamp(0, 255)
    height, width = latent.shape[-2:]
    return torch.nn.functional.adaptive_avg_pool2d(levels, (height, width))


def _scaling_factor(autoencoder: Path) -> float:
    """As the engines have it: a tiny autoencoder's latents are not scaled."""
    if networks.autoencoder_class(autoencoder) == "AutoencoderTiny":
        return 1.0
    return float(json.loads((autoencoder / "config.json").read_text())["scaling_factor"])


def _rows(values: Tensor) -> Floats:
    rows: Floats = values.movedim(1, -1).flatten(0, -2).double().numpy()
    return rows


def _least_squares(latents: Floats, colors: Floats) -> LatentColors:
    inputs = np.concatenate([latents, np.ones((len(latents), 1))], axis=1)
    *weights, offset = np.linalg.lstsq(inputs, colors, rcond=None)[0].round(3).tolist()
    return LatentColors(tuple(map(tuple, weights)), tuple(offset))
