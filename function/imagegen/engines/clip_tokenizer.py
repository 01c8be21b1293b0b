"""CLIP's tokenizer as `models.prepare` writes it: the same token ids as transformers, without transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from imagegen.errors import ModelUnavailable
from imagegen.generation.prompt_syntax import Prompt


class CLIPTokenizer:
    """Thread-safe: encoding changes nothing."""

    def __init__(self, file: Path):
        """Read a tokenizer.json with padding and truncation. Raises ModelUnavailable."""
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
            padding = self._tokenizer.padding or {}
            self.window: int = padding["length"]
            self._pad_id: int = padding["pad_id"]
        except Exception as error:  # tokenizers raises plain Exception
            raise ModelUnavailable.because(file, f"cannot be loaded: {error}") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def count(self, text: str) -> int:
        """Return the number of tokens, start and end included, before truncation."""
        return len(self._tokenizer.encode(text).ids)

    def encode(self, text: str) -> NDArray[np.int64]:
        """Return the token ids, (1, window). Longer texts lose the tokens before the end token; shorter are padded."""
        ids = self._tokenizer.encode(text).ids
        if len(ids) > self.window:
            ids = [*ids[: self.window - 1], ids[-1]]
        return np.array([ids + [self._pad_id] * (self.window - len(ids))], dtype=np.int64)

    def weights(self, prompt: Prompt) -> NDArray[np.float32]:
        """Return the weight of each token of `encode`, (1, window, 1)."""
        return weights_of(prompt, self._tokenizer.encode(prompt.text).offsets, self.window)


def weights_of(prompt: Prompt, offsets: Sequence[tuple[int, int]], window: int) -> NDArray[np.float32]:
    """Return the weight of each token, (1, window, 1), given the characters that each stands for.

    Start, end and padding stand for none. A text that is too long loses tokens before its end.
    """
    weights = np.ones((1, window, 1), dtype=np.float32)
    read = prompt.token_weights(offsets)[: window - 1]
    weights[0, : len(read), 0] = read
    return weights
