"""One entry of a word list. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from imagegen.moderation.normalization import HAN, normalized

GAP: Final = "..."
"""In a phrase, stands for up to `MAX_GAP` words."""
MAX_GAP: Final = 2
MIN_LETTERS: Final = 3
"""Letters of a term, and before a `*`; one more if that is the whole term. Shorter ones are in too many words."""
GROUP: Final = "@"
"""In a phrase, `@name` stands for any term of the group with that name."""
MAX_HAN_GAP: Final = 4
"""Characters that `...` stands for between Han characters."""
_TOKEN: Final = re.compile(r"@?[a-z]+\*?|\.\.\.")
_SEPARATORS: Final = re.compile(r"[\s'-]*")
_IS_HAN: Final = re.compile(rf"[{HAN}]+(?:\.\.\.[{HAN}]+)*")
_HAS_HAN: Final = re.compile(f"[{HAN}]")


@dataclass(frozen=True)
class Term:
    """Words of Latin letters, each may end with `*`, be GAP or name a group, or Han characters with or without GAP."""

    words: tuple[str, ...] = ()
    han: str = ""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the term, or None if the text is none."""
        plain = normalized(text)
        if _HAS_HAN.search(plain):
            return cls(han=plain) if _IS_HAN.fullmatch(plain) else None
        words = tuple(_TOKEN.findall(plain))
        if _SEPARATORS.fullmatch(_TOKEN.sub("", plain)) is None or not _is_phrase(words):
            return None
        return cls(words=words)

    @property
    def groups(self) -> set[str]:
        """The groups that the phrase names."""
        return {word.removeprefix(GROUP) for word in self.words if word.startswith(GROUP)}


def _is_phrase(words: tuple[str, ...]) -> bool:
    letters = [word for word in words if word != GAP]
    if not letters or words[0] == GAP or words[-1] == GAP:
        return False
    shortest = MIN_LETTERS + (len(words) == 1)
    enough = all(len(word) > shortest for word in letters if word.endswith("*"))
    return enough and len("".join(letters)) >= MIN_LETTERS
