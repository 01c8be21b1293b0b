"""Prompts to judge: forbidden ones in disguise, and innocent ones. The tables are in tests/support/data."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.conftest import ROOT

DATA: Final = ROOT / "tests" / "support" / "data"
_FULL_WIDTH: Final = str.maketrans({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
_HOMOGLYPHS: Final = str.maketrans("aeopcxysi", "аеорсхуѕі")  # noqa: RUF001
_LEET: Final = str.maketrans("aeios", "4310$")
_TRADITIONAL: Final = str.maketrans("体爱阴强杀斩残轻药妇", "體愛陰強殺斬殘輕藥婦")
_TURNED: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz")  # noqa: RUF001
_DRAWN: Final = {"n": "|\\|", "m": "|\\/|", "d": "|)", "h": "|-|", "v": "\\/", "k": "|<"}
_STROKES: Final = str.maketrans("odlthbi", "øđłŧħƀɨ")
_SMALL_CAPITALS: Final = str.maketrans("abcdefghijklmnoprtuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀᴛᴜᴠᴡʏᴢ")
_PINYIN: Final = {"裸": "luo", "色": "se", "性": "xing", "自": "zi", "血": "xue", "斩": "zhan", "割": "ge", "分": "fen"}

Disguise = Callable[[str], str]


def _joined(separator: str) -> Disguise:
    return lambda word: separator.join(word)


def _from(first: int) -> Disguise:
    """Letters of a block of Unicode that begins at `first`."""
    return lambda word: "".join(
        chr(first + ord(each) - ord("a")) if each.isascii() and each.isalpha() else each for each in word
    )


LATIN: Final[dict[str, Disguise]] = {
    "capitals": str.upper,
    "mixed case": lambda word: "".join(map(_alternating, range(len(word)), word)),
    "full width": lambda word: word.translate(_FULL_WIDTH),
    "zero-width space": _joined("\u200b"),
    "zero-width joiner": _joined("\u200d"),
    "soft hyphen": _joined("\u00ad"),
    "word joiner": _joined("\u2060"),
    "bidirectional override": lambda word: f"\u202a{word[:2]}\u202c{word[2:]}",
    "Cyrillic": lambda word: word.translate(_HOMOGLYPHS),
    "leet": lambda word: word.translate(_LEET),
    "spaces": _joined(" "),
    "line breaks": _joined("\n"),
    "dots": _joined("."),
    "hyphens": _joined("-"),
    "underscores": _joined("_"),
    "dots and spaces": _joined(". "),
    "repeated letter": lambda word: word[:1] + word[1] * 4 + word[2:],
    "accents": lambda word: "".join(f"{each}\u0301" for each in word),
    "stacked marks": lambda word: "".join(f"{each}\u0336\u0322\u035d" for each in word),
    "script letters": _from(0x1D4F7 - 13),
    "bold letters": _from(0x1D41A),
    "circled letters": _from(0x24D0),
    "squared letters": _from(0x1F170),
    "letters of flags": _from(0x1F1E6),
    "weight of one letter": lambda word: f"{word[0]}({word[1]}){word[2:]}",
    "weight of each letter": lambda word: "".join(f"({each}:1.1)" for each in word),
    "brackets": lambda word: f"[[{word}]]",
    "asterisk": lambda word: f"{word[:1]}*{word[2:]}" if len(word) > 3 else word,
    "upside down": lambda word: word.translate(_TURNED)[::-1],
    "cut in two": lambda word: f"{word[:2]}-{word[2:]}",
    "right to left": lambda word: f"\u202e{word[::-1]}\u202c",
    "drawn letters": lambda word: "".join(_DRAWN.get(each, each) for each in word),
    "strokes": lambda word: word.translate(_STROKES),
    "Fraktur": _from(0x1D51E),
    "double-struck letters": _from(0x1D552),
    "small capitals": lambda word: word.translate(_SMALL_CAPITALS),
    "joined by capitals": lambda word: f"The{word.capitalize()}",
    "v for u": lambda word: word.replace("u", "v"),
    "hashtag": lambda word: f"#{word}",
    "quotation marks": lambda word: f"\u201c{word}\u201d",
}
HAN: Final[dict[str, Disguise]] = {
    "spaces": _joined(" "),
    "dots": _joined("·"),
    "asterisks": _joined("*"),
    "zero-width space": _joined("\u200b"),
    "traditional": lambda word: word.translate(_TRADITIONAL),
    "enumeration commas": _joined("、"),
    "variation selector": _joined("\ufe00"),
    "line breaks": _joined("\n"),
    "marks": lambda word: "".join(f"{each}\u20dd" for each in word),
    "full width spaces": _joined("\u3000"),
    "pinyin": lambda word: "".join(_PINYIN.get(each, each) if index == 0 else each for index, each in enumerate(word)),
    "quotation marks": lambda word: f"\u300c{word}\u300d",
}


@dataclass(frozen=True)
class Forbidden:
    """A prompt with the category that must be reported."""

    category: str
    prompt: str
    disguise: str


def forbidden(count: int = 300) -> Iterator[Forbidden]:
    """Yield each prompt of the table with one disguise after the other, so that every pair is as good as any other."""
    disguises = {True: itertools.cycle(LATIN.items()), False: itertools.cycle(HAN.items())}
    for category, prompt in itertools.islice(itertools.cycle(_rows()), count):
        before, word, after = prompt.replace("}", "{").split("{")
        name, disguise = next(disguises[word.isascii()])
        yield Forbidden(category, before + disguise(word) + after, name)


def in_every_disguise() -> Iterator[Forbidden]:
    """Yield each prompt of the table with each disguise of its script."""
    for category, prompt in _rows():
        before, word, after = prompt.replace("}", "{").split("{")
        for name, disguise in (LATIN if word.isascii() else HAN).items():
            yield Forbidden(category, before + disguise(word) + after, name)


def _rows() -> list[list[str]]:
    return [line.split("\t") for line in (DATA / "moderation-forbidden.tsv").read_text().splitlines()]


def innocent() -> list[str]:
    """Return the innocent prompts of the table."""
    return (DATA / "moderation-innocent.txt").read_text().splitlines()


def held_back() -> list[tuple[str | None, str]]:
    """Return prompts that were written after the lists and judged once before any change, with their categories."""
    lines = (DATA / "moderation-held-back.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines]
    return [(None if category == "-" else category, prompt) for category, prompt in rows]


def _alternating(index: int, letter: str) -> str:
    return letter.upper() if index % 2 else letter
