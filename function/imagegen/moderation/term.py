"""One entry of a word list. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from imagegen.moderation.normalization import HAN, normalized

GAP: Final = "..."
"""In a phrase, stands for up to `MAX_GAP` words."""
MAX_GAP: Final = 2
MIN_LETTERS: Final = 3
"""Letters of a term, and before a `*`; one more if that is the whole term. Shorter ones are in too many words."""
MIN_JOINED: Final = 7
"""Letters of a phrase that is also recognized without its spaces."""
_IS_PLAIN: Final = re.compile("[a-z *]+")
_TOKEN: Final = re.compile(r"[a-z]+\*?|\.\.\.")
_SEPARATORS: Final = re.compile(r"[\s'-]*")
_IS_HAN: Final = re.compile(f"[{HAN}]+")
_HAS_HAN: Final = re.compile(f"[{HAN}]")


@dataclass(frozen=True)
class Term:
    """Words of Latin letters, each may end with `*` or be GAP, or a run of Han characters."""

    words: tuple[str, ...] = ()
    han: str = ""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the term, or None if the text is none."""
        parsed = _parsed(text)
        return None if parsed is None else cls(*parsed)

    def together(self) -> Iterator[str]:
        """Yield the phrase as one word, as in hashtags, if it is long enough for that."""
        joined = "".join(self.words)
        if len(self.words) > 1 and GAP not in self.words and "*" not in joined[:-1] and len(joined) >= MIN_JOINED:
            yield joined


@lru_cache(maxsize=20_000)  # terms are parsed when their document is validated, and again for its rules
def _parsed(text: str) -> tuple[tuple[str, ...], str] | None:
    plain = text if _IS_PLAIN.fullmatch(text) else normalized(text)
    if _HAS_HAN.search(plain):
        return ((), plain) if _IS_HAN.fullmatch(plain) else None
    words = tuple(_TOKEN.findall(plain))
    if _SEPARATORS.fullmatch(_TOKEN.sub("", plain)) is None or not _is_phrase(words):
        return None
    return words, ""


def _is_phrase(words: tuple[str, ...]) -> bool:
    letters = [word for word in words if word != GAP]
    if not letters or words[0] == GAP or words[-1] == GAP:
        return False
    shortest = MIN_LETTERS + (len(words) == 1)
    enough = all(len(word) > shortest for word in letters if word.endswith("*"))
    return enough and len("".join(letters)) >= MIN_LETTERS
