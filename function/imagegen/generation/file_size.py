"""An upper bound of an image file's size, known before the image is drawn. Pure."""

from __future__ import annotations

from typing import Final

from imagegen.generation.spec import GenerationSpec
from imagegen.provenance.manifest import MAX_PARENT_BYTES

METADATA_BYTES: Final = 64 * 1024
"""Container and metadata: two prompts of 2,000 characters, as infotext and as text chunks of their own, are 32,000, and
content credentials with the longest chain of certificates 20,000."""
_HIGH_QUALITY: Final = 95
_BYTES_PER_PIXEL: Final = 3.01
"""PNG of noise: its pixels, a byte per row, and zlib's 0.03 %. JPEG of quality 100: 2.46 for noise of two values."""
_LOSSY_BYTES_PER_PIXEL: Final = 1.7
"""JPEG up to _HIGH_QUALITY: 1.58 for noise of two values in 64 x 64 pixels, the worst measured; WebP: 1.23."""
_ALPHA_BYTES_PER_PIXEL: Final = 1.03
"""A channel of noise: 1.02 in both formats that have one, because WebP's is lossless, too."""


def largest_file(spec: GenerationSpec) -> int:
    """Return the bytes that no file of `spec` exceeds, whatever it shows."""
    lossy = spec.output_quality is not None and spec.output_quality <= _HIGH_QUALITY
    per_pixel = _LOSSY_BYTES_PER_PIXEL if lossy else _BYTES_PER_PIXEL
    if spec.background == "transparent":
        per_pixel += _ALPHA_BYTES_PER_PIXEL
    width, height = spec.output_size
    parent = MAX_PARENT_BYTES if spec.edit else 0
    return round(width * height * per_pixel) + METADATA_BYTES + parent
