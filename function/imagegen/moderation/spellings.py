"""The ways to read a prompt: as it stands, and as what else its writing may mean. Pure.

Covered: letters upside down, in either order of words; text that is displayed from right to left; words joined by
capitals (`NakedWoman`); letters drawn with other signs (`|\\|ude`); Han that looks like Latin letters; pinyin beside
Han (`luo体`). Each reading is judged by itself.

Codes in capitals (`P0R-N5`) are no words: their digits stand for no letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from imagegen.moderation.normalization import HAN, Reading, normalized, reading

_TURNED: Final = str.maketrans("ɐqɔpǝɟƃɥᴉıɾʞlɯuodbɹsʇnʌʍxʎz", "abcdefghiijklmnopqrstuvwxyz")  # noqa: RUF001
_ONLY_TURNED: Final = "ɐɔǝɟƃɥᴉɾʞɯɹʇʌʍʎ"
_FROM_THE_RIGHT: Final = re.compile("\u202e([^\u202c-\u202e\u2066-\u2069]*)")
_JOINT: Final = re.compile("(?<=[a-z])(?=[A-Z])|(?<=[A-Z]{3})(?=[a-z])")

_DRAWN: Final = {
    "|\\/|": "m", "/\\/\\": "m", "|v|": "m", "\\/\\/": "w", "|\\|": "n", "/\\/": "n", "|-|": "h", "|_|": "u",
    "(_)": "u", "/-\\": "a", "/\\": "a", "\\/": "v", "|)": "d", "|]": "d", "[)": "d", "|>": "p", "|*": "p",
    "|<": "k", "|{": "k", "|=": "f", "|2": "r", "|3": "b", "|_": "l", "_|": "j", "[]": "o", "()": "o",
    "><": "x", "}{": "x", ")(": "x",
}  # fmt: skip
_DRAWN_WITH: Final = "|\\/([<>{)"
_IS_DRAWN: Final = re.compile("|".join(map(re.escape, sorted(_DRAWN, key=len, reverse=True))), re.IGNORECASE)

_FAUX: Final = dict(
    zip("卂乃匚刀ᗪ乇下厶卄丨丿长乚ㄥ爪几口尸卩尺丂丅凵ㄩ山乂丫乙", "abcddefghijkllmnopprstuuwxyz", strict=True)
)
_ONLY_FAUX: Final = "".join(_FAUX.keys() - set("刀下长爪几口尸尺山乙乃"))
"""Those that are rare in Chinese: no word is drawn without one."""
_IS_FAUX: Final = re.compile(f"[{''.join(_FAUX)}]{{3,}}")

_PINYIN: Final = {
    "luo": "裸", "zi": "自", "sha": "杀", "sui": "碎", "shi": "尸", "se": "色", "xing": "性", "zuo": "做", "jiao": "交",
    "jian": "奸", "qiang": "强", "yin": "阴淫", "ru": "乳", "kou": "口", "gang": "肛", "ge": "割", "wan": "腕",
    "can": "残", "xue": "血穴", "xie": "血", "tou": "头", "zhan": "斩", "kan": "砍", "qing": "情", "dao": "道",
    "nai": "奶", "mao": "毛", "pian": "片", "huang": "黄", "fen": "分", "zhi": "肢", "jie": "解", "pao": "剖",
    "tiao": "跳", "lou": "楼", "diao": "吊", "fu": "腹", "qie": "切", "chang": "肠", "nao": "脑", "jiang": "浆",
    "guang": "光", "wei": "慰", "jing": "精茎", "shou": "首手", "ti": "体", "yi": "衣", "duan": "断", "nue": "虐",
    "she": "射", "cao": "操", "ji": "鸡", "piao": "嫖", "bao": "爆", "lun": "轮伦", "luan": "乱",
    "ying": "影", "tun": "吞", "lin": "淋",
}  # fmt: skip
_CHOICES: Final = max(map(len, _PINYIN.values()))
_LATIN: Final = re.compile("[a-z]+")
_IS_HAN: Final = re.compile(f"[{HAN}]")

_CODE: Final = re.compile(
    r"""(?<![\w-]) (?:
        [A-Z0-9]* [A-Z] [A-Z0-9]* - (?: \d{2,} [A-Z]? | [A-Z] \d+ ) (?: - [A-Z0-9]+ )*   # B00B-135, P0R-N5, SEX-7000
        | (?= [A-Z]* \d ) [A-Z0-9]{2,4} [ ] \d [A-Z] \d                                  # S3X 1E5
    ) (?![\w-])""",
    re.VERBOSE,
)


def readings(text: str) -> Iterator[Reading]:
    """Return the text as it stands, and once for each other way to read it."""
    lowered = text.lower()
    has_capitals = lowered != text
    plain = _CODE.sub("code", text) if has_capitals else text
    first = normalized(plain)
    yield reading(first)
    if has_capitals and _JOINT.search(plain):
        yield reading(normalized(_JOINT.sub(" ", plain)))
    for other in _others(plain, lowered):
        yield reading(normalized(other))
    yield from map(reading, _from_pinyin(first))


def _others(text: str, lowered: str) -> Iterator[str]:
    if _has_any(_DRAWN_WITH, text) and _IS_DRAWN.search(text):
        yield _IS_DRAWN.sub(lambda found: _DRAWN[found[0].lower()], text)
    if text.isascii():
        return
    if "\u202e" in text:
        yield _FROM_THE_RIGHT.sub(lambda found: found[1][::-1], text)
    if _has_any(_ONLY_TURNED, lowered):
        words = list(map(_turned, lowered.split()))
        yield " ".join(words)
        yield " ".join(reversed(words))
    if _has_any(_ONLY_FAUX, text):
        yield _IS_FAUX.sub(lambda found: "".join(map(_FAUX.__getitem__, found[0])), text)


def _has_any(characters: str, text: str) -> bool:
    """Return whether one of a few characters is in the text. A regular expression takes ten times as long."""
    return any(each in text for each in characters)


def _from_pinyin(text: str) -> Iterator[str]:
    """Yield the normalized text with Han characters for the pinyin beside Han, in each way to read it."""
    if text.isascii() or not _LATIN.search(text) or not _IS_HAN.search(text):
        return
    before = text
    for choice in range(_CHOICES):
        in_han = _LATIN.sub(partial(_character, choice), text)
        if in_han != before:
            yield in_han
        before = in_han


def _character(choice: int, found: re.Match[str]) -> str:
    start, end = found.span()
    beside_han = _IS_HAN.match(found.string, end) or (start and _IS_HAN.match(found.string, start - 1))
    characters = _PINYIN.get(found[0])
    return characters[min(choice, len(characters) - 1)] if characters and beside_han else found[0]


def _turned(word: str) -> str:
    return word.translate(_TURNED)[::-1] if _has_any(_ONLY_TURNED, word) else word
