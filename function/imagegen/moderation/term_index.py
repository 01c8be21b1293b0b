"""Finds the terms of word lists in a prompt. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Final, NamedTuple

from imagegen.moderation.han import SOUNDS
from imagegen.moderation.lexicon import Lexicon
from imagegen.moderation.normalization import Reading
from imagegen.moderation.term import GAP, MAX_GAP, Term

MAX_IN_PINYIN: Final = 4
"""Characters of a term of which one may be written by its sound."""

Edges = Mapping[int, Sequence[tuple[str, int]]]
"""By the index of a word: which words of the lists begin there, and the index after each."""


class Found(NamedTuple):
    """A term in a prompt. `start` and `end` count words or, of Han characters, characters."""

    label: str
    start: int
    end: int
    is_han: bool = False


class Spans:
    """Terms of one label, to be asked for what is where in logarithmic time."""

    def __init__(self, found: Iterable[Found]):
        self._starts: dict[bool, list[int]] = {False: [], True: []}
        self._ends: dict[bool, list[int]] = {False: [], True: []}
        """By start: the largest end so far."""
        for each in sorted(found, key=attrgetter("start")):
            ends = self._ends[each.is_han]
            self._starts[each.is_han].append(each.start)
            ends.append(max(each.end, ends[-1]) if ends else each.end)

    def contain(self, term: Found) -> bool:
        """Return whether one of them contains the term."""
        return self._reach(term.is_han, term.end, term.start)

    def are_near(self, term: Found, distance: int) -> bool:
        """Return whether one is within so many words or characters of the term; adjacent ones have the distance 1."""
        return self._reach(term.is_han, term.start - distance + 1, term.end + distance - 1)

    def lead_to(self, term: Found, distance: int) -> bool:
        """Return whether one begins before the term, and ends within so many words or characters before it or later."""
        return self._reach(term.is_han, term.start - distance + 1, term.start - 1)

    def _reach(self, is_han: bool, low: int, high: int) -> bool:
        """Return whether one begins at `high` or before and ends at `low` or after."""
        index = bisect_right(self._starts[is_han], high)
        return index > 0 and self._ends[is_han][index - 1] >= low


def follow(groups: Sequence[Sequence[Found]], distance: int) -> bool:
    """Return whether a term of each group follows one of the group before, within so many words or characters.

    Adjacent ones have the distance 1. A term may begin within the one before it: "cut (her head) off".
    """
    before = groups[0]
    for group in groups[1:]:
        spans = Spans(before)
        before = [each for each in group if spans.lead_to(each, distance)]
    return bool(before)


class TermIndex:
    """Terms with a label each, to be found together."""

    def __init__(self, terms: Iterable[tuple[str, Term]], *, together: bool = False):
        """With `together`, phrases are also found without their spaces, as in hashtags."""
        self._by_first: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        self._han: dict[str, dict[str, list[str]]] = {}
        """By the first character: terms, and their labels."""
        words: set[str] = set()
        for label, term in terms:
            if term.han:
                self._han.setdefault(term.han[0], {}).setdefault(term.han, []).append(label)
            else:
                for phrase in {term.words, *(term.together() if together else ())}:
                    self._by_first.setdefault(phrase[0], []).append((phrase[1:], label))
                    words.update(phrase)
        self._lexicon = Lexicon(words - {GAP})

    def find(self, reading: Reading) -> list[Found]:
        """Return every term in the prompt, also in disguise."""
        return [
            *self._latin(self._edges(reading)), *self._characters(reading.han), *self._half_in_pinyin(reading.han),
        ]  # fmt: skip

    def find_plain(self, reading: Reading) -> list[Found]:
        """Return every term that is written as it is in the list: what is disguised permits nothing."""
        return [*self._latin(_word_edges(reading.words, self._lexicon.plain_meanings)), *self._characters(reading.han)]

    def _latin(self, edges: Edges) -> Iterator[Found]:
        for start, words in edges.items():
            for word, end in words:
                for rest, label in self._by_first.get(word, ()):
                    if not rest:
                        yield Found(label, start, end)
                    elif end in edges or rest[0] == GAP:
                        yield from (Found(label, start, last) for last in _ends(edges, rest, end))

    def _edges(self, reading: Reading) -> dict[int, list[tuple[str, int]]]:
        edges = _word_edges(reading.words, self._lexicon.meanings)
        for start, end, word in reading.variants:
            # The words of "half-naked" are in the text already.
            is_joined = end - start > 1 and word == "".join(reading.words[start:end])
            meanings = self._lexicon.single_meanings(word) if is_joined else self._lexicon.meanings(word)
            for each in meanings:
                edges.setdefault(start, []).append((each, end))
        for start, end, word in self._lexicon.joined(reading.words):
            edges.setdefault(start, []).append((word, end))
        return edges

    def _characters(self, text: str) -> Iterator[Found]:
        characters = set(text)
        for first in characters & self._han.keys():
            for term, labels in self._han[first].items():
                if characters.issuperset(term):
                    for start in _places(text, term):
                        yield from (Found(label, start, start + len(term), is_han=True) for label in labels)

    def _half_in_pinyin(self, text: str) -> Iterator[Found]:
        """Find terms one of whose characters is written by its sound: `luo体`."""
        if text.isascii():
            return
        padded = f" {text} "
        for sound in self._by_sound.keys() & set(text.split()):
            for written, label in self._by_sound[sound]:
                for start in _places(padded, written):
                    yield Found(label, start, start + len(written), is_han=True)

    @cached_property
    def _by_sound(self) -> dict[str, list[tuple[str, str]]]:
        """By pinyin: Han terms with that in place of one character, and their labels."""
        found: dict[str, list[tuple[str, str]]] = {}
        for terms in self._han.values():
            for term, labels in terms.items():
                for index, character in enumerate(term if 1 < len(term) <= MAX_IN_PINYIN else ""):
                    if sound := SOUNDS.get(character):
                        written = f"{term[:index]} {sound} {term[index + 1 :]}"
                        found.setdefault(sound, []).extend((written, label) for label in labels)
        return found


def _places(text: str, part: str) -> Iterator[int]:
    start = text.find(part)
    while start >= 0:
        yield start
        start = text.find(part, start + 1)


def _word_edges(words: Sequence[str], meanings_of: Callable[[str], Sequence[str]]) -> dict[int, list[tuple[str, int]]]:
    meanings = {word: found for word in set(words) if (found := meanings_of(word))}
    return {
        index: [(each, index + 1) for each in meanings[word]] for index, word in enumerate(words) if word in meanings
    }


def _ends(edges: Edges, rest: Sequence[str], index: int) -> set[int]:
    """Return where the rest of a phrase may end that goes on at `index`."""
    if not rest:
        return {index}
    if rest[0] == GAP:
        return set().union(*(_ends(edges, rest[1:], index + gap) for gap in range(MAX_GAP + 1)))
    return set().union(*(_ends(edges, rest[1:], end) for word, end in edges.get(index, ()) if word == rest[0]))
