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

Phrases = Mapping[tuple[str, str], Sequence[tuple[tuple[str, ...], str]]]
"""By two words: the rest of phrases, and their labels."""


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


class Edges:
    """Which words of the lists are where in a prompt."""

    def __init__(self, words: Sequence[str], meanings_of: Callable[[str], Sequence[str]]):
        self.meanings: Final = {word: found for word in set(words) if (found := meanings_of(word))}
        self._plain = list(map(self.meanings.get, words))
        self.more: Final[dict[int, list[tuple[str, int]]]] = {}
        """By the index where they begin: words, and the index after each."""

    def add(self, start: int, end: int, word: str) -> None:
        """Add a word that takes the place of the prompt's words from `start` to before `end`."""
        self.more.setdefault(start, []).append((word, end))

    def at(self, index: int) -> Sequence[tuple[str, int]]:
        """Return which words begin there, and the index after each."""
        plain = self._plain[index] if index < len(self._plain) else None
        more = self.more.get(index, ())
        return [*((word, index + 1) for word in plain), *more] if plain else more


class TermIndex:
    """Terms with a label each, to be found together."""

    def __init__(self, terms: Iterable[tuple[str, Term]], *, together: bool = False):
        """With `together`, phrases are also found without their spaces, as in hashtags."""
        self._words: dict[str, list[str]] = {}
        """By word: labels."""
        self._phrases: dict[tuple[str, str], list[tuple[tuple[str, ...], str]]] = {}
        self._gapped: dict[tuple[str, str], list[tuple[tuple[str, ...], str]]] = {}
        """Phrases with a gap after the first word, and by the word after that."""
        self._han: dict[str, dict[str, list[str]]] = {}
        """By the first character: terms, and their labels."""
        words: set[str] = set()
        joined: set[str] = set()
        for label, term in terms:
            if term.han:
                self._han.setdefault(term.han[0], {}).setdefault(term.han, []).append(label)
            else:
                self._add(term.words, label)
                words.update(term.words)
                for whole in term.together() if together else ():
                    self._add((whole,), label)
                    joined.add(whole)
        self._first = {first for first, _ in self._phrases}
        self._first_gapped = {first for first, _ in self._gapped}
        self._begin = self._words.keys() | self._first | self._first_gapped
        self._lexicon = Lexicon(words - {GAP}, joined)

    def _add(self, words: tuple[str, ...], label: str) -> None:
        if len(words) == 1:
            self._words.setdefault(words[0], []).append(label)
        elif words[1] == GAP:
            self._gapped.setdefault((words[0], words[2]), []).append((words[3:], label))
        else:
            self._phrases.setdefault((words[0], words[1]), []).append((words[2:], label))

    def find(self, reading: Reading) -> list[Found]:
        """Return every term in the prompt, also in disguise."""
        found = self._latin(reading.words, self._edges(reading))
        if reading.han:
            found += self._characters(reading)
            found += self._half_in_pinyin(reading.han)
        return found

    def find_plain(self, reading: Reading) -> list[Found]:
        """Return every term that is written as it is in the list: what is disguised permits nothing."""
        edges = Edges(reading.words, self._lexicon.plain_meanings)
        return [*self._latin(reading.words, edges), *self._characters(reading)]

    def _latin(self, words: Sequence[str], edges: Edges) -> list[Found]:
        found: list[Found] = []
        first = {word for word, meanings in edges.meanings.items() if not self._begin.isdisjoint(meanings)}
        for start, written in enumerate(words):
            if written in first:
                for word in edges.meanings[written]:
                    self._begin_at(start, word, start + 1, edges, found)
        for start, more in edges.more.items():
            for word, end in more:
                self._begin_at(start, word, end, edges, found)
        return found

    def _begin_at(self, start: int, word: str, end: int, edges: Edges, found: list[Found]) -> None:
        """Add the terms that begin with the word."""
        for label in self._words.get(word, ()):
            found.append(Found(label, start, end))
        if word in self._first:
            found += _phrases(self._phrases, word, start, end, edges)
        if word in self._first_gapped:
            for gap in range(MAX_GAP + 1):
                found += _phrases(self._gapped, word, start, end + gap, edges)

    def _edges(self, reading: Reading) -> Edges:
        edges = Edges(reading.words, self._lexicon.meanings)
        meanings = {word: self._lexicon.meanings(word) for word in {word for _, _, word in reading.variants}}
        for start, end, word in reading.variants:
            found = meanings[word]
            if found and end - start > 1 and word == "".join(reading.words[start:end]):
                found = self._lexicon.single_meanings(word)  # the words of "half-naked" are in the text already
            for each in found:
                edges.add(start, end, each)
        for start, end, word in self._lexicon.joined(reading.words):
            edges.add(start, end, word)
        return edges

    def _characters(self, reading: Reading) -> Iterator[Found]:
        characters, text = reading.characters, reading.han
        for first in characters & self._han.keys():
            for term, labels in self._han[first].items():
                if characters.issuperset(term):
                    for start in _places(text, term):
                        yield from (Found(label, start, start + len(term), is_han=True) for label in labels)

    def _half_in_pinyin(self, text: str) -> Iterator[Found]:
        """Find terms one of whose characters is written by its sound: `luo体`."""
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


def _phrases(phrases: Phrases, word: str, start: int, index: int, edges: Edges) -> Iterator[Found]:
    """Yield the phrases that begin with the word, at `start`, and go on at `index`."""
    for second, end in edges.at(index):
        for rest, label in phrases.get((word, second), ()):
            for last in _ends(edges, rest, end):
                yield Found(label, start, last)


def _ends(edges: Edges, rest: Sequence[str], index: int) -> set[int]:
    """Return where the rest of a phrase may end that goes on at `index`."""
    if not rest:
        return {index}
    if rest[0] == GAP:
        return set().union(*(_ends(edges, rest[1:], index + gap) for gap in range(MAX_GAP + 1)))
    return set().union(*(_ends(edges, rest[1:], end) for word, end in edges.at(index) if word == rest[0]))
