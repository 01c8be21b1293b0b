"""Pictures as files: encoding, and the generation's parameters in the file."""

from __future__ import annotations

import io
from typing import Final

from PIL.Image import Image
from PIL.PngImagePlugin import PngInfo

from imagegen.request import Generation, OutputFormat

CONTENT_TYPES: Final[dict[OutputFormat, str]] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
LOSSY_QUALITY: Final = 90


def encode(image: Image, generation: Generation, index: int, *, embed_prompt: bool) -> bytes:
    """The image as a file of the generation's format. Same image and generation, same bytes."""
    buffer = io.BytesIO()
    if generation.output_format == "png":
        image.save(buffer, "PNG", pnginfo=_text_chunks(generation, index, embed_prompt=embed_prompt))
    else:
        image.save(buffer, generation.output_format.upper(), quality=LOSSY_QUALITY)
    return buffer.getvalue()


def _text_chunks(generation: Generation, index: int, *, embed_prompt: bool) -> PngInfo:
    """Text chunks under diffusers' parameter names; iTXt, since prompts are Unicode (PNG, third edition, 11.3.3)."""
    values = {
        "Software": "Stable Diffusion on Lambda",
        "model": generation.model_id,
        "revision": generation.revision,
        "seed": str(generation.seed_of(index)),
        "num_inference_steps": str(generation.num_inference_steps),
        "guidance_scale": str(generation.guidance_scale),
        "scheduler": generation.scheduler,
    }
    if embed_prompt:
        values |= {"prompt": generation.prompt, "negative_prompt": generation.negative_prompt}
    chunks = PngInfo()
    for keyword, value in values.items():
        chunks.add_itxt(keyword, value)
    return chunks
