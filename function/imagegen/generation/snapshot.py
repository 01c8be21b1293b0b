"""A denoising run between two of its network calls, and its encoding.

The state is in float32 and independent of the engine, so another process can resume the run, also on another kind of
processor.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float32]
RandomState: TypeAlias = tuple[str, NDArray[np.uint32], int, int, float]
"""What numpy.random.RandomState.get_state returns: ("MT19937", 624 words, position, has_gauss, cached_gaussian)."""

_GENERATOR: Final = "MT19937"


@dataclass(frozen=True)
class Snapshot:
    """Latents have the shape (1, channels, height / 8, width / 8)."""

    steps: int = 0
    """Denoising steps done, of all images together; GenerationSpec.total_steps at the end."""
    finished: tuple[Array, ...] = ()
    """Latents of the images whose denoising is complete."""
    calls: int = 0
    """Network calls done for the next image; 0 before its first."""
    sample: Array | None = None
    """Latents after these calls; None before the first."""
    history: tuple[Array, ...] = ()
    """The scheduler's."""
    random: RandomState | None = None
    """Of the image's noise; None before the first call."""
    predicted: Array | None = None
    """The finished latents that the network expects after these calls, for a preview. Not a part of the file."""

    @property
    def begun(self) -> bool:
        """Whether a network call is done."""
        return self.calls > 0 or bool(self.finished)

    def encode(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that `decode` reads, by name."""
        arrays: dict[str, NDArray[Any]] = {f"finished_{index}": each for index, each in enumerate(self.finished)}
        arrays |= {f"history_{index}": each for index, each in enumerate(self.history)}
        arrays["progress"] = np.array([self.steps, self.calls])
        if self.sample is not None and self.random is not None:
            _, words, *position = self.random
            arrays |= {"sample": self.sample, "random_words": words, "random_position": np.array(position)}
        return arrays

    @classmethod
    def decode(cls, arrays: Mapping[str, NDArray[Any]]) -> Snapshot:
        """Return the snapshot that was encoded. Raises KeyError or ValueError for anything else."""
        steps, calls = arrays["progress"].tolist()
        finished = _numbered(arrays, "finished")
        if calls == 0:
            return cls(steps, finished)
        position, has_gauss, gauss = arrays["random_position"].tolist()
        random = (_GENERATOR, arrays["random_words"], int(position), int(has_gauss), gauss)
        return cls(steps, finished, calls, arrays["sample"], _numbered(arrays, "history"), random)


def _numbered(arrays: Mapping[str, NDArray[Any]], prefix: str) -> tuple[Array, ...]:
    count = sum(name.startswith(f"{prefix}_") for name in arrays)
    return tuple(arrays[f"{prefix}_{index}"] for index in range(count))


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return an NPZ file."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def unpack(body: bytes) -> dict[str, NDArray[Any]]:
    """Return an NPZ file's arrays. Raises ValueError or zipfile.BadZipFile if it is none; reads no pickles."""
    with np.load(io.BytesIO(body), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
