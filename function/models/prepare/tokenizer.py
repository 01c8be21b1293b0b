"""Writes a CLIP tokenizer as one file that needs no transformers."""

from __future__ import annotations

from pathlib import Path

from transformers import CLIPTokenizer


def save_tokenizer(tokenizer: CLIPTokenizer, file: Path, window: int) -> None:
    """Write a tokenizer.json that pads and truncates to `window` tokens, as diffusers' pipelines ask for."""
    backend = tokenizer.backend_tokenizer
    backend.enable_padding(length=window, pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    backend.enable_truncation(window)
    file.parent.mkdir(parents=True, exist_ok=True)
    backend.save(str(file))
    backend.no_padding()
    backend.no_truncation()
