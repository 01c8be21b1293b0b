"""A vocabulary of CLIP's kind and size: its bytes, and pairs of them instead of what CLIP learned."""

from __future__ import annotations

import json
from itertools import islice, product
from pathlib import Path

from tools.bench.architecture import TOKENS, VOCABULARY

_ENDS = ["<|startoftext|>", "<|endoftext|>"]


def characters() -> list[str]:
    """One printable character per byte, as GPT-2 and CLIP map them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]


def write(folder: Path) -> None:
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    alone = characters()
    count = VOCABULARY - 2 * len(alone) - len(_ENDS)
    pairs = list(islice(product(alone, alone), count))
    tokens = [*alone, *(f"{character}</w>" for character in alone), *(a + b for a, b in pairs), *_ENDS]
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    vocabulary.write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    merges.write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in pairs))
    CLIPTokenizer(str(vocabulary), str(merges), model_max_length=TOKENS).save_pretrained(folder)
