"""500 texts that tokenizers disagree about."""

from __future__ import annotations

import itertools
import unicodedata
from typing import Final

_WORDS: Final = (
    "a red circle",
    "Cat!",
    "café naïve façade Ångström",
    "İstanbul ı I i ß ẞ ﬁ",
    "北京的夜晚，一只猫",
    "東京タワー ﾊﾝｶｸ カタカナ",
    "한국어 텍스트",
    "👨‍👩‍👧‍👦 🏳️‍🌈 👍🏽 ❤️",
    "ＦＵＬＬ　ｗｉｄｔｈ １２３",
    "12345 3.14 1,000 ½ ² Ⅷ ①",
    "don't we've I'll he's they'd I'm you're",
    "DON'T WE'VE I'LL",
    "tab\tand\nbreak\r\nand  two   blanks\u00a0nbsp\u3000wide",
    "<|endoftext|> and <|startoftext|>",
    "<|endoftext|><|endoftext|> <|ENDOFTEXT|>",
    "!!! ??? ... --- ___ ### (((word:1.3))) [[x]]",
    "Привет, мир! Ёжик",
    "مرحبا بالعالم العربية",
    "שלום עולם",
    "ไทย ภาษา",
    "हिन्दी भाषा क्षत्रिय",
    "e\u0301 o\u0308 n\u0303 a\u030a\u0301",
    "\u200bzero\u200bwidth\u200d joiner\ufeff",
    "αβγ ΑΒΓ ς σ Σ",
    "http://example.com/a?b=c#d user@example.com",
)


def texts() -> list[str]:
    """Return 500 different texts: each sample alone, composed, decomposed, past the window, and in pairs."""
    found = dict.fromkeys(["", " ", "\n", "a", "!", "'s", "<|endoftext|>" * 40, "word " * 100, "ı" * 90])
    for word in _WORDS:
        forms = (unicodedata.normalize(form, word) for form in ("NFC", "NFD", "NFKC", "NFKD"))
        found |= dict.fromkeys([word, word.upper(), word.lower(), f" {word} ", *forms, f"{word} " * 12])
    for first, second in itertools.permutations(_WORDS, 2):
        found[f"{first}, {second}"] = None
    return list(found)[:500]
