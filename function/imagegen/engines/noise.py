"""The random numbers of a generation, the same on every engine and processor."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from imagegen.generation.snapshot import RandomState


class Noise:
    """Standard normal noise of one seed: NumPy's RandomState, a Mersenne Twister with the polar method.

    NumPy guarantees this stream for all versions (NEP 19). `numpy.random.Generator` has no such guarantee.
    """

    def __init__(self, seed: int, shape: tuple[int, ...]):
        """`seed` is from 0 to 2^32 - 1; `shape` is that of one image's latents."""
        self._random = np.random.RandomState(seed)
        self._shape = shape
        self._state: RandomState | None = None
        """Where the stream is, if it is known: most schedulers draw once, and a run asks after each step."""

    def __call__(self) -> NDArray[np.float32]:
        """Return the next array of the stream, float32."""
        self._state = None
        return self._random.standard_normal(self._shape).astype(np.float32)

    @property
    def state(self) -> RandomState:
        """Where the stream is. Assigning it continues another instance's stream."""
        if self._state is None:
            self._state = cast(RandomState, self._random.get_state(legacy=True))
        return self._state

    @state.setter
    def state(self, state: RandomState) -> None:
        self._random.set_state(state)
        self._state = state
