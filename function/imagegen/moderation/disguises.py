"""Other texts that a prompt may be meant as. Pure.

Covered: text that is drawn from right to left (U+202E), upside-down letters, letters drawn with several signs (`|\\|`),
characters of other scripts that fonts of signs use for letters (`几凵刀乇`), Han characters written in two parts, HTML
entities and tags in words, and words that only capitals separate (`NakedWoman`). Each costs time only if the prompt has
a sign of it.
"""

from __future__ import annotations

import html
import re
from typing import Final

_OVERRIDE: Final = re.compile("\u202e([^\u202c-\u202e\n]*)")

_TURNED: Final = str.maketrans("ɐqɔpǝɟƃɥᴉıɾʞlɯuodbɹsʇnʌʍxʎz", "abcdefghiijklmnopqrstuvwxyz")  # noqa: RUF001
_IS_TURNED: Final = re.compile("[ɐɔǝɟƃɥᴉɾʞɯɹʇʌʍʎⱯƆƎꞍꞰƜɅ]")
_TURNED_RUN: Final = re.compile(
    rf"[^\s,;]*{_IS_TURNED.pattern}[^\s,;]*(?:\s+(?:[^\s,;]*\s+)?[^\s,;]*{_IS_TURNED.pattern}[^\s,;]*)*"
)
"""Words with letters that are upside down, and single words between them that may have none."""

_DRAWN: Final = {
    r"\/\/": "w", "|\\/|": "m", "/\\/\\": "m", "|\\|": "n", "/\\/": "n", "|-|": "h", "/-\\": "a", "|_|": "u",
    "/\\": "a", "\\/": "v", "|)": "d", "|>": "p", "|<": "k", "|{": "k", "|=": "f", "|_": "l", "_|": "j", "><": "x",
    "}{": "h", "|2": "r", "|3": "b", "[)": "d", "vv": "w", "VV": "w",
}  # fmt: skip
_DRAWN_SIGNS: Final = re.compile("|".join(map(re.escape, sorted(_DRAWN, key=len, reverse=True))))

_SIGN_FONTS: Final = str.maketrans(
    {
        sign: letter
        for font in (
            "卂乃匚ᗪ乇千Ꮆ卄丨ﾌҜㄥ爪几ㄖ卩Ɋ尺丂ㄒㄩᐯ山乂ㄚ乙",
            "ﾑ乃匚刀乇ｷg卄ﾉﾌズﾚﾶ刀口ｱq尺丂ｲu√山ﾒﾘ乙",
            "აბcძეfgჩiჟkლmnoპqრsთuvwxყz",  # noqa: RUF001
            "ልጌርዕቿቻኗዘጎጋጕረጠክዐየዒዪነፕሁሀሠሸሃጊ",
            "ค๒ς๔єŦﻮђเןкl๓ภ๏קợгรՇยשฬאץչ",  # noqa: RUF001
            "ꋬꃳꉔ꒯ꏂꊰꍌꁝ꒐꒻ꀘ꒒ꂵꋊꄲꉣꆰꋪꇙ꓄꒤꒦ꅐꉧꌦꁴ",
        )
        for sign, letter in zip(font, "abcdefghijklmnopqrstuvwxyz", strict=True)
        if not sign.isascii()
    }
    | dict(zip("刀厶工丁冂凵", "dgijnu", strict=True))
)
_IS_SIGN: Final = re.compile(f"[{''.join(map(chr, _SIGN_FONTS))}]")
_SIGNED_WORD: Final = re.compile(f"(?<![^\\s,.])[{''.join(map(chr, _SIGN_FONTS))}A-Za-z]{{2,}}(?![^\\s,.])")

_HAN_PARTS: Final = dict(
    re.findall(
        r"(\S\S)(\S)",
        "衤果裸 衤库裤 衤君裙 忄生性 扌臿插 扌由抽 扌穵挖 扌斯撕 扌匋掏 扌甬捅 扌莫摸 扌柔揉 扌区抠 扌臽掐 扌困捆 "
        "氵㸒淫 氵夜液 氵弱溺 纟益缢 纟交绞 纟邦绑 纟尃缚 害刂割 咅刂剖 录刂剥 勿刂刎 朵刂剁 朿刂刺 呙刂剐 "
        "阝月阴 亻故做 亻乍作 亻本体 歹戋残 歹匕死 豆页头 豆頁头 讠秀诱 钅句钩",
    )
)
"""Characters of the word lists that are written as their two parts, which other text does not have side by side."""
_IS_HAN_PART: Final = re.compile("|".join(_HAN_PARTS))

_CURRENCY: Final = re.compile("[₦₳₭₲₱₴₮₩ⱠⱧⱤ]")
"""Signs of a font in which ł is an i."""

_TAG: Final = re.compile(r"</?[A-Za-z][^<>:]{0,99}>|<!--.*?-->")
"""A tag or a comment of HTML. What has a colon may be a LoRA (`<lora:name:1>`)."""
_ENTITY: Final = re.compile(r"&#?\w{2,8};")
_HAS_CASE_CHANGE: Final = re.compile("[A-Z](?:(?<=[a-z][A-Z])|(?<=[A-Z][A-Z])[a-z])")
"""As the next one, but fast: it begins with a letter."""
_CASE_CHANGE: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def texts(prompt: str) -> list[str]:
    """Return the prompt, and what else it may be meant as: at most three more."""
    found = [prompt]
    read = _read(prompt)
    if read != prompt:
        found.append(read)
    if not prompt.isascii() and _IS_TURNED.search(read):
        found += _turned(read.casefold())
    return found


def by_capitals(text: str) -> str | None:
    """Return the text with a space before each capital that begins a word, or None if that changes nothing."""
    if not _HAS_CASE_CHANGE.search(text):
        return None
    return _CASE_CHANGE.sub(" ", text)


def _read(text: str) -> str:
    if "&" in text and _ENTITY.search(text):
        text = html.unescape(text)
    if "<" in text:
        text = _TAG.sub("", text)
    if _DRAWN_SIGNS.search(text):
        text = _DRAWN_SIGNS.sub(lambda sign: _DRAWN[sign[0]], text)
    if not text.isascii():
        if _CURRENCY.search(text):
            text = text.translate({ord("ł"): "i"})
        text = _OVERRIDE.sub(lambda run: run[1][::-1], text)
        if _IS_HAN_PART.search(text):
            text = _IS_HAN_PART.sub(lambda parts: _HAN_PARTS[parts[0]], text)
        if _IS_SIGN.search(text):
            text = _SIGNED_WORD.sub(_plain_letters, text)
    return text


def _turned(text: str) -> tuple[str, str]:
    """Return the text turned around in whole lines, and word by word."""
    lines = _TURNED_RUN.sub(lambda run: run[0].translate(_TURNED)[::-1], text)
    words = " ".join(word.translate(_TURNED)[::-1] if _IS_TURNED.search(word) else word for word in text.split())
    return lines, words


def _plain_letters(word: re.Match[str]) -> str:
    return word[0].translate(_SIGN_FONTS)
