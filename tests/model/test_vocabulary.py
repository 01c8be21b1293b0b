"""The demo model's tokenizer, rebuilt from source."""

from __future__ import annotations

import random
from pathlib import Path

from models.training.scenes import random_scene
from models.training.text import write_tokenizer


def test_every_word_is_one_token_and_ids_are_reproducible(tmp_path: Path) -> None:
    first, second = write_tokenizer(tmp_path / "first"), write_tokenizer(tmp_path / "second")
    rng = random.Random(1)
    for _ in range(200):
        caption = random_scene(rng, two=True, held_out=True).caption()
        ids = first(caption).input_ids
        assert ids == second(caption).input_ids
        assert len(ids) == len(caption.split()) + 2


def test_unknown_text_is_encoded_as_bytes(tmp_path: Path) -> None:
    tokenizer = write_tokenizer(tmp_path)
    assert tokenizer.decode(tokenizer("赤い円").input_ids, skip_special_tokens=True).replace(" ", "") == "赤い円"
