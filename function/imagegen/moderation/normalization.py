"""A prompt without what disguises its words: other alphabets, invisible characters, digits for letters, gaps. Pure.

Covered: what looks like Latin letters, in any script, case and style; accents and other marks; zero-width and other
invisible characters; digits and signs for letters (`p0rn`, `$ex`); letters apart (`n u d e`, `n.u.d.e`), by lexicon.py;
what disguises.py turns into another text; spaces and signs between Han characters; traditional and rare forms of Han,
read as simplified.

Not covered: letters left out, percent-encoding, Base64, emoji that stand for things. The text encoder does not read
them as the word either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from disarm import strip_obfuscation

from imagegen.moderation.disguises import by_capitals, texts
from imagegen.moderation.han import SIMPLIFIED

_BAR: Final = "\u00a6"
"""Stands for `|`, which disarm would take for an l, also between two words."""

_BEFORE: Final = str.maketrans({"|": _BAR} | dict(zip("ɱ₥ғǫς", "mmfqs", strict=True)))
_IS_BEFORE: Final = re.compile("[|ɱ₥ғǫς]")
"""What disarm would read as other letters."""

_FULL_WIDTH: Final = {"\uff0c": ",", "\uff1a": ":", "\uff1b": ";", "\uff01": "!", "\uff1f": "?"}
"""Punctuation of Chinese text."""
_PLAIN: Final = "!#-_a-{}~\u3001\u3002\u3008-\u3011\u3400-\u4dbf\u4e00-\u4e27\u4e29-\u4e35\u4e37-\u4e3e\u4e40-\u9fff"
_IS_PLAIN: Final = re.compile(f"[{_PLAIN}]+(?: [{_PLAIN}]+)*")
"""What disarm leaves as it is: most prompts in Chinese, for each character of which it takes long."""

_LOOKALIKES: Final = (
    {chr(0x1F1E6 + index): chr(ord("a") + index) for index in range(26)}  # regional indicators, the letters of flags
    | dict(zip("ᴎиꮑᑎᥒͷ₦ŋцᥙʉдⲇ∂ðǝɘᥱⲉяꞃƨʃ§пг", "nnnnnnnnuuuddddeeeerrsssnr", strict=True))
    | dict(
        zip("ᗩ₳ⱥ฿ƀᑕ₵ƈȼ¢ᕲᗴᘿєɇ∱₣ᘜ₲ɧᏆᓰᒚⱡɲᝪøᑫҩ₱ᵽɽɍᔕ₴ꝗɟ√ᗯшӿ¥ᘔⱬ", "aaabbcccccdeeeeffgghiijlnooqqpprrssqfvwwxyzz", strict=True)
    )
)
"""What disarm leaves as it is. It folds about 6,000 characters."""

_REPLACEMENTS: Final = _LOOKALIKES | SIMPLIFIED
_REPLACED: Final = frozenset(_REPLACEMENTS)

_SIGNS: Final = dict(zip("0123456789@$€£+", "oizeasgtbgaselt", strict=True))
_LEET: Final = (
    str.maketrans(_SIGNS | dict.fromkeys("1!|" + _BAR, "i")),
    str.maketrans(_SIGNS | dict.fromkeys("1!|" + _BAR, "l")),
    str.maketrans(dict.fromkeys(_SIGNS.keys() - set("0345"), "") | {"0": "o", "3": "e", "4": "a", "5": "s", "1": "i"}),
)
"""Readings of digits and signs. In the last one, signs only separate letters."""

_CODE: Final = re.compile(
    r"""(?<![\w-])(?=[A-Z]*\d)(?:
        [A-Z0-9]{2,5}-\d+  # B00B-135
        | [A-Z0-9]{2,3}-[A-Z0-9]{1,3}  # P0R-N5
        | (?=\d*[A-Z])[A-Z0-9]{2,3}[ ](?=[A-Z]*\d)(?=\d*[A-Z])[A-Z0-9]{2,3}  # S3X 1E5
    )(?![\w-])""",
    re.VERBOSE,
)
"""Model numbers and number plates, whose digits stand for no letters: capitals and digits in short groups."""
_HAS_CODE: Final = re.compile(r"\d(?:(?<=[A-Z]\d)|(?=[A-Z]))")
_DIGITS: Final = re.compile(r"\d+")
_POSSESSIVE: Final = re.compile(r"'s(?=[\s,.;:!?]|$)")
"""Would be a word between a person and what is that person's."""

