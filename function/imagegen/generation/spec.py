"""A fully resolved generation, and the cache key computed from it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from imagegen.generation.prompt_syntax import Prompt, parse
from imagegen.generation.request import MAX_SEED, OutputFormat

CACHE_KEY_VERSION: Final = 3
"""Increase when the same request starts to produce different bytes, for example with another encoder setting."""


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

    @property
    def shape(self) -> tuple[object, ...]:
        """The values that generations must share to run in one batch."""
        steps, guidance = self.num_inference_steps, self.guidance_scale
        return self.model_id, self.width, self.height, steps, guidance, self.scheduler

    @property
    def total_steps(self) -> int:
        """Denoising steps of all images together."""
        return self.num_inference_steps * self.num_images_per_prompt

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

        `environment` is everything else that determines the bytes: engine, precision, whether the prompt is embedded.
        """
        document = {"version": CACHE_KEY_VERSION, **asdict(self), **environment}
        canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()
