"""The parameters of an image as the text that Stable Diffusion tools read and write ("infotext"). Pure.

The prompt, a line `Negative prompt: ...`, and a last line `Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 7, ...`.
AUTOMATIC1111's web UI introduced it. In a PNG it is the text chunk `parameters`, in JPEG and WebP the EXIF tag
UserComment.

`Size` is that of the image as drawn. Enlarging it is a `Postprocess` parameter, because `Hires upscale` means a second
run of the denoiser.

Not covered: a prompt with a line that begins with `Negative prompt:`. The format has no escape for it, so readers take
the rest for the negative prompt.
"""

from __future__ import annotations

from typing import Final

from imagegen.generation.spec import GenerationSpec

SAMPLERS: Final = {
    "ddim": "DDIM",
    "dpm_multistep": "DPM++ 2M",
    "euler": "Euler",
    "euler_ancestral": "Euler a",
    "lcm": "LCM",
    "pndm": "PLMS",
}
"""The name of the same method in these tools, by scheduler id."""
UPSCALER: Final = "R-ESRGAN AnimeVideo"
"""Their name of the network that enlarges images."""


def infotext(spec: GenerationSpec, index: int, *, embed_prompt: bool) -> str:
    """Return the parameters of image `index`; with `embed_prompt` also its prompts."""
    lines = []
    if embed_prompt:
        lines.append(spec.prompt)
        if spec.negative_prompt:
            lines.append(f"Negative prompt: {spec.negative_prompt}")
    parameters: dict[str, object] = {
        "Steps": spec.num_inference_steps,
        "Sampler": SAMPLERS.get(spec.scheduler, spec.scheduler),
        "CFG scale": f"{spec.guidance_scale:g}",
        "Seed": spec.seed_of(index),
        "Size": f"{spec.width}x{spec.height}",
        "Model": spec.model_id,
        "Revision": spec.revision,
    }
    if spec.edit is not None:
        parameters["Denoising strength"] = f"{spec.strength:g}"
    if spec.upscale > 1:
        parameters |= {"Postprocess upscale by": spec.upscale, "Postprocess upscaler": UPSCALER}
    return "\n".join([*lines, ", ".join(f"{name}: {value}" for name, value in parameters.items())])
