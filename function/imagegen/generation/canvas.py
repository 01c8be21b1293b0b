"""The picture that an edit starts from, at the output's size, and what of it the result keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from imagegen.errors import MaskEmpty
from imagegen.generation.edit import Edit
from imagegen.generation.request import ResizeMode
from imagegen.generation.sizes import Size
from imagegen.pictures.decode import decode, decode_mask

FEATHER: Final = 2
"""Pixels inside the edge of what is repainted, over which it blends into the picture. None outside: what the mask
keeps, such as a product's outline, stays as it is."""
_REPAINT: Final = 255


@dataclass(frozen=True)
class Canvas:
    """A picture of the output's size in RGB, and with a mask, in mode L, how much of each pixel is repainted."""

    image: Image.Image
    weights: Image.Image | None = None
    """0 keeps the pixel, 255 repaints it."""

    @classmethod
    def of(cls, edit: Edit, size: Size) -> Canvas:
        """Decode the edit's files. Raises MaskEmpty, and what pictures.decode raises."""
        image = decode(edit.image.data)
        placed = _placed(image, size, edit.resize_mode)
        if edit.mask is None:
            return cls(placed)
        weights = _feathered(_placed(decode_mask(edit.mask.data, image.size), size, edit.resize_mode))
        if weights.getbbox() is None:
            raise MaskEmpty
        return cls(placed, weights)

    def keep(self, drawn: Image.Image) -> Image.Image:
        """Return the drawn image with the picture's own pixels where the mask keeps them."""
        return drawn if self.weights is None else Image.composite(drawn, self.image, self.weights)

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
