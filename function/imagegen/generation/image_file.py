"""Image files: encoding, and the generation's parameters in PNG text chunks."""

from __future__ import annotations

import io
from typing import Final

from PIL.Image import Image
from PIL.PngImagePlugin import PngInfo

from imagegen.generation.request import OutputFormat
from imagegen.generation.spec import GenerationSpec

CONTENT_TYPES: Final[dict[OutputFormat, str]] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
LOSSY_QUALITY: Final = 90
"""Pillow's `quality` for JPEG and WebP, 0 to 100."""


def encode(image: Image, spec: GenerationSpec, index: int, *, embed_prompt: bool) -> bytes:
    """Return image `index` of `spec` as a file of the requested format. Deterministic."""
    buffer = io.BytesIO()
    if spec.output_format == "png":
        image.save(buffer, "PNG", pnginfo=_text_chunks(spec, index, embed_prompt=embed_prompt))
    else:
        image.save(buffer, spec.output_format.upper(), quality=LOSSY_QUALITY)
    return buffer.getvalue()


def _text_chunks(spec: GenerationSpec, index: int, *, embed_prompt: bool) -> PngInfo:
    """Return text chunks under diffusers' parameter names; iTXt, since prompts are Unicode (PNG, 11.3.3)."""
    values = {
        "Software": "Stable Diffusion on Lambda",
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
    chunks = PngInfo()
    for keyword, value in values.items():
        chunks.add_itxt(keyword, value)
    return chunks
