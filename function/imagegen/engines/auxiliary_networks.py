"""The networks that enlarge an image, find its subject and judge it, compiled in OpenVINO.

All but one compute in float32 on every processor. In bfloat16, levels of brightness from 0.5 to 1 are 1/256 apart, so
the upscaler, which adds details to its input, would round the input itself. The second opinion computes in bfloat16
where images are drawn in it: its probabilities change by 0.01 at most, and it takes half of the time.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from PIL import Image

from imagegen.catalog.auxiliary import BACKGROUND, INDECENCY, SECOND_OPINION, UPSCALER
from imagegen.engines.cpu import processors
from imagegen.engines.openvino_networks import Network, compile_network
from imagegen.engines.tiling import Pixels, Tiling
from imagegen.moderation.thresholds import Scores

SCALE: Final = 4
"""Factor of the upscaling network."""
TILING: Final = Tiling(most=512, overlap=40)
"""Of the upscaler's input. Its 18 convolutions see 18 pixels in each direction, so with 36 pixels or more of overlap
every pixel is that of an image computed in one piece, up to rounding."""
SALIENCY_SIZE: Final = (320, 320)
JUDGED_SIZE: Final = (224, 224)
_CROPPED_FROM: Final = (256, 256)
_CROP: Final = (16, 16, 240, 240)
_REDUCING_GAP: Final = 2.0


def properties(threads: int, hint: Literal["f32", "bf16"] = "f32") -> dict[str, Any]:
    """Return OpenVINO's settings for these networks."""
    return {
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_HYPER_THREADING": True,
        "ENABLE_CPU_PINNING": threads >= processors(),
    }


class Upscaler:
    """Real-ESRGAN's compact network. One tile size stays compiled. Not thread-safe."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]):
        self._folder = folder / UPSCALER.name
        self._settings = settings
        self._compiled: tuple[tuple[int, int], Network] | None = None

    def compile(self, width: int, height: int) -> None:
        """Compile for images of this size, unless done. Raises ModelUnavailable."""
        self._network(TILING.side(height), TILING.side(width))

    def upscale(self, image: Image.Image, factor: int, still_wanted: Callable[[], None]) -> Image.Image:
        """Return the RGB image enlarged 2 or 4 times. Raises ModelUnavailable and what `still_wanted` raises."""
        pixels = np.asarray(image)
        height, width = pixels.shape[:2]
        network = self._network(TILING.side(height), TILING.side(width))

        def draw(rows: slice, columns: slice) -> Pixels:
            network.bind({"image": pixels[None, rows, columns].copy()})  # Pillow's memory is read-only
            tile: Pixels = network.run(still_wanted)[0][0].copy()
            return tile

        enlarged = Image.fromarray(TILING.compose(height, width, SCALE, draw))
        return enlarged if factor == SCALE else enlarged.reduce(SCALE // factor)

    def _network(self, height: int, width: int) -> Network:
        if self._compiled is None or self._compiled[0] != (height, width):
            self._compiled = None
            shapes = {"image": [1, height, width, 3]}
            self._compiled = (height, width), compile_network(self._folder, self._settings, shapes)
        return self._compiled[1]


class SubjectFinder:
    """U-2-Net's small version. Not thread-safe."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]):
        """Compile the network. Raises ModelUnavailable."""
        self._network = compile_network(folder / BACKGROUND.name, settings, {})

    def alpha(self, image: Image.Image, still_wanted: Callable[[], None]) -> Image.Image:
        """Return how much each pixel belongs to the image's subject, as opacity: mode L, of the network's size.

        Raises what `still_wanted` raises.
        """
        resized = image.resize(SALIENCY_SIZE, Image.Resampling.LANCZOS)
        self._network.bind({"image": np.asarray(resized)[None].copy()})
        return Image.fromarray(self._network.run(still_wanted)[0][0, :, :, 0].copy())


class IndecencyClassifier:
    """nsfwjs' MobileNet v2, which also knows drawings. Not thread-safe."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]):
        """Compile the network. Raises ModelUnavailable."""
        self._network = compile_network(folder / INDECENCY.name, settings, {})

    def scores(self, picture: Image.Image) -> Scores:
        """Return what the RGB picture shows. Its sides are scaled on their own, as by nsfwjs."""
        resized = _scaled(picture, JUDGED_SIZE)
        self._network.bind({"image": np.asarray(resized)[None].copy()})
        return Scores(*self._network.run(_wanted)[0][0].tolist())


class SecondOpinion:
    """Yahoo's open_nsfw, which knows photographs. Not thread-safe."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]):
        """Compile the network. Raises ModelUnavailable."""
        self._network = compile_network(folder / SECOND_OPINION.name, settings, {})

    def indecent(self, picture: Image.Image) -> float:
        """Return the probability that the RGB picture is indecent.

        It is compressed as a JPEG in between, like the pictures of the network's training: scores differ by up to 0.3
        without.
        """
        compressed = io.BytesIO()
        _scaled(picture, _CROPPED_FROM).save(compressed, "JPEG")
        cropped = Image.open(compressed).crop(_CROP)
        self._network.bind({"image": np.asarray(cropped)[None].copy()})
        return float(self._network.run(_wanted)[0][0, 1])


def reduced(picture: Image.Image) -> Image.Image:
    """Return the picture for both networks that judge: halved, or more, by a box filter if it is far larger.

    It stays twice as large as they see it, so that their scaling is indistinguishable from that of the whole picture
    (`reducing_gap` in Pillow's documentation). At 4096 x 4096, one of them takes 10 ms with it and 45 without.
    """
    factors = [max(1, int(side / most / _REDUCING_GAP)) for side, most in zip(picture.size, _CROPPED_FROM, strict=True)]
    return picture if max(factors) == 1 else picture.reduce((factors[0], factors[1]))


def _scaled(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=_REDUCING_GAP)


def _wanted() -> None:
    """A verdict takes milliseconds, so that nothing stops it."""
