"""The picture that an edit starts from, at the output's size, and what of it the result keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from imagegen.errors import MaskEmpty
from imagegen.generation.edit import Edit
from imagegen.generation.request import ResizeMode
from imagegen.generation.sizes import Size
from imagegen.pictures.decode import decode, decode_mask

FEATHER: Final = 2
"""Pixels inside the edge of what is repainted, over which it blends into what is kept. None outside: what the mask
keeps, such as a product's outline, stays as it is."""
_REPAINT: Final = 255


@dataclass(frozen=True)
class Canvas:
    """A picture of the output's size in RGB, and with a mask, in mode L, how much of each pixel is repainted."""

    image: Image.Image
    weights: Image.Image | None = None
    """0 keeps the pixel, 255 repaints it."""
    kept: Image.Image | None = None
    """With a mask: what the drawn image blends into, the picture without what is repainted."""

    @classmethod
    def of(cls, edit: Edit, size: Size) -> Canvas:
        """Decode the edit's files. Raises MaskEmpty, and what pictures.decode raises."""
        image = decode(edit.image.data)
        placed = _placed(image, size, edit.resize_mode)
        if edit.mask is None:
            return cls(placed)
        mask = _placed(decode_mask(edit.mask.data, image.size), size, edit.resize_mode)
        if mask.getbbox() is None:
            raise MaskEmpty
        return cls(placed, _feathered(mask), _continued(placed, mask))

    def keep(self, drawn: Image.Image) -> Image.Image:
        """Return the drawn image with the picture's own pixels where the mask keeps them."""
        if self.weights is None or self.kept is None:
            return drawn
        return Image.composite(drawn, self.kept, self.weights)

    @property
    def of_one_color(self) -> bool:
        """Whether the picture has one color only, so that a result may, too."""
        return self.image.getcolors(maxcolors=1) is not None


def _placed(picture: Image.Image, size: Size, mode: ResizeMode) -> Image.Image:
    """Return an image or a mask at the output's size."""
    if picture.size == size:
        return picture
    if mode == "stretch":
        return picture.resize(size, _resampling(picture))
    if mode == "crop":
        return ImageOps.fit(picture, size, _resampling(picture))
    return _with_borders(picture, size)


def _with_borders(picture: Image.Image, size: Size) -> Image.Image:
    """Fit the whole picture. Its outermost pixels continue to the borders, which a mask repaints."""
    scale = min(size[0] / picture.width, size[1] / picture.height)
    inner = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    pixels = np.asarray(picture.resize(inner, _resampling(picture)))
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    borders = ((top, size[1] - inner[1] - top), (left, size[0] - inner[0] - left))
    if picture.mode == "L":
        return Image.fromarray(np.pad(pixels, borders, constant_values=_REPAINT))
    return Image.fromarray(np.pad(pixels, (*borders, (0, 0)), mode="edge"))


def _resampling(picture: Image.Image) -> Image.Resampling:
    """Lanczos rings: at a mask's edges it would repaint pixels that are kept."""
    return Image.Resampling.BOX if picture.mode == "L" else Image.Resampling.LANCZOS


def _feathered(mask: Image.Image) -> Image.Image:
    """Return the mean of the mask and of it with 1 to FEATHER pixels less: it never reaches beyond the mask."""
    layers = [mask]
    for _ in range(FEATHER):
        layers.append(layers[-1].filter(ImageFilter.MinFilter(3)))
    mean = np.mean([np.asarray(each, dtype=np.float32) for each in layers], axis=0)
    return Image.fromarray(mean.round().astype(np.uint8))


def _continued(image: Image.Image, mask: Image.Image) -> Image.Image:
    """Continue what the mask keeps over the FEATHER pixels in which it blends.

    The picture's own pixels there belong to what is repainted: white around a product would be a halo in its scene.
    """
    pixels = np.array(image, dtype=np.float32)
    known = np.asarray(mask) < _REPAINT
    for _ in range(FEATHER):
        count = _sum_of_neighbors(known[:, :, None].astype(np.float32))
        total = _sum_of_neighbors(pixels * known[:, :, None])
        reached = ~known & (count[:, :, 0] > 0)
        pixels[reached] = total[reached] / count[reached]
        known = known | reached
    return Image.fromarray(pixels.round().astype(np.uint8))


def _sum_of_neighbors(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sum over each pixel's 3 x 3 surroundings, (height, width, channels)."""
    height, width, _ = values.shape
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
    total: NDArray[np.float32] = np.zeros_like(values)
    for down, across in np.ndindex(3, 3):
        total += padded[down : down + height, across : across + width]
    return total
