"""Image files: encoding, and the generation's parameters in them.

Every format has them as infotext. PNG also has them under diffusers' names, one text chunk each.
"""

from __future__ import annotations

import io
from typing import Final

from PIL.ExifTags import IFD, Base
from PIL.Image import RLE, Exif, Image
from PIL.PngImagePlugin import PngInfo

from imagegen.generation.infotext import infotext
from imagegen.generation.request import OutputFormat
from imagegen.generation.spec import GenerationSpec
from imagegen.provenance.manifest import PRODUCT, MediaType

CONTENT_TYPES: Final[dict[OutputFormat, MediaType]] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


def encode(image: Image, spec: GenerationSpec, index: int, *, embed_prompt: bool) -> bytes:
    """Return image `index` of `spec` as a file of the requested format. Deterministic."""
    parameters = infotext(spec, index, embed_prompt=embed_prompt)
    buffer = io.BytesIO()
    if spec.output_format == "png":
        chunks = _text_chunks(_values(spec, index, embed_prompt=embed_prompt) | {"parameters": parameters})
        # zlib's strategy for PNG: a quarter of its default's time (docs/decisions/files.md).
        image.save(buffer, "PNG", pnginfo=chunks, compress_type=RLE)
    else:
        image.save(buffer, spec.output_format.upper(), quality=spec.output_quality, exif=_exif(parameters))
    return buffer.getvalue()


def _values(spec: GenerationSpec, index: int, *, embed_prompt: bool) -> dict[str, str]:
    """Return the parameters under diffusers' names."""
    values = {
        "Software": PRODUCT,
        "model": spec.model_id,
        "revision": spec.revision,
        "seed": str(spec.seed_of(index)),
        "num_inference_steps": str(spec.num_inference_steps),
        "guidance_scale": str(spec.guidance_scale),
        "scheduler": spec.scheduler,
    }
    if spec.edit is not None:
        values["strength"] = str(spec.strength)
    if spec.upscale > 1:
        values["upscale"] = str(spec.upscale)
    if spec.background != "opaque":
        values["background"] = spec.background
    if embed_prompt:
        values |= {"prompt": spec.prompt, "negative_prompt": spec.negative_prompt}
    return values


def _text_chunks(values: dict[str, str]) -> PngInfo:
    """Return text chunks: tEXt, which every reader knows, for ASCII, and iTXt for other Unicode (PNG, 11.3.3)."""
    chunks = PngInfo()
    for keyword, value in values.items():
        if value.isascii():
            chunks.add_text(keyword, value)
        else:
            chunks.add_itxt(keyword, value)
    return chunks


def _exif(parameters: str) -> Exif:
    """Return EXIF data. Readers take a Unicode UserComment for UTF-16 in big-endian order, as web UIs write it."""
    exif = Exif()
    exif[Base.Software] = PRODUCT
    exif.get_ifd(IFD.Exif)[Base.UserComment] = b"UNICODE\0" + parameters.encode("utf-16-be")
    return exif
