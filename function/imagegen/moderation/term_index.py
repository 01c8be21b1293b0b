"""Finds the terms of word lists in a prompt. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from imagegen.moderation.lexicon import Lexicon
from imagegen.moderation.normalization import Reading
from imagegen.moderation.term import GAP, MAX_GAP, Term

Edges = Mapping[int, Sequence[tuple[str, int]]]
"""By the index of a word: which words of the lists begin there, and the index after each."""


@dataclass(frozen=True)
class Found:
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

    def _reach(self, is_han: bool, low: int, high: int) -> bool:
        """Return whether one begins at `high` or before and ends at `low` or after."""
        index = bisect_right(self._starts[is_han], high)
        return index > 0 and self._ends[is_han][index - 1] >= low


class TermIndex:
    """Terms with a label each, to be found together."""

    def __init__(self, terms: Iterable[tuple[str, Term]]):
        self._by_first: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        self._han: dict[str, list[str]] = {}
        words: set[str] = set()
        for label, term in terms:
            if term.han:
                self._han.setdefault(term.han, []).append(label)
            else:
                self._by_first.setdefault(term.words[0], []).append((term.words[1:], label))
                words.update(term.words)
        self._lexicon = Lexicon(words - {GAP})

    def find(self, reading: Reading) -> list[Found]:
        """Return every term in the prompt, also in disguise."""
        return [*self._latin(self._edges(reading)), *self._characters(reading.han)]

    def find_plain(self, reading: Reading) -> list[Found]:
        """Return every term that is written as it is in the list: what is disguised permits nothing."""
        return [*self._latin(_word_edges(reading.words, self._lexicon.plain_meanings)), *self._characters(reading.han)]

    def _latin(self, edges: Edges) -> Iterator[Found]:
        for start, words in edges.items():
            for word, end in words:
                for rest, label in self._by_first.get(word, ()):
                    for last in _ends(edges, rest, end):
                        yield Found(label, start, last)

    def _edges(self, reading: Reading) -> dict[int, list[tuple[str, int]]]:
        edges = _word_edges(reading.words, self._lexicon.meanings)
        meanings = {word: self._lexicon.meanings(word) for word in {word for _, _, word in reading.variants}}
        for start, end, word in reading.variants:
            for each in meanings[word]:
                edges.setdefault(start, []).append((each, end))
        for start, end, word in self._lexicon.joined(reading.words):
            edges.setdefault(start, []).append((word, end))
        return edges

    def _characters(self, text: str) -> Iterator[Found]:
        if not text:
            return
        characters = set(text)
        for term, labels in self._han.items():
            if not characters.issuperset(term):
                continue
            start = text.find(term)
            while start >= 0:
                yield from (Found(label, start, start + len(term), is_han=True) for label in labels)
                start = text.find(term, start + 1)


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