_EDGES: Final = ".,;:?'\"()[]{}<>_-~`^&%#/\\=*\u2026\u2013\u2014\u00b7\u2022"
_LETTERS: Final = re.compile("[a-z]+")
_NO_LETTER: Final = re.compile("[^a-z]+")
_LEET_CHARACTER: Final = re.compile(f"[0-9@$€£+!{_BAR}]")
_PART: Final = re.compile("[^-_/.,:;\\s]+")
_STROKE: Final = re.compile(f"[1!{_BAR}]")
"""May stand for an i in one place and for an l in another one."""
_STROKES: Final = 3
_MASKED_PIECES: Final = 4
"""Runs of letters of a word in which signs hide letters."""
_MASK: Final = re.compile(f"[^a-z0-9\\s.,'/&+:;\"!{_BAR}$@]")
"""May hide a letter between letters, as `*` does: `n#de`, `p-rn`."""
HAN: Final = "\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_OTHER: Final = "\u3041-\u30fa\u30fc-\u30ff\uac00-\ud7a3"
"""Kana and Hangul, without the dot that separates words in Katakana."""
_RUN: Final = re.compile(f"([^{HAN}a-z0-9{_OTHER}]*)(?:([{HAN}]+)|([a-z0-9]+|[{_OTHER}]+))")
"""A gap, and the run after it: of Han characters, or of others."""
_SEPARATORS: Final = frozenset(",;!?:\uff0c\u3002\uff1b\uff01\uff1f")
"""Not full stops between Han characters."""
_CROSS: Final = re.compile(f"(?<=[{HAN}])\\s*[\u00d7\u2715\u2716\u2573]\\s*(?=[{HAN}])")
"""A sign between Han characters. Elsewhere it looks like an x."""
_HAS_HAN: Final = re.compile(f"[{HAN}]")


@dataclass(frozen=True)
class Reading:
    """One way to read a prompt."""

    text: str
    """In lower case, without disguise of single characters."""
    words: list[str]
    """Runs of the letters a to z, and single digits and signs that may stand for a letter."""
    variants: list[tuple[int, int, str]]
    """Other words that some of `words` may be: the first index, the index after the last one, and the word."""
    inside: set[int]
    """Indexes of `words` that begin inside a word with digits: 1 and 2 of `n4k3d`, whose letters are n, k, d."""
    han: str
    """Runs of Han characters, of letters and digits, and of kana or Hangul, separated by spaces."""
    characters: set[str]
    """All characters of the text, or none if it is in ASCII."""


def readings(prompt: str) -> Iterator[Reading]:
    """Return the prompt as it stands and, if it has signs of a disguise, as what it may be meant as."""
    for text in texts(prompt):
        plain = _plain(text)
        yield _reading(*_folded(plain))
        split = by_capitals(plain)
        if split is not None:
            yield _reading(*_folded(split))


def normalized(text: str) -> str:
    """Return the text in lower case, with Latin letters for what looks like them, and simplified Han.

    Linear in the length of the text. Runs of white space become one space.
    """
    return _folded(_plain(text))[0]


def _plain(text: str) -> str:
    if _IS_BEFORE.search(text):
        text = text.translate(_BEFORE)
    if not text.isascii():
        for sign, plain_sign in _FULL_WIDTH.items():
            text = text.replace(sign, plain_sign)
        text = _CROSS.sub("\u00b7", text)
    plain = text if _IS_PLAIN.fullmatch(text) else strip_obfuscation(text)
    return _CODE.sub(_without_digits, plain) if _HAS_CODE.search(plain) else plain


