"""Which words of a list a written word may be. Pure.

Covered: repeated letters (`nuuude`), asterisks for letters (`n*de`), letters and parts of a word that spaces separate
(`n u d e`, `nu de`, `dis mem bered`), two words without a space (`nakedwoman`), words spelled backwards (`edun`).
Time is linear in the length of the text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Final

from imagegen.moderation.normalization import letters_of

_REPEATED: Final = re.compile(r"(.)\1+")
_THREE: Final = re.compile(r"(.)\1\1")
"""Of a longer word, such as `poorness`, two letters are no sign that its beginning is meant."""
_MASKED: Final = re.compile(r"[a-z]+\*+[a-z*]*[a-z]")
_ORDINARY: Final = frozenset(
    re.findall("[a-z]+", "a i am an as at be by do go he if in is it me my no of on or so to up us we")
)
"""Short words of which alone no disguise is made: most runs of short words have nothing else."""
_SHORT: Final = 2
"""Letters of a part of a word, if it is in more than two parts."""
_PARTS: Final = 24
"""Parts of a word at most, repeated letters included. It bounds the time that a text of single letters takes."""
_SPLIT: Final = 4
"""Letters of the shortest word that is recognized in two parts, or backwards."""
_CUT: Final = 7
"""Letters of the shortest word that is recognized in more parts, or of whose beginning parts are."""
_CUTS: Final = 6
"""Parts of such a word at most."""
_COMPOUND: Final = range(8, 25)
"""Letters of two words without a space, at least four each. `Middlesex` would be two, with fewer."""
_ENDING: Final = 1
"""Letters that a word may have, backwards, after the beginning that is listed, less one for its `*`."""
_HEAD: Final = 3
"""Letters by which beginnings are looked up. A beginning has at least as many (term.py)."""


class Lexicon:
    """The words of a list. One that ends with `*` stands for all that begin so."""

    def __init__(self, words: Iterable[str], joined: Iterable[str] = ()):
        """`joined` are phrases without their spaces, which are found as they are only."""
        self._exact = set(words)
        self._known = self._exact | set(joined)
        self._prefixes = {word[:-1]: word for word in self._known if word.endswith("*")}
        self._lengths = sorted({len(prefix) for prefix in self._prefixes})
        self._heads = {prefix[:_HEAD] for prefix in self._prefixes}
        self._backwards = {word[::-1] for word in self._exact if len(word) >= _SPLIT}

    def meanings(self, word: str) -> Sequence[str]:
        """Return the words of the list that the word may be, or may consist of; those that begin so with their `*`."""
        return self.single_meanings(word) or self._compound(word)

    def single_meanings(self, word: str) -> Sequence[str]:
        """Return the words of the list that the word may be."""
        found = self.plain_meanings(word)
        if not found and _REPEATED.search(word):
            found = self._with_repeated_letters(word)
        if not found and "*" in word:
            found = self._masked(word)
        if not found and len(word) >= _SPLIT:
            found = self._backward(word)
        return found

    def plain_meanings(self, word: str) -> list[str]:
        """Return the words of the list that the word is, without any disguise."""
        found = [word] if word in self._known else []
        return found + self._prefixes_of(word) if word[:_HEAD] in self._heads else found

    def joined(self, words: Sequence[str]) -> Iterator[tuple[int, int, str]]:
        """Yield words of the list that are written in parts: first index, index after the last one, and the word."""
        starts = self._starts
        pairs = enumerate(pairwise(words))
        for start in [index for index, (word, after) in pairs if word in starts and word + after[0] in starts]:
            pair = words[start] + words[start + 1]
            if pair in self._in_parts:
                yield start, start + 2, pair
            if words[start] not in _ORDINARY:
                yield from self._cut(words, start)
        for start, end in _short_runs(words):
            for letters in _lettered(words[start:end]):
                yield from _whole(list(self._spelled(letters, start)))

    def _prefixes_of(self, word: str) -> list[str]:
        lengths = self._lengths[: bisect_right(self._lengths, len(word))]
        return [self._prefixes[word[:length]] for length in lengths if word[:length] in self._prefixes]

    def _backward(self, word: str) -> list[str]:
        if word not in self._backwards and word[: -_HEAD - 1 : -1] not in self._heads:
            return []
        return [each for each in self.plain_meanings(word[::-1]) if len(word) - len(each) <= _ENDING]

    def _compound(self, word: str) -> list[str]:
        """Return the two words that the word consists of."""
        if len(word) in _COMPOUND and word[:_HEAD] in self._word_heads:
            for cut in range(_SPLIT, len(word) - _SPLIT + 1):
                if word[:cut] in self._exact and word[cut:] in self._exact:
                    return [word[:cut], word[cut:]]
        return []

    def _cut(self, words: Sequence[str], start: int) -> Iterator[tuple[int, int, str]]:
        """Yield the long words that are written in parts from there on, such as `sui ci dal` or `dismem bered`."""
        word = words[start]
        for end in range(start + 1, min(len(words), start + _CUTS)):
            if word + words[end][0] not in self._starts:
                return
            word += words[end]
            if len(word) >= _CUT:
                found = self._long_meanings(word)
                yield from ((start, end + 1, each) for each in found if len(each.rstrip("*")) > len(words[start]))

    def _long_meanings(self, word: str) -> list[str]:
        found = [word] if word in self._exact else []
        prefixes = self._prefixes_of(word) if word[:_HEAD] in self._heads else []
        return found + [each for each in prefixes if len(each) >= _CUT]

    def _with_repeated_letters(self, word: str) -> list[str]:
        squeezed = _REPEATED.sub(r"\1", word)
        candidates = self._squeezed.get(squeezed, [])
        if _THREE.search(word):
            candidates = candidates + [
                each for length in self._lengths for each in self._squeezed_prefixes.get(squeezed[:length], ())
            ]
        return list(dict.fromkeys(each for each, pattern in candidates if pattern.match(word)))

    def _masked(self, word: str) -> list[str]:
        """Return the words that differ only in what asterisks hide, at most half of the letters."""
        masked = word.strip("*")
        if not _MASKED.fullmatch(masked) or 2 * masked.count("*") > len(masked):
            return []
        found = [each for each in self._by_length.get((len(masked), masked[0]), ()) if _is_like(masked, each)]
        beginnings = self._prefixes_by_letter.get(masked[0], ())
        return found + [f"{each}*" for each in beginnings if _is_like(masked[: len(each)], each)]

    def _spelled(self, letters: Sequence[str], offset: int) -> Iterator[tuple[int, int, str]]:
        for start in range(len(letters)):
            squeezed = ""
            for end in range(start, min(len(letters), start + _PARTS)):
                squeezed = _squeezed(squeezed, letters[end])
                if squeezed not in self._beginnings:
                    break
                if end > start and squeezed in self._squeezed:
                    for word in self.meanings("".join(letters[start : end + 1])):
                        yield offset + start, offset + end + 1, word

    @cached_property
    def _in_parts(self) -> set[str]:
        return {word for word in self._exact if len(word) >= _SPLIT}

    @cached_property
    def _starts(self) -> set[str]:
        """The beginnings of words that are recognized in parts, and the words."""
        plain = {word.rstrip("*") for word in self._exact}
        starts = {word[:length] for word in plain if len(word) >= _SPLIT for length in range(1, len(word) + 1)}
        return starts - {"a", "i"}

    @cached_property
    def _word_heads(self) -> set[str]:
        return {word[:_HEAD] for word in self._exact if len(word) >= _SPLIT}

    @cached_property
    def _beginnings(self) -> set[str]:
        """Every beginning of every word, with repeated letters once."""
        squeezed = {_REPEATED.sub(r"\1", word.rstrip("*")) for word in self._exact}
        return {word[:length] for word in squeezed for length in range(1, len(word) + 1)}

    @cached_property
    def _squeezed(self) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
        return _by_squeezed((word, word.rstrip("*"), "$") for word in self._exact)

    @cached_property
    def _squeezed_prefixes(self) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
        return _by_squeezed((word, prefix, "") for prefix, word in self._prefixes.items())

    @cached_property
    def _by_length(self) -> dict[tuple[int, str], list[str]]:
        """By length and first letter."""
        words: dict[tuple[int, str], list[str]] = {}
        for word in self._exact:
            words.setdefault((len(word), word[0]), []).append(word)
        return words

    @cached_property
    def _prefixes_by_letter(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for prefix in self._prefixes:
            found.setdefault(prefix[0], []).append(prefix)
        return found


def _by_squeezed(words: Iterable[tuple[str, str, str]]) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return the words by what they are without repeated letters, with a pattern that allows more of each letter."""
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for word, letters, end in words:
        runs = (f"{run[0][0]}{{{len(run[0])},}}" for run in re.finditer(r"(.)\1*", letters))
        found.setdefault(_REPEATED.sub(r"\1", letters), []).append((word, re.compile("".join(runs) + end)))
    return found


