"""Finds the terms of word lists in a prompt. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from imagegen.moderation.lexicon import Lexicon
from imagegen.moderation.normalization import Reading
from imagegen.moderation.term import GAP, GROUP, MAX_GAP, MAX_HAN_GAP, Term

Edges = Mapping[int, Sequence[tuple[str, int]]]
"""By the index of a word: which words of the lists begin there, and the index after each."""
Phrases = dict[str, list[tuple[tuple[str, ...], str]]]
"""By the first word: what follows it, and the label."""


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

    def _reach(self, is_han: bool, low: int, high: int) -> bool:
        """Return whether one begins at `high` or before and ends at `low` or after."""
        index = bisect_right(self._starts[is_han], high)
        return index > 0 and self._ends[is_han][index - 1] >= low


class TermIndex:
    """Terms with a label each, to be found together. In a phrase, `@label` is any term of that label."""

    def __init__(self, terms: Iterable[tuple[str, Term]]):
        self._by_first: Phrases = {}
        self._composed_by_first: Phrases = {}
        self._groups: set[str] = set()
        self._needs: list[set[str]] = []
        """Of the phrases that name groups: which. Without a term of each, none of them is searched for."""
        self._han: dict[str, dict[str, list[str]]] = {}
        """By the first character and the term: its labels."""
        words: set[str] = set()
        for label, term in terms:
            if term.han:
                self._han.setdefault(term.han[0], {}).setdefault(term.han, []).append(label)
                continue
            phrases = self._composed_by_first if term.groups else self._by_first
            phrases.setdefault(term.words[0], []).append((term.words[1:], label))
            words.update(word for word in term.words if not word.startswith(GROUP))
            if term.groups and term.groups not in self._needs:
                self._needs.append(term.groups)
                self._groups |= term.groups
        self._lexicon = Lexicon(words - {GAP})
        self._gapped = {han: _gapped(han) for named in self._han.values() for han in named if GAP in han}

    def find(self, reading: Reading) -> list[Found]:
        """Return every term in the prompt, also in disguise."""
        edges = self._edges(reading)
        found = [*_phrases(edges, self._by_first), *self._characters(reading.han)]
        return found + self._composed(edges, found) if self._needs else found

    def find_plain(self, reading: Reading) -> list[Found]:
        """Return every term that is written as it is in the list: what is disguised permits nothing."""
        edges = _word_edges(reading.words, self._lexicon.plain_meanings)
        return [*_phrases(edges, self._by_first), *self._characters(reading.han)]

    def _composed(self, edges: dict[int, list[tuple[str, int]]], found: Iterable[Found]) -> list[Found]:
        """Return the phrases that name groups. Changes `edges`: a term of a group becomes an edge with its name."""
        labels = {each.label for each in found}
        if not any(map(labels.issuperset, self._needs)):
            return []
        for each in found:
            if each.label in self._groups and not each.is_han:
                edges.setdefault(each.start, []).append((GROUP + each.label, each.end))
        return list(_phrases(edges, self._composed_by_first))

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
        for first in self._han.keys() & set(text):
            for term, labels in self._han[first].items():
                if term not in text and term not in self._gapped:
                    continue
                for start, end in self._places(term, text):
                    yield from (Found(label, start, end, is_han=True) for label in labels)

    def _places(self, term: str, text: str) -> Iterator[tuple[int, int]]:
        if term in self._gapped:
            yield from (found.span() for found in self._gapped[term].finditer(text))
            return
        start = text.find(term)
        while start >= 0:
            yield start, start + len(term)
            start = text.find(term, start + 1)


def _gapped(han: str) -> re.Pattern[str]:
    return re.compile(f"[^ ]{{0,{MAX_HAN_GAP}}}?".join(han.split(GAP)))


def _phrases(edges: Edges, by_first: Phrases) -> Iterator[Found]:
    present = {word for words in edges.values() for word, _ in words}
    present.add(GAP)
    possible = {word: rests for word in present & by_first.keys() if (rests := _possible(by_first[word], present))}
    if not possible:
        return
    for start, words in edges.items():
        for word, end in words:
            for rest, label in possible.get(word, ()):
                for last in _ends(edges, rest, end):
                    yield Found(label, start, last)


def _possible(rests: Sequence[tuple[tuple[str, ...], str]], present: set[str]) -> list[tuple[tuple[str, ...], str]]:
    """Return the phrases whose words are all in the prompt, in whatever order: few are left to be searched for."""
    return [each for each in rests if present.issuperset(each[0])]


def _word_edges(words: Sequence[str], meanings_of: Callable[[str], Sequence[str]]) -> dict[int, list[tuple[str, int]]]:
    meanings = {word: found for word in set(words) if (found := meanings_of(word))}
    return {
        index: [(each, index + 1) for each in meanings[word]] for index, word in enumerate(words) if word in meanings
    }


def _ends(edges: Edges, rest: Sequence[str], index: int) -> Collection[int]:
    """Return where the rest of a phrase may end that goes on at `index`."""
    if not rest:
        return (index,)
    if rest[0] == GAP:
        return {end for gap in range(MAX_GAP + 1) for end in _ends(edges, rest[1:], index + gap)}
    following = edges.get(index)
    if not following:
        return ()
    nexts = {end for word, end in following if word == rest[0]}
    return {last for end in nexts for last in _ends(edges, rest[1:], end)}
