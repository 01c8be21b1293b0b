"""What word lists say about a prompt. Pure.

The negative prompt lists what the picture must not show, so its words block nothing. It counts where leaving something
out makes the picture what may not be drawn: a minor without clothes (`Combination.unwanted`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from imagegen.moderation.ages import ages
from imagegen.moderation.normalization import Reading, readings
from imagegen.moderation.term import Term
from imagegen.moderation.term_index import Found, Spans, TermIndex, follow
from imagegen.moderation.word_lists import Near, WordLists

FAR: Final = -100
"""Place of what has none in the text."""
_INNOCENT: Final = "innocent"
BACKWARD: Final = range(4, 9)
"""Lengths of runs of Han characters that are read backwards, too, if they are nothing but listed terms then."""
_HAN_TERM: Final = re.compile("[\u4e00-\u9fff]{2,4}")
_ENTRIES: Final = re.compile(r"[,;\n\uff0c\u3001\uff1b]")


class PromptRules:
    """Word lists in a form that judges a prompt of 2,000 characters in less than half a millisecond."""

    def __init__(self, lists: WordLists):
        self._lists = lists
        self.version: Final = lists.version
        self._combinations = [(frozenset(each.prompt), each) for each in lists.combinations]
        named = (lists.categories | lists.groups).items()
        self._han = {term for _, terms in named for term in terms if _HAN_TERM.fullmatch(term)}
        self._han_ends = {term[1::-1] for term in self._han}
        self._terms = TermIndex(_labeled((name, terms) for name, terms in named), together=True)
        self._permissions = TermIndex(
            [
                *_labeled([(_INNOCENT, lists.innocent)]),
                *_labeled((f"terms {index}", near.terms) for index, near in enumerate(lists.near)),
                *_labeled((f"to {index}", near.to) for index, near in enumerate(lists.near)),
            ]
        )

    def category(self, prompt: str, negative_prompt: str) -> str | None:
        """Return the category that forbids the prompt, both as the text encoder reads them, or None."""
        applying = {name for reading in self._readings(prompt) for name in self._categories(reading, negative_prompt)}
        return next((name for name in self._lists.categories if name in applying), None)

    def _readings(self, prompt: str) -> Iterator[Reading]:
        for reading in readings(prompt):
            yield reading
            runs = [run[::-1] for run in reading.han.split() if run[-2:] in self._han_ends and len(run) in BACKWARD]
            backward = [run for run in runs if self._consists_of_terms(run)]
            if backward:
                yield from readings(", ".join(backward))

    def _consists_of_terms(self, run: str) -> bool:
        return not run or any(
            run[:length] in self._han and self._consists_of_terms(run[length:]) for length in (2, 3, 4)
        )

    def _categories(self, reading: Reading, negative_prompt: str) -> Iterator[str]:
        found = self._terms.find(reading)
        found += self._ages(found, reading, negative_prompt)
        if self._forbidden(found, negative_prompt):  # before what allows a term, for which few prompts are searched
            yield from self._forbidden(self._not_permitted(found, reading), negative_prompt)

    def _forbidden(self, found: Iterable[Found], negative_prompt: str) -> set[str]:
        """Return the categories that these terms belong to, by themselves or together."""
        by_label: dict[str, list[Found]] = {}
        for each in found:
            by_label.setdefault(each.label, []).append(each)
        together = {
            each.category
            for names, each in self._combinations
            if names <= by_label.keys()
            and (each.within is None or follow([by_label[name] for name in each.prompt], each.within))
            and self._is_unwanted(each.unwanted, negative_prompt)
        }
        return by_label.keys() & self._lists.categories.keys() | together

    def _ages(self, found: Sequence[Found], reading: Reading, negative_prompt: str) -> list[Found]:
        """Return the ages that count as a term. Searching takes a while, so only if one would forbid the prompt."""
        limit = self._lists.ages
        if limit is None:
            return []
        names = {each.label for each in found} | {limit.group}
        if not any(
            limit.group in needed and needed <= names and (each.unwanted is None or negative_prompt)
            for needed, each in self._combinations
        ):
            return []
        return [Found(limit.group, FAR, FAR) for age in ages(reading.text) if age < limit.below]

    def _not_permitted(self, found: Sequence[Found], reading: Reading) -> Sequence[Found]:
        permissions: dict[str, list[Found]] = {}
        for each in self._permissions.find_plain(reading):
            if each.is_han or reading.inside.isdisjoint((each.start, each.end)):  # "n4k3d minor" is not in D minor
                permissions.setdefault(each.label, []).append(each)
        left = _outside(found, permissions.get(_INNOCENT, []))
        for index, near in enumerate(self._lists.near):
            terms = permissions.get(f"terms {index}", [])
            left = _outside(left, _permitted(terms, near, permissions.get(f"to {index}", []), left))
        return left

    def _is_unwanted(self, group: str | None, negative_prompt: str) -> bool:
        """Return whether a term of the group is a whole entry of the negative prompt. None needs no entry."""
        if group is None or not negative_prompt:
            return group is None
        for entry in _ENTRIES.split(negative_prompt):
            for reading in readings(entry):
                if any(each.label == group and _is_all(each, reading) for each in self._terms.find(reading)):
                    return True
        return False


def _labeled(terms: Iterable[tuple[str, Iterable[str]]]) -> Iterator[tuple[str, Term]]:
    return ((label, term) for label, texts in terms for text in texts if (term := Term.parse(text)) is not None)


def _outside(found: Sequence[Found], permitted: Sequence[Found]) -> Sequence[Found]:
    if not permitted:
        return found
    spans = Spans(permitted)
    return [each for each in found if not spans.contain(each)]


def _permitted(terms: Sequence[Found], near: Near, to: Sequence[Found], found: Iterable[Found]) -> list[Found]:
    if not terms or not to:
        return []
    own = {(each.start, each.end) for each in terms}
    places = Spans(each for each in to if (each.start, each.end) not in own)  # no term permits itself
    group, words = near.unless or ("", 1)
    unless = Spans(each for each in found if each.label == group)
    return [each for each in terms if places.are_near(each, near.words) and not unless.are_near(each, words)]


def _is_all(found: Found, reading: Reading) -> bool:
    length = len(reading.han) if found.is_han else len(reading.words)
    return found.start == 0 and found.end == length
