"""A synthetic network in place of a unet, and what it draws from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Network: TypeAlias = Callable[[NDArray[Any], float], NDArray[Any]]

NOISE: Final = [np.random.RandomState(seed).standard_normal((1, 4, 4, 4)).astype(np.float32) for seed in range(153)]
"""The last is drawn first; then one for each step, in order."""
PICTURE: Final = np.random.RandomState(1000).standard_normal((1, 4, 4, 4)).astype(np.float32)
"""The latents of a picture, for runs with a strength."""


def synthetic(sample: NDArray[Any], timestep: float) -> NDArray[Any]:
    """Return an output that is smooth, not linear, and different at each timestep."""
    output: NDArray[Any] = 0.8 * sample + 0.3 * np.sin(3 * sample) + 0.1 * np.cos(timestep / 100)
    return output
