"""A prompt without what disguises its words: other alphabets, invisible characters, digits for letters, gaps. Pure.

Covered: what looks like Latin letters, in any script, case and style; accents and other marks; zero-width and other
invisible characters; digits and signs for letters (`p0rn`, `$ex`); letters apart (`n u d e`, `n.u.d.e`), by lexicon.py;
spaces and signs between Han characters; traditional Han, read as simplified. spellings.py adds what changes more.

Not covered: spellings by sound that no list has, letters left out, words spelled backwards, HTML entities, Base64,
emoji that stand for things. The text encoder does not read them as the word either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from disarm import strip_obfuscation

_BAR: Final = "\u00a6"
"""Stands for `|`, which disarm would take for an l, also between two words."""

_LOOKALIKES: Final = str.maketrans(
    {chr(0x1F1E6 + index): chr(ord("a") + index) for index in range(26)}  # regional indicators, the letters of flags
    | dict(zip("¡ᴎиꮑᑎᥒͷ₦ŋцᥙʉдⲇ∂ðǝɘᥱⲉяꞃƨʃ§пгᔕᗝ○◯●◎☆★✱", "innnnnnnnuuuddddeeeerrsssnrsooooo***", strict=True))
)
"""What disarm leaves as it is. It folds about 6,000 characters."""

_SIMPLIFIED: Final = str.maketrans(
    "體絲掛著脫沒圖電級宮愛為姦亂倫獸陰莖陽龜頭鳥雞騷貨蕩婦賣褲殺殘傷縊輕尋藥樓結燒斬斷顱開內臟腸腦漿剝遲馬爛屍塊滿臉渾"
    "兒戀孌蘿銅學歲嬰寶貝貓誘襯撫醫檢畫術維納衛隊預門機辭妝麥巖車鑽礦線裝價館義圍點溫儀傳質驗會現積縣響談換異覺齡強迴灑"
    "淚鮮歷無碼單馱觀臺燈橋蘭籃鐘腳帶頂墜鼴實鳳樹葉園龍紅綠黃穢嬸媽個進與繩紋節處製練壯緊態軆銫鯊導復檔讓閃險馮綁鋸骯髒"
    "鐵軌躍懸樑頸動脈噴濺慘噁熱豐騙濃視頻網寫禮貼紀繪關錢類籠廣場習員樣請總銀觸條這說時從長來話報專業萬餅麗舉麼烏書兩產"
    "親優淨準減擊劃則劇勢勸華臥雙號弔後牆聲嬌對爾盡屬島彈慣戶摳暈傑槍梟氣匯澆滾煉煙燙狀獨環蓋離篩約組絨絕絞緞縷縫腫脅藝"
    "蟲見計講識語課調譜貪貴輪過遠連醬裡鋼間陸雛顏飛飲騎魚鯉鰓鵝師護軍裏喫瘋雜擔邊錄許們藍麵樂壞鬥農補衝滅",
    "体丝挂着脱没图电级宫爱为奸乱伦兽阴茎阳龟头鸟鸡骚货荡妇卖裤杀残伤缢轻寻药楼结烧斩断颅开内脏肠脑浆剥迟马烂尸块满脸浑"
    "儿恋娈萝铜学岁婴宝贝猫诱衬抚医检画术维纳卫队预门机辞妆麦岩车钻矿线装价馆义围点温仪传质验会现积县响谈换异觉龄强回洒"
    "泪鲜历无码单驮观台灯桥兰篮钟脚带顶坠鼹实凤树叶园龙红绿黄秽婶妈个进与绳纹节处制练壮紧态体铯鲨导复档让闪险冯绑锯肮脏"
    "铁轨跃悬梁颈动脉喷溅惨恶热丰骗浓视频网写礼贴纪绘关钱类笼广场习员样请总银触条这说时从长来话报专业万饼丽举么乌书两产"
    "亲优净准减击划则剧势劝华卧双号吊后墙声娇对尔尽属岛弹惯户抠晕杰枪枭气汇浇滚炼烟烫状独环盖离筛约组绒绝绞缎缕缝肿胁艺"
    "虫见计讲识语课调谱贪贵轮过远连酱里钢间陆雏颜飞饮骑鱼鲤鳃鹅师护军里吃疯杂担边录许们蓝面乐坏斗农补冲灭",
)
"""Traditional characters of the lists' words and of what is near them. The lists' own text is read the same way."""

_REPLACEMENTS: Final = _LOOKALIKES | _SIMPLIFIED
_REPLACED: Final = {chr(code): text if isinstance(text, str) else chr(text) for code, text in _REPLACEMENTS.items()}
"""Few of them are in a text, and str.translate looks up each character."""

_SIGNS: Final = dict(zip("0123456789@$€£+", "oizeasgtbgaselt", strict=True))
_LEET: Final = (
    str.maketrans(_SIGNS | dict.fromkeys("1!|" + _BAR, "i")),
    str.maketrans(_SIGNS | dict.fromkeys("1!|" + _BAR, "l")),
    str.maketrans(dict.fromkeys(_SIGNS.keys() - set("0345"), "") | {"0": "o", "3": "e", "4": "a", "5": "s", "1": "i"}),
)
"""Readings of digits and signs. In the last one, signs only separate letters."""

_EDGES: Final = ".,;:?'\"()[]{}<>_-~`^&%#/\\=*\u2026\u2013\u2014\u00b7\u2022"
_LETTERS: Final = re.compile("[a-z]+")
_NO_LETTER: Final = re.compile("[^a-z]+")
_LEET_CHARACTER: Final = re.compile(f"[0-9@$€£+!{_BAR}]")
HAN: Final = "\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_SEPARATORS: Final = ",;.!?:\uff0c\u3002\uff1b\uff01\uff1f"
_HAN_RUN: Final = re.compile(f"[{HAN}]+|[a-z0-9]+|[{_SEPARATORS}]")
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
    han: str
    """Runs of Han characters, and of letters and digits, separated by spaces."""


def normalized(text: str) -> str:
    """Return the text in lower case, with Latin letters for what looks like them, and simplified Han.

    Linear in the length of the text. Runs of white space become one space.
    """
    plain = strip_obfuscation(text.replace("|", _BAR)).casefold()
    if not plain.isascii():
        for each in _REPLACED.keys() & set(plain):
            plain = plain.replace(each, _REPLACED[each])
    return plain


def reading(text: str) -> Reading:
    """Return the words and the Han characters of a normalized text."""
    words: list[str] = []
    variants: list[tuple[int, int, str]] = []
    for chunk in text.replace(", ", " ").replace(". ", " ").split():  # most are plain words then
        core = chunk if chunk.isalpha() else chunk.strip(_EDGES)
        if core.isascii() and core.isalpha():
            words.append(core)
        elif core:
            _read_chunk(core, words, variants)
    return Reading(text, words, variants, _han(text))


def _read_chunk(chunk: str, words: list[str], variants: list[tuple[int, int, str]]) -> None:
    """Add what is written without a space, but not only in letters, such as `p0rn`, `n.u.d.e` or `nude-colored`."""
    first = len(words)
    pieces = _LETTERS.findall(chunk)
    if not pieces:
        if len(chunk) == 1 and _LEET_CHARACTER.match(chunk):
            words.append(chunk)
        return
    words += pieces
    tables = _LEET if _LEET_CHARACTER.search(chunk) else _LEET[:1]
    joined = {_NO_LETTER.sub("", chunk.translate(table)) for table in tables}
    if "*" in chunk:
        joined.add(chunk)
    variants += [(first, len(words), word) for word in joined.difference(pieces) if len(word) > 1]


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
    after_han = False
    for run in _HAN_RUN.findall(text):
        if run in _SEPARATORS:
            apart = apart or bool(runs and len(runs[-1]) > 1)
            continue
        is_han = not run.isascii()
        if is_han and runs and (not apart or (len(run) == 1 and after_han)):
            runs[-1] += run
        else:
            runs.append(run)
        apart = not is_han
        after_han = is_han
    return " ".join(runs)
