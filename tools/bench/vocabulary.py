"""A tokenizer in CLIP's format and size. Its merges are arbitrary byte pairs instead of the ones CLIP learned."""

from __future__ import annotations

import json
from itertools import islice, product
from pathlib import Path

from tools.bench.architecture import TOKENS, VOCABULARY

_SPECIAL = ["<|startoftext|>", "<|endoftext|>"]


def characters() -> list[str]:
    """Return one printable character per byte, as GPT-2 and CLIP map them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]


def write(folder: Path) -> None:
    """Write the tokenizer to `folder`."""
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    singles = characters()
    count = VOCABULARY - 2 * len(singles) - len(_SPECIAL)
    pairs = list(islice(product(singles, singles), count))
    tokens = [*singles, *(f"{character}</w>" for character in singles), *(a + b for a, b in pairs), *_SPECIAL]
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    vocabulary.write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    merges.write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in pairs))
    CLIPTokenizer(str(vocabulary), str(merges), model_max_length=TOKENS).save_pretrained(folder)
