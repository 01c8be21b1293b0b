"""The syntax of prompts in Stable Diffusion tools: weights, and what this service does not do. Pure.

`(word:1.3)` multiplies a word's weight by 1.3, `(word)` by 1.1, and `[word]` divides it by 1.1; they nest. A backslash
before a bracket or a backslash makes it a character of the text, and so is a bracket without its counterpart.

Read as text, with a warning: `<lora:name:0.8>`, BREAK, and brackets that change a prompt between steps, such as
`[cat:dog:0.5]` and `[cat|dog]`. Warnings do not repeat the prompt, because results are sent to webhooks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MAX_WEIGHT: Final = 2.0
"""Weights are 0 to 2. Far above, the text encoder's states leave the range that models were trained on."""
_EMPHASIS: Final = 1.1
_NAMED: Final = 10
"""Weights that a warning lists."""

_TOKEN: Final = re.compile(
    r"""
    (?P<tag> < (?:lora|lyco|hypernet) : [^<>]* > )
    | \\ (?P<escaped> [()\[\]\\] )
    | : \s* (?P<number> [+-]? (?: \d+ \.? \d* | \. \d+ ) ) \s* (?= [)\]] )
    | (?P<open> [(\[] )
    | (?P<close> [)\]] )
    | (?P<text> [^\\:<()\[\]]+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_SYNTAX: Final = re.compile(r"[()\[\]\\]")
"""Without one of these, a prompt is its text."""
_BREAK: Final = re.compile(r"\bBREAK\b")
_OPENING: Final = {")": "(", "]": "["}


@dataclass(frozen=True)
class Prompt:
    """The text that the text encoder reads."""

    text: str
    weights: tuple[float, ...]
    """One for each character."""
    warnings: tuple[str, ...] = ()
    """What the prompt asks for and does not get, such as `weight_ignored: ...`."""

    @property
    def weighted(self) -> bool:
        """Whether a character has another weight than 1."""
        return any(weight != 1 for weight in self.weights)

    def token_weights(self, offsets: Sequence[tuple[int, int]]) -> list[float]:
        """Return the weight of each token, given the characters that it stands for; 1 for a token without any.

        A token that is weighted in part has the weight of that part.
        """
        return [max(self.weights[start:end], key=lambda weight: abs(weight - 1), default=1.0) for start, end in offsets]


def parse(text: str) -> Prompt:
    """Return what the prompt means. Every text is valid."""
    return _Parser(list(_TOKEN.finditer(text))).prompt()


def text_of(prompt: str) -> str:
    """Return the text that the prompt means, without the weights, which take a while to compute."""
    if not _SYNTAX.search(prompt):
        return prompt
    tokens = list(_TOKEN.finditer(prompt))
    matched = _matched(tokens)
    return "".join(
        token["escaped"] or token[0]
        for index, token in enumerate(tokens)
        if index not in matched and not (token["number"] and index + 1 in matched)
    )


class _Parser:
    """One pass over the tokens, once it is known which brackets belong together."""

    def __init__(self, tokens: Sequence[re.Match[str]]):
        self._tokens = tokens
        self._matched = _matched(tokens)
        self._open: dict[str, list[int]] = {"(": [], "[": []}
        """Where the groups begin that are open."""
        self._number: float | None = None
        """The number before the next bracket."""
        self._text: list[str] = []
        self._weights: list[float] = []
        self._noticed: dict[str, str] = {}

    def prompt(self) -> Prompt:
        for index, token in enumerate(self._tokens):
            self._read(token, index)
        weights = self._allowed_weights()
        return Prompt("".join(self._text), weights, tuple(f"{code}: {why}" for code, why in self._noticed.items()))

    def _read(self, token: re.Match[str], index: int) -> None:
        bracket = index in self._matched
        if token["open"] and bracket:
            self._open[token[0]].append(len(self._weights))
        elif token["close"] and bracket:
            self._close(token[0])
        elif token["number"] and index + 1 in self._matched:
            self._number = float(token["number"])
        else:
            self._append(token["escaped"] or token[0])
            self._notice(token)

    def _append(self, text: str) -> None:
        self._text.append(text)
        self._weights += [1.0] * len(text)

    def _notice(self, token: re.Match[str]) -> None:
        if token["tag"]:
            self._noticed["tag_literal"] = "<lora:...> and the like are read as text; they load no adapter"
        if _BREAK.search(token[0]):
            self._noticed["break_literal"] = "BREAK is read as text"
        if self._open["["] and "|" in token[0]:
            self._ignore_editing()

    def _close(self, bracket: str) -> None:
        start, number = self._open[_OPENING[bracket]].pop(), self._number
        self._number = None
        if bracket == "]" and number is not None:
            self._ignore_editing()
            return
        factor = 1 / _EMPHASIS if bracket == "]" else _EMPHASIS if number is None else number
        self._weights[start:] = [weight * factor for weight in self._weights[start:]]

    def _ignore_editing(self) -> None:
        self._noticed["editing_ignored"] = (
            "[from:to:when] and [a|b] are read as text; a prompt is the same in all steps"
        )

    def _allowed_weights(self) -> tuple[float, ...]:
        ignored = [weight for weight in dict.fromkeys(self._weights) if not 0 <= weight <= MAX_WEIGHT]
        if not ignored:
            return tuple(self._weights)
        texts = list(dict.fromkeys(f"{weight:g}" for weight in ignored))
        named = ", ".join(texts[:_NAMED]) + (", ..." if len(texts) > _NAMED else "")
        self._noticed["weight_ignored"] = f"weights are 0 to {MAX_WEIGHT:g}, not {named}"
        return tuple(weight if 0 <= weight <= MAX_WEIGHT else 1.0 for weight in self._weights)


def _matched(tokens: Sequence[re.Match[str]]) -> set[int]:
    """Return the indices of the brackets that have a counterpart. The two kinds are independent."""
    matched: set[int] = set()
    waiting: dict[str, list[int]] = {"(": [], "[": []}
    for index, token in enumerate(tokens):
        if token["open"]:
            waiting[token[0]].append(index)
        elif token["close"] and waiting[_OPENING[token[0]]]:
            matched |= {waiting[_OPENING[token[0]]].pop(), index}
    return matched
