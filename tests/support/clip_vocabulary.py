"""CLIP's real vocabulary as tokenizers in the three configurations that Stable Diffusion's checkpoints have."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import Final

from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer

FILE: Final = Path(__file__).parent / "data" / "bpe_simple_vocab_16e6.txt.gz"
MERGES: Final = 49152 - 256 - 2
START, END = "<|startoftext|>", "<|endoftext|>"
PADDING: Final = {"sd-1.5": END, "sd-2": "!", "sdxl second": "!"}


@cache
def clip_tokenizer(kind: str) -> CLIPTokenizer:
    """Return transformers' tokenizer of a checkpoint kind, with its own padding token."""
    lines = gzip.decompress(FILE.read_bytes()).decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1 : MERGES + 1]]
    symbols = _byte_symbols()
    tokens = [*symbols, *(f"{symbol}</w>" for symbol in symbols), *("".join(pair) for pair in merges), START, END]
    return CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=merges,
        pad_token=PADDING[kind],
        model_max_length=77,
    )


def _byte_symbols() -> list[str]:
    """Return the printable stand-ins of the 256 bytes, in the order of CLIP's vocabulary."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    symbols = [*map(chr, printable), *(chr(256 + index) for index in range(len(others)))]
    assert set(symbols) == set(ByteLevel.alphabet())
    return symbols
