"""Finds the terms of word lists in a prompt. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from imagegen.policy.lexicon import Lexicon
from imagegen.policy.normalization import Reading
from imagegen.policy.term import GAP, MAX_GAP, Term

Edges = Mapping[int, Sequence[tuple[str, int]]]
"""By the index of a word: which words of the lists begin there, and the index after each."""


@dataclass(frozen=True)
class Found:
    """A term in a prompt. `start` and `end` count words or, of Han characters, characters."""

    label: str
    start: int
    end: int
    is_han: bool = False

    def within(self, other: Found) -> bool:
        """Return whether the other one contains this one."""
        return self.is_han == other.is_han and other.start <= self.start and self.end <= other.end

    def distance(self, other: Found) -> float:
        """Return how many words or characters are between the two, plus one; infinity in another script."""
        if self.is_han != other.is_han:
            return float("inf")
        return max(0, self.start - other.end + 1, other.start - self.end + 1)


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
        return [*self._latin(self._plain_edges(reading)), *self._characters(reading.han)]

    def _latin(self, edges: Edges) -> Iterator[Found]:
        for start, words in edges.items():
            for word, end in words:
                for rest, label in self._by_first.get(word, ()):
                    for last in _ends(edges, rest, end):
                        yield Found(label, start, last)

    def _edges(self, reading: Reading) -> dict[int, list[tuple[str, int]]]:
        meanings = {word: found for word in set(reading.words) if (found := self._lexicon.meanings(word))}
        edges = {
            index: [(each, index + 1) for each in meanings[word]]
            for index, word in enumerate(reading.words)
            if word in meanings
        }
        for start, end, word in reading.variants:
            for each in self._lexicon.meanings(word):
                edges.setdefault(start, []).append((each, end))
        for start, end, word in self._lexicon.joined(reading.words):
            edges.setdefault(start, []).append((word, end))
        return edges

    def _plain_edges(self, reading: Reading) -> dict[int, list[tuple[str, int]]]:
        words = ((index, self._lexicon.plain_meanings(word)) for index, word in enumerate(reading.words))
        return {index: [(each, index + 1) for each in found] for index, found in words if found}

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


def _ends(edges: Edges, rest: Sequence[str], index: int) -> set[int]:
    """Return where the rest of a phrase may end that goes on at `index`."""
    if not rest:
        return {index}
    if rest[0] == GAP:
        return set().union(*(_ends(edges, rest[1:], index + gap) for gap in range(MAX_GAP + 1)))
    return set().union(*(_ends(edges, rest[1:], end) for word, end in edges.get(index, ()) if word == rest[0]))
