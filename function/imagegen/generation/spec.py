"""A fully resolved generation, and the cache key computed from it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from imagegen.catalog.auxiliary import BACKGROUND, UPSCALER
from imagegen.generation.edit import Edit, steps_made
from imagegen.generation.prompt_syntax import Prompt, parse
from imagegen.generation.request import DEFAULT_QUALITY, MAX_SEED, Background, OutputFormat

if TYPE_CHECKING:
    from imagegen.generation.canvas import Canvas

CACHE_KEY_VERSION: Final = 2
"""Increase when every request starts to produce another picture, for example with another generator of noise."""
WHOLE_PIXELS: Final = 512 * 512
"""Images up to this area are encoded and decoded in one piece, larger ones in tiles: memory grows with the area."""
_LATER_FIELDS: Final[dict[str, tuple[object, ...]]] = {
    "output_quality": (None, DEFAULT_QUALITY),
    "upscale": (1,),
    "background": ("opaque",),
    "edit": (None,),
}
"""Fields that keys of this version did not have at first, and the values that mean what images were then."""


@dataclass(frozen=True)
class GenerationSpec:
    """Everything in a request that changes the image's bytes, with every default filled in, and nothing else."""

    model_id: str
    revision: str
    prompt: str
    negative_prompt: str
    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float
    num_images_per_prompt: int
    seed: int
    scheduler: str
    output_format: OutputFormat
    output_quality: int | None = None
    """1 to 100 for a lossy format; None for png."""
    upscale: int = 1
    background: Background = "opaque"
    edit: Edit | None = None

    @property
    def shape(self) -> tuple[object, ...]:
        """The values that generations must share to run in one batch. An edit runs alone."""
        steps, guidance = self.num_inference_steps, self.guidance_scale
        return self.model_id, self.revision, self.width, self.height, steps, guidance, self.scheduler

    @cached_property
    def canvas(self) -> Canvas | None:
        """The edit's picture at the output's size, decoded once. Raises what Canvas.of raises."""
        if self.edit is None:
            return None
        from imagegen.generation.canvas import Canvas  # imports Pillow, which the zip functions lack

        return Canvas.of(self.edit, (self.width, self.height))

    @property
    def strength(self) -> float:
        """The part of the denoising steps that a run makes; 1 for one that starts from noise."""
        return self.edit.strength if self.edit else 1.0

    @property
    def steps_per_image(self) -> int:
        """Denoising steps of one image."""
        return steps_made(self.num_inference_steps, self.strength, self.scheduler)

    @property
    def total_steps(self) -> int:
        """Denoising steps of all images together."""
        return self.steps_per_image * self.num_images_per_prompt

    @property
    def output_size(self) -> tuple[int, int]:
        """Width and height of the file, in pixels."""
        return self.width * self.upscale, self.height * self.upscale

    def seed_of(self, index: int) -> int:
        """Return the seed of image `index`: (seed + index) mod 2^32."""
        return (self.seed + index) % (MAX_SEED + 1)

    @property
    def prompts(self) -> dict[str, Prompt]:
        """What each prompt means, by the name of its field."""
        return {"prompt": parse(self.prompt), "negative_prompt": parse(self.negative_prompt)}

    def syntax_warnings(self) -> list[str]:
        """Return a warning for whatever a prompt asks for and does not get."""
        return [f"{field}_{warning}" for field, prompt in self.prompts.items() for warning in prompt.warnings]

    def truncation_warnings(self, count_tokens: Callable[[str], int], window: int) -> list[str]:
        """Return a warning for each prompt that has more tokens than the text encoder's `window`."""
        counts = {field: count_tokens(prompt.text) for field, prompt in self.prompts.items()}
        return [
            f"{field}_truncated: the model reads {window} tokens, the {field} has {count}"
            for field, count in counts.items()
            if count > window
        ]

    def cache_key(self, **environment: str | bool) -> str:
        """Return the SHA-256, in hex, of the canonical JSON of this spec and of `environment`.

        `environment` is everything else that determines the bytes: engine, precision, whether the prompt is embedded,
        and the signer, if files are signed.
        """
        document = {"version": CACHE_KEY_VERSION, **self._key(), **self._auxiliary_revisions(), **environment}
        canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def _key(self) -> dict[str, Any]:
        """Return what decides about the picture. An edit counts by its files, not by what is decoded from them.

        What is drawn as in earlier versions has the same key, so that its stored image is found.
        """
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        key = {name: value for name, value in values.items() if value not in _LATER_FIELDS.get(name, ())}
        if self.edit is not None:
            key["edit"] = self.edit.key()
        if self.width * self.height > WHOLE_PIXELS:
            key["decoded_in_tiles"] = True
        if any(prompt.weighted or prompt.text != getattr(self, name) for name, prompt in self.prompts.items()):
            key["prompt_syntax"] = 1
        return key

    def _auxiliary_revisions(self) -> dict[str, str]:
        used = {UPSCALER: self.upscale > 1, BACKGROUND: self.background == "transparent"}
        return {f"{network.name}_revision": network.revision for network, is_used in used.items() if is_used}
