"""Prompts to judge: forbidden ones in disguise, and innocent ones. The tables are in tests/support/data."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.conftest import ROOT

DATA: Final = ROOT / "tests" / "support" / "data"
_FULL_WIDTH: Final = str.maketrans({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
_HOMOGLYPHS: Final = str.maketrans("aeopcxysi", "аеорсхуѕі")  # noqa: RUF001
_LEET: Final = str.maketrans("aeios", "4310$")
_TRADITIONAL: Final = str.maketrans("体爱阴强杀斩残轻药妇", "體愛陰強殺斬殘輕藥婦")
_ASIAN: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "卂乃匚ᗪ乇千Ꮆ卄丨ﾌҜㄥ爪几ㄖ卩Ɋ尺丂ㄒㄩᐯ山乂ㄚ乙")
_CANADIAN: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ᗩᗷᑕᗪᗴᖴᘜᕼIᒍKᒪᗰᑎOᑭᑫᖇᔕTᑌᐯᗯ᙭Yᘔ")  # noqa: RUF001
_CURRENCY: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "₳฿₵ĐɆ₣₲ⱧłJ₭Ⱡ₥₦Ø₱QⱤ₴₮ɄV₩ӾɎⱫ")
_DRAWN: Final = {"n": "|\\|", "m": "|\\/|", "d": "|)", "h": "|-|", "k": "|<", "u": "|_|", "v": "\\/"}
_PINYIN: Final = {
    "裸": "luo",
    "杀": "sha",
    "尸": "shi",
    "色": "se",
    "爱": "ai",
    "奸": "jian",
    "腥": "xing",
    "腕": "wan",
}
_SMALL: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡxʏᴢ")  # noqa: RUF001
_STROKES: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ȺɃȻĐɆFǤĦƗɈꝀŁMNØⱣꝖɌSŦɄVWXɎƵ")
_SUPERSCRIPT: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖᑫʳˢᵗᵘᵛʷˣʸᶻ")
_TURNED: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz")  # noqa: RUF001

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
    "cut in two": lambda word: f"{word[:2]}-{word[2:]}" if len(word) > 4 else f"{word[:3]}-{word[3:]}",
    "drawn from right to left": lambda word: f"\u202e{word[::-1]}\u202c",
    "HTML entities": lambda word: "".join(f"&#{ord(each)};" for each in word),
    "letters drawn with signs": lambda word: "".join(_DRAWN.get(each, each) for each in word),
    "Fraktur": _from(0x1D586),
    "typewriter letters": _from(0x1D68A),
    "letters in parentheses": _from(0x249C),
    "dark squares": _from(0x1F170),
    "small capitals": lambda word: word.translate(_SMALL),
    "superscript": lambda word: word.translate(_SUPERSCRIPT),
    "letters with strokes": lambda word: word.translate(_STROKES),
    "signs of money": lambda word: word.translate(_CURRENCY),
    "Canadian syllables": lambda word: word.translate(_CANADIAN),
    "Chinese signs": lambda word: word.translate(_ASIAN),
    "pictures between": _joined("🍑"),
    "slashes": _joined("/"),
    "tildes": _joined("~"),
    "number sign": lambda word: f"{word[:1]}#{word[2:]}" if len(word) > 3 else word,
    "joined to another word": lambda word: f"Very{word.title().replace(' ', '')}",
    "in a hashtag of words": lambda word: f"#very_{word.replace(' ', '_')}",
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
    "bars": _joined("|"),
    "hyphens": _joined("-"),
    "pictures between": _joined("🔞"),
    "weight": lambda word: f"({word}:1.3)",
    "half in Pinyin": lambda word: _half_in_pinyin(word),
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
    for category, before, word, after in itertools.islice(itertools.cycle(_rows()), count):
        name, disguise = next(disguises[word.isascii()])
        yield Forbidden(category, before + disguise(word) + after, name)


def every_disguise() -> Iterator[Forbidden]:
    """Yield each prompt of the table in each disguise."""
    for category, before, word, after in _rows():
        for name, disguise in (LATIN if word.isascii() else HAN).items():
            yield Forbidden(category, before + disguise(word) + after, name)


def _rows() -> list[tuple[str, str, str, str]]:
    """Return category, and what is before the word to disguise, the word, and what is after it."""
    lines = (DATA / "moderation-forbidden.tsv").read_text().splitlines()
    parts = (line.replace("}", "{").replace("\t", "{", 1).split("{") for line in lines)
    return [(category, before, word, after) for category, before, word, after in parts]


def _half_in_pinyin(word: str) -> str:
    known = next((each for each in word if each in _PINYIN), None)
    return word.replace(known, _PINYIN[known], 1) if known is not None and len(word) > 1 else word


def innocent() -> list[str]:
    """Return the innocent prompts of the table."""
    return (DATA / "moderation-innocent.txt").read_text().splitlines()


def held_back() -> list[tuple[str | None, str]]:
    """Return prompts that were written after the lists and judged once before any change, with their categories."""
    lines = (DATA / "moderation-held-back.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines]
    return [(None if category == "-" else category, prompt) for category, prompt in rows]


def rounds() -> Iterator[tuple[str | None, str]]:
    """Yield the prompts of every round of docs/decisions/moderation.md that were decided, with their categories.

    What is in braces has one disguise after the other.
    """
    disguises = {True: itertools.cycle(LATIN.values()), False: itertools.cycle(HAN.values())}
    for line in (DATA / "moderation-rounds.tsv").read_text().split("\n")[:-1]:
        category, prompt = line.split("\t")
        parts = re.split(r"\{([^{}]*)\}", prompt)
        parts[1::2] = [next(disguises[word.isascii()])(word) for word in parts[1::2]]
        yield None if category == "-" else category, "".join(parts)


def _alternating(index: int, letter: str) -> str:
    return letter.upper() if index % 2 else letter