def _folded(plain: str) -> tuple[str, set[str]]:
    """Return the text in lower case, with plain letters for what looks like them, and its characters, if not all are
    ASCII."""
    lowered = plain.casefold()
    if "'" in lowered:
        lowered = _POSSESSIVE.sub("", lowered)
    if lowered.isascii():
        return lowered, set()
    characters = set(lowered)
    replaced = characters & _REPLACED
    for each in replaced:  # few: str.translate looks up each character of the text
        lowered = lowered.replace(each, _REPLACEMENTS[each])
    return lowered, characters - replaced | {_REPLACEMENTS[each] for each in replaced}


def _without_digits(code: re.Match[str]) -> str:
    return _DIGITS.sub(" ", code[0])


def _reading(text: str, characters: set[str]) -> Reading:
    words: list[str] = []
    variants: list[tuple[int, int, str]] = []
    inside: set[int] = set()
    for chunk in text.replace(", ", " ").replace(". ", " ").split():  # most are plain words then
        core = chunk if chunk.isalpha() else chunk.strip(_EDGES)
        if core.isascii() and core.isalpha():
            words.append(core)
        elif core:
            _read_chunk(core, words, variants, inside)
    return Reading(text, words, variants, inside, _han(text) if characters else "", characters)


def _read_chunk(chunk: str, words: list[str], variants: list[tuple[int, int, str]], inside: set[int]) -> None:
    """Add what is written without a space, but not only in letters, such as `p0rn`, `n.u.d.e` or `nude-colored`."""
    first = len(words)
    pieces = _LETTERS.findall(chunk)
    if not pieces:
        if len(chunk) == 1 and _LEET_CHARACTER.match(chunk):
            words.append(chunk)
        return
    words += pieces
    has_leet = _LEET_CHARACTER.search(chunk) is not None
    joined = _letterings(chunk) if has_leet else {"".join(pieces)}
    if len(pieces) <= _MASKED_PIECES and _MASK.search(chunk):
        joined.add(_MASK.sub("*", chunk))
    variants += [(first, len(words), word) for word in joined.difference(pieces) if len(word) > 1]
    if has_leet or "*" in chunk:
        _read_parts(_PART.findall(chunk), first, variants, inside)


def _read_parts(parts: Sequence[str], first: int, variants: list[tuple[int, int, str]], inside: set[int]) -> None:
    """Add what the parts between hyphens and the like may be: `nud3` in `hot_nud3_wife`, `s*lf` in `s*lf-harm`."""
    for part in parts:
        end = first + len(_LETTERS.findall(part))
        inside.update(range(first + 1, end))
        if len(parts) > 1 and end > first and not part.isalpha():
            readings = _letterings(part) | {_MASK.sub("*", part)}
            variants += [(first, end, word) for word in readings if len(word) > 1]
        first = end


def _letterings(chunk: str) -> set[str]:
    """Return what the chunk may be in letters."""
    found = {_NO_LETTER.sub("", chunk.translate(table)) for table in _LEET}
    if "v" in chunk:
        found |= {each.replace("v", "u") for each in found}
    parts = _STROKE.split(chunk)
    if 2 <= len(parts) - 1 <= _STROKES:
        for letters in product("il", repeat=len(parts) - 1):
            mixed = "".join(map(str.__add__, parts, (*letters, "")))
            found.add(_NO_LETTER.sub("", mixed.translate(_LEET[0])))
    return found


def letters_of(word: str) -> set[str]:
    """Return what the word's digits and signs may stand for, in letters only."""
    return {_NO_LETTER.sub("", word.translate(table)) for table in _LEET[:2]} if not word.isalpha() else {word}


def _han(text: str) -> str:
    """Return the text's Han runs, without the spaces and signs between them.

    A comma or the like separates two runs, unless one is a single character: in a list, the end of an entry and the
    beginning of the next are no word.
    """
    if not _HAS_HAN.search(text):
        return ""
    runs: list[str] = []
    apart = True
    last_is_han = False
    for gap, han, other in _RUN.findall(text):
        if gap and not apart:
            apart = len(runs[-1]) > 1 and (not _SEPARATORS.isdisjoint(gap) or "." in (gap.rstrip(".") if han else gap))
        if han and runs and (not apart or (len(han) == 1 and last_is_han)):
            runs[-1] += han
        else:
            runs.append(han or other)
        last_is_han = bool(han)
        apart = not han
    return " ".join(runs)