def _whole(found: Sequence[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """Yield the words that do not begin in one longer word and end after it: "r i p p e d o f f" has no "pedo"."""
    ends: dict[int, list[int]] = {}
    for start, end, word in sorted(found, key=lambda each: each[0] - each[1]):  # the longest first
        longer = (start < each < end for other in range(start - _PARTS, start) for each in ends.get(other, ()))
        if not any(longer):
            ends.setdefault(start, []).append(end)
            yield start, end, word


def _squeezed(before: str, part: str) -> str:
    """Return a text without repeated letters and one or two more letters. A regular expression takes longer."""
    for letter in part:
        if not before.endswith(letter):
            before += letter
    return before


def _is_like(masked: str, word: str) -> bool:
    pairs = zip(masked, word, strict=False)
    return len(masked) == len(word) and all(hidden in ("*", letter) for hidden, letter in pairs)


def _short_runs(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield where at least two words in a row have at most two letters, and not all are ordinary."""
    last = 0
    for index in [index for index, word in enumerate(words) if len(word) <= _SHORT and word not in _ORDINARY]:
        if index < last:
            continue
        start, last = index, index + 1
        while start > 0 and len(words[start - 1]) <= _SHORT:
            start -= 1
        while last < len(words) and len(words[last]) <= _SHORT:
            last += 1
        if last - start > 1:
            yield start, last


def _lettered(words: Sequence[str]) -> list[Sequence[str]]:
    """Return the words in letters, in each way to read their digits and signs."""
    if "".join(words).isalpha():
        return [words]
    readings = [sorted(letters_of(word)) for word in words]
    return [[each[0] for each in readings], [each[-1] for each in readings]]
