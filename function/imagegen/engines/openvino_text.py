"""What conditions the denoiser: the prompts through the text encoders, and the numbers that some families add."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from imagegen.engines.clip_tokenizer import CLIPTokenizer
from imagegen.engines.openvino_networks import Network, compile_network, read_config
from imagegen.generation.prompt_syntax import Prompt, parse
from imagegen.generation.spec import GenerationSpec

Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class EncodedText:
    """States of shape (1, window, width) and, for SDXL, the pooled text of shape (1, projection)."""

    states: Floats
    pooled: Floats | None = None

    def zeros(self) -> EncodedText:
        """Return all zeros, which SDXL was trained to take for an absent negative prompt."""
        return EncodedText(np.zeros_like(self.states), None if self.pooled is None else np.zeros_like(self.pooled))


class TextEncoder:
    """One text encoder with its tokenizer."""

    def __init__(self, folder: Path, suffix: str, properties: Mapping[str, Any]):
        """`suffix` is "" or "_2". Raises ModelUnavailable."""
        self.tokenizer = CLIPTokenizer(folder / f"tokenizer{suffix}" / "tokenizer.json")
        # A fixed shape doubles the time to compile and makes no request faster (docs/decisions/openvino.md).
        self._network: Network = compile_network(folder / f"text_encoder{suffix}", properties, shapes={})

    def encode(self, prompt: Prompt, still_wanted: Callable[[], None]) -> list[Floats]:
        """Return the states, each times its token's weight, and, from an encoder with a projection, the pooled text."""
        self._network.bind({"input_ids": self.tokenizer.encode(prompt.text)})
        states, *pooled = [output.copy() for output in self._network.run(still_wanted)]
        return [states * self.tokenizer.weights(prompt) if prompt.weighted else states, *pooled]


class TextStage:
    """All text encoders of a model. SDXL concatenates the states of two and takes the pooled text of the second."""

    def __init__(self, folder: Path, properties: Mapping[str, Any]):
        """Compile the text encoders of a prepared folder. Raises ModelUnavailable."""
        suffixes = [suffix for suffix in ("", "_2") if (folder / f"text_encoder{suffix}").is_dir()]
        self._encoders = [TextEncoder(folder, suffix, properties) for suffix in suffixes]
        index = read_config(folder / "model_index.json")
        self._zeros_if_empty = bool(index.get("force_zeros_for_empty_prompt"))

    @property
    def window(self) -> int:
        """The number of tokens that the denoiser reads."""
        return self._encoders[0].tokenizer.window

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens before truncation."""
        return self._encoders[0].tokenizer.count(text)

    def encode(self, spec: GenerationSpec, *, guided: bool, still_wanted: Callable[[], None]) -> dict[str, Floats]:
        """Return the denoiser's inputs from the prompts, one row each: the negative prompt, if guided, comes first."""
        texts = [self._encode(parse(spec.prompt), still_wanted)]
        if guided:
            negative = parse(spec.negative_prompt)
            empty = self._zeros_if_empty and not negative.text
            texts.insert(0, texts[0].zeros() if empty else self._encode(negative, still_wanted))
        inputs = {"encoder_hidden_states": np.concatenate([text.states for text in texts])}
        pooled = [text.pooled for text in texts if text.pooled is not None]
        if pooled:
            size = [spec.height, spec.width]
            inputs["text_embeds"] = np.concatenate(pooled)
            inputs["time_ids"] = np.array([[*size, 0, 0, *size]] * len(texts), dtype=np.float32)
        return inputs

    def _encode(self, prompt: Prompt, still_wanted: Callable[[], None]) -> EncodedText:
        encoded = [encoder.encode(prompt, still_wanted) for encoder in self._encoders]
        states = np.concatenate([outputs[0] for outputs in encoded], axis=-1)
        return EncodedText(states, encoded[-1][1] if len(encoded[-1]) > 1 else None)


def guidance_embedding(guidance_scale: float, width: int) -> Floats:
    """Return the sinusoidal embedding of a guidance scale, (1, width), as latent consistency models take it.

    Ho and Salimans' w is guidance_scale - 1; see diffusers' `get_guidance_scale_embedding`.
    """
    half = width // 2
    angles = (guidance_scale - 1) * 1000 * np.exp(np.arange(half) * -(math.log(10_000) / (half - 1)))
    embedding = np.concatenate([np.sin(angles), np.cos(angles), np.zeros(width % 2)])
    return embedding[None].astype(np.float32)
