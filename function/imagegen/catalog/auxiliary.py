"""The networks that work on finished images: which there are, and where a prepared model folder has them. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class AuxiliaryNetwork:
    """A network of `function/models/auxiliary`, named like its folder. It is prepared for OpenVINO only."""

    name: str
    weights: str
    """File with the weights in that folder."""
    sha256: str
    """Of that file."""

    @property
    def revision(self) -> str:
        """Part of the cache key of every image that the network has changed."""
        return self.sha256[:12]


UPSCALER: Final = AuxiliaryNetwork(
    "upscaler",
    "realesr-animevideov3-x4.bin",
    "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
)
BACKGROUND: Final = AuxiliaryNetwork(
    "background", "u2netp.onnx", "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"
)
NETWORKS: Final = (UPSCALER, BACKGROUND)


def prepared(models_dir: Path) -> Path:
    """Return the folder of the prepared networks, which has a manifest."""
    return models_dir / "auxiliary" / "openvino"
