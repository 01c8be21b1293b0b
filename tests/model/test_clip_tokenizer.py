"""The tokenizer gives the token ids of transformers, with CLIP's real vocabulary and with the demo's."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import CLIPTokenizer as Reference

from imagegen.engines.clip_tokenizer import CLIPTokenizer
from imagegen.errors import ModelUnavailable
from models.prepare.tokenizer import save_tokenizer
from tests.model.conftest import SHIPPED
from tests.support.clip_vocabulary import PADDING, clip_tokenizer
from tests.support.texts import texts


@pytest.mark.parametrize("kind", [*PADDING, "demo"])
def test_the_token_ids_are_those_of_transformers(tmp_path: Path, kind: str) -> None:
    reference = Reference.from_pretrained(SHIPPED / "tokenizer") if kind == "demo" else clip_tokenizer(kind)
    window = reference.model_max_length
    save_tokenizer(reference, tmp_path / "tokenizer.json", window)
    tokenizer = CLIPTokenizer(tmp_path / "tokenizer.json")
    wrong = [
        text
        for text in texts()
        if tokenizer.encode(text).tolist()
        != reference([text], padding="max_length", max_length=window, truncation=True).input_ids
        or tokenizer.count(text) != len(reference(text).input_ids)
    ]
    assert len(texts()) == 500
    assert wrong == []


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text("{")
    with pytest.raises(ModelUnavailable) as caught:
        CLIPTokenizer(file)
    assert str(file) in caught.value.private
