"""Decoder of the text of subtitle files: by mark, as UTF-8, or in the legacy encoding whose letters fit best.

Of the texts that a file's bytes can mean, the text counts whose letters are likeliest in a language. Letters of ASCII
are the same in all, so letters beyond ASCII decide, with their neighbours.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from math import log

_BROKEN_SHARE = 0.05
"""Share of the non-ASCII characters that may be broken in a damaged or truncated UTF-8 file; in a file of another
encoding most are."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # its first half is the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SWITCHING = (
    (re.compile(rb"\x1b\$[@B]"), "iso2022_jp_2", "ISO-2022-JP"),
    (re.compile(rb"\x1b\$\)C"), "iso2022_kr", "ISO-2022-KR"),
    (re.compile(rb"~\{(?:[!-w][!-~])+~\}"), "hz", "HZ"),
)
"""Encodings of seven bits: the signs that switch to their letters, Python's names and common names."""
_ENCODINGS = {
    "gb18030": ("GB18030", 0),
    "big5hkscs": ("Big5", 0),
    "cp932": ("Shift-JIS", 0),
    "cp949": ("EUC-KR", 0),
    "cp1252": ("Windows-1252", 0),
    "cp1251": ("Windows-1251", 0),
    "cp1250": ("Windows-1250", 0),
    "cp1257": ("Windows-1257", 2),
    "cp1253": ("Windows-1253", 0),
    "cp1254": ("Windows-1254", 0),
    "cp1255": ("Windows-1255", 0),
    "cp1256": ("Windows-1256", 0),
    "cp874": ("Windows-874", 0),
    "cp1258": ("Windows-1258", 2),
    "iso8859_2": ("ISO-8859-2", 2),
    "iso8859_5": ("ISO-8859-5", 2),
    "iso8859_6": ("ISO-8859-6", 2),
    "iso8859_15": ("ISO-8859-15", 2),
    "iso8859_16": ("ISO-8859-16", 2),
    "euc_jp": ("EUC-JP", 2),
    "johab": ("Johab", 6),
    "koi8_r": ("KOI8-R", 2),
    "koi8_u": ("KOI8-U", 2),
    "cp866": ("CP866", 4),
    "cp1125": ("CP1125", 4),
    "cp855": ("CP855", 4),
    "cp850": ("CP850", 4),
    "cp852": ("CP852", 4),
    "cp437": ("CP437", 4),
    "cp861": ("CP861", 4),
    "cp857": ("CP857", 4),
    "cp775": ("CP775", 4),
    "cp737": ("CP737", 4),
    "cp869": ("CP869", 4),
    "cp862": ("CP862", 4),
    "cp720": ("CP720", 4),
    "cp864": ("CP864", 6),
    "mac_cyrillic": ("Mac Cyrillic", 6),
    "mac_roman": ("Mac Roman", 6),
    "mac_latin2": ("Mac Central European", 6),
    "mac_iceland": ("Mac Icelandic", 6),
    "mac_turkish": ("Mac Turkish", 6),
    "mac_greek": ("Mac Greek", 6),
}
"""Python's names of encodings, with common names and the cost of each: DOS and old Macs are rare. Of equally likely
texts the first counts.

Big5 has Hong Kong's supplement: plain Big5 lacks common letters that Windows writes, such as 裏 and 恒.
"""
_ALPHABETS = {
    "ru": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
    "uk": "оанивіетрлсдкумязпбьгчйхцїжюшщєґф",
    "bg": "аионетрсвлдкпмзугбъяйчцжщхшюфьѝ",
    "sr": "аиоенрстдвукљмпјгзбњчшћжцхђфџ",
    "mk": "аиоенртсвдкпмјлугзбчшцжњќхфљѓџѕѐѝ",
    "be": "аеноітрсылкўпудмяьзгбчхцжэшйёюф",
    "de": "äüöß",
    "fr": "éàèêçùâîôûœïëæÿ",
    "es": "áéó¿í¡ñúü",
    "pt": "ãçáéóêíâõúàôü",
    "sv fi": "äåöé",
    "da no nb nn": "æøåéó",
    "is": "áíðþéóúæýö",
    "it ca": "àèùìòéîó",
    "nl": "éëïèöüó",
    "pl": "łęąóżśćńź",
    "cs": "íáéěýžčřšůúťďňó",
    "sk": "áíýéčžúšľťôňäďóĺŕ",
    "hu": "éáőöüóíűú",
    "ro": "ăîâşţșț",
    "hr bs sr": "šžčćđ",
    "sl": "čšž",
    "tr az": "ıüşçöğâ",
    "lt": "ėšįųžąčęū",
    "lv": "āēīšžņūļģķčŗō",
    "et": "äõüöšž",
    "el": "αοιετσνηυρπκμλςάόίέγδήύωθώχφβξζψϊΐϋΰ",
    "he yi": "יוהלארתמבשנםכדחעקפגטצזסןךףץ״׳",
    "ar fa ur": "ايلمنروتبةعدأهسفكقحجىشصطخإضذزئغثءآؤظ،؟ًٌٍَُِّْپچژگکی",
    "th": "านรอกเงมยลวดทสตะปบคหแจพชขใไโผซถศอำณญธภษฟฉฝฮฐ้่ัีิ็ืูุ์ึ๊๋ๆฯ",
    "vi": "\u0301\u0300đôưêơ\u0323\u0309âă\u0303àáãèéìíòóõùúý",
}
"""Letters beyond ASCII of languages with small alphabets, the most frequent first, by ISO 639 codes."""
_SYLLABARIES = {
    "zh zh-hans":
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所"
    "然家事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样心她前开但因只从想实吗呢吧啊很谁什",
    "zh zh-hant yue":
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所"
    "然家事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣心她前開但因只從想實嗎呢吧啊很誰什喺嘅哋咗"
    "喎唔佢係裏",
    "ja":
    "いのなたてしかんはにうとるがまでこっれらもすきあだよさりくなそけせえみおどをつわちめげごねやろじばむぶへほ一"
    "人私何今日本大丈夫彼行来時間見言分前何事気子手自出会年中上思話知者家人間アンスーイルトリクッラロタマシコドジ"
    "フレデメ",
    "ko":
    "이다는을에가의고하지를도한로은나서있어사기리아자해그요니내일만들수보거대게안시정말오면무저네구여제라데왜알금"
    "람당신었건야했",
}  # fmt: skip
"""Letters of Chinese in simplified and traditional characters, Japanese and Korean, the most frequent first."""
_FIRST_LEVELS = (("gb2312", 0xB0, 0xD7), ("big5", 0xA4, 0xC6), ("shift_jis", 0x82, 0x97), ("euc_kr", 0xB0, 0xC8))
"""Encodings in which the common characters of these languages have first bytes of a range."""
_COMMON_COST, _RARE_COST, _UNUSUAL_COST = 8.3, 11.0, 13.0
_FOREIGN_COST, _SYMBOL_COST, _BROKEN_COST = 9.0, 11.0, 14.0
_NAMED_GAIN, _MOST_NAMED_GAIN = 6.0, 25.0
"""Gain of each letter of a language that the file's name says, and of all letters at most: in longer texts letters
decide, since names may be wrong."""
_FEW_SPEAKERS_COST = 2.5
"""Cost of Icelandic, whose ð and þ are ğ and ş in the encoding of Turkish."""
_UPPER_COST = 1.5
_UPPER = re.compile("(?<![AGu])[AG]")
"""The first capital of several: whole words and texts are written in capitals."""
_DOT_OF_I = "\u0307"
"""The dot that İ keeps in lower case."""
_SIGN_COSTS = {**dict.fromkeys(f"’“”…–—{_DOT_OF_I}", 1.3), **dict.fromkeys("«»„‘♪©®™°º€£¿¡•‹›\xa0", 4.0)}
_WIDE_SIGNS = frozenset("，。！？、：；（）《》「」『』【】…·～")
_WIDE_SIGN_COST = 2.5
_MIXED_COST = 3.0
"""Cost of a capital after a small letter, and of letters of two scripts side by side."""
_MIXED = re.compile("(?=a[Au]|lA|[luaA][gG]|[gG][luaA]|gG|sa|[lagG]q[lagG]|lwl)")
_MOST_PER_BYTE = 5.5
"""Cost of a byte beyond ASCII above which bytes are no text in any known encoding."""
_SHAPED = "cp864"
"""The encoding of DOS for Arabic, which has the shapes of letters."""
_FORMS = {char: unicodedata.name(char, "") for char in bytes(range(128, 256)).decode(_SHAPED, "replace")}
_UNSHAPED = {ord(char): unicodedata.normalize("NFKC", char) for char, name in _FORMS.items() if name.endswith(" FORM")}
_OPEN = "".join(char for char, name in _FORMS.items() if name.endswith(("INITIAL FORM", "MEDIAL FORM")))
_CLOSED = "".join(
    char
    for char, name in _FORMS.items()
    if name.endswith(("ISOLATED FORM", "FINAL FORM")) and _UNSHAPED[ord(char)] in _OPEN.translate(_UNSHAPED)
)
_ILL_SHAPED = re.compile(f"[{_OPEN}](?![\ufe70-\ufeff])|[{_CLOSED}](?=[\ufe70-\ufeff])")
"""Letters that are open at the end of a word, or closed within it."""
_HEBREW = re.compile("[א-ת]")
_FINAL_FIRST = re.compile(r"(?<![א-ת])[ךםןףץ](?=[א-ת])")
_FINAL_LAST = re.compile(r"(?<=[א-ת])[ךםןףץ](?![א-ת])")
"""Letters that only end words; at the start of words they show that text is backwards."""
_LEFT_TO_RIGHT = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z.,:'/-]*[0-9A-Za-z])?")
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_TIMES = re.compile(rb"\d")
"""What every form of subtitles writes with digits of ASCII."""
_SAMPLE_BYTES = 1 << 15
# The costs are natural logarithms of shares, for letters by rank. `python -m benchmarks.subtitle_encodings` writes
# translations into files: of 666 in 13 encodings of Windows and East Asia, 5 were decoded wrongly (charset-normalizer:
# 190), of 468 in 16 of DOS, Mac, ISO and KOI8, 5 (113). Nine of these ten have two cues.


class UnknownEncodingError(ValueError):
    """Raised if the bytes of a file are not text in any known encoding of subtitles."""


@dataclass(frozen=True)
class Decoded:
    """The text of a subtitle file; `assumed` names the encoding if it had to be guessed."""

    text: str
    assumed: str = ""


def decoded(data: bytes, languages: Collection[str] = ()) -> Decoded:
    """Decode a subtitle file by its byte order mark, as UTF-8, or in the legacy encoding that its letters fit best.

    Args:
        data: The file.
        languages: Codes of the languages that the file is said to have; see `_ALPHABETS`.

    Raises:
        UnknownEncodingError: No known encoding of subtitles fits the bytes.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return Decoded(_without_marks(data.decode(name, "replace")))
    head = data[:4096]
    if head.count(0) > len(head) // 32:  # the Latin letters and digits of times have a zero byte each
        name = "utf-16-le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16-be"
        return Decoded(_without_marks(data.decode(name, "replace")), "UTF-16")
    if data.isascii():
        for switch, name, shown in _SWITCHING:
            if switch.search(data):
                return Decoded(data.decode(name, "replace"), shown)
    if not (_is_utf8(data) or _TIMES.search(data)):
        raise UnknownEncodingError
    return decoded_texts([data], languages)[0]


def decoded_texts(texts: Sequence[bytes], languages: Collection[str] = ()) -> list[Decoded]:
    """Decode the texts of a track, which share an encoding: UTF-8, or the legacy encoding that their letters fit best.

    Raises:
        UnknownEncodingError: No known encoding of subtitles fits the bytes.
    """
    data = b"\n".join(texts)
    if _is_utf8(data):
        is_broken = "\N{REPLACEMENT CHARACTER}" in data.decode(errors="replace")
        return [Decoded(_without_marks(text.decode(errors="replace")), "UTF-8" if is_broken else "") for text in texts]
    name = _guessed(data, languages)
    is_visual = _is_visual(_text(data, name))
    shown = _ENCODINGS[name][0] + (" (visual)" if is_visual else "")
    decoded = (_text(text, name) for text in texts)
    return [Decoded(_logical(text) if is_visual else text, shown) for text in decoded]


def _is_utf8(data: bytes) -> bool:
    """Return whether bytes are UTF-8, except for the few that a damaged or truncated file has broken."""
    text = data.decode(errors="replace")
    num_broken = text.count("\N{REPLACEMENT CHARACTER}")
    return num_broken <= _BROKEN_SHARE * sum(not letter.isascii() for letter in text)


def _without_marks(text: str) -> str:
    """Return the text without byte order marks: files that were joined have some in the middle."""
    return text.replace("\ufeff", "")


def _text(data: bytes, name: str) -> str:
    """Return bytes in a legacy encoding as text, in letters without their shapes."""
    text = data.decode(name, "replace")
    return text.translate(_UNSHAPED) if name == _SHAPED else text


def _is_visual(text: str) -> bool:
    """Return whether Hebrew was written backwards, as screens without right-to-left text need it."""
    return len(_FINAL_FIRST.findall(text)) > len(_FINAL_LAST.findall(text))


def _logical(text: str) -> str:
    """Return lines of Hebrew turned around; numbers and Latin words in them stay."""
    lines = text.splitlines(keepends=True)
    return "".join(_turned(line) if _HEBREW.search(line) else line for line in lines)


def _turned(line: str) -> str:
    plain = line.rstrip("\r\n")
    turned = plain[::-1].translate(_MIRRORED)
    return _LEFT_TO_RIGHT.sub(lambda match: match[0][::-1], turned) + line[len(plain) :]


def _guessed(data: bytes, languages: Collection[str]) -> str:
    sample = _sample(data)
    costs = {name: cost + _cost(_text(sample, name), languages) for name, (_, cost) in _ENCODINGS.items()}
    costs[_SHAPED] += _MIXED_COST * len(_ILL_SHAPED.findall(sample.decode(_SHAPED, "replace")))
    best = min(costs, key=costs.__getitem__)
    if costs[best] - _ENCODINGS[best][1] > _MOST_PER_BYTE * sum(byte >= 0x80 for byte in sample):
        raise UnknownEncodingError
    return best


def _sample(data: bytes) -> bytes:
    """Return the first lines that aren't ASCII alone."""
    head = data[: 64 * _SAMPLE_BYTES]
    return b"\n".join(line for line in head.splitlines() if not line.isascii())[:_SAMPLE_BYTES]


def _cost(text: str, languages: Collection[str]) -> float:
    """Return how unlikely the letters of a text are, in their likeliest language."""
    counts = Counter(char for char in text.lower() if not char.isascii())
    totals = [_FEW_SPEAKERS_COST * ("is" in codes) for codes in _LANGUAGES]
    for char, count in counts.items():
        for index, cost in enumerate(_costs(char)):
            totals[index] += count * cost
    for index in (index for index, codes in enumerate(_LANGUAGES) if not codes.isdisjoint(languages)):
        letters = (char for char in counts if char.isalpha() or char == _DOT_OF_I)
        own = (counts[char] for char in letters if _costs(char)[index] < _FOREIGN_COST)
        totals[index] -= min(_MOST_NAMED_GAIN, _NAMED_GAIN * sum(own))
    shape = text.translate({ord(char): _kind(char) for char in set(text)})
    return min(totals) + _UPPER_COST * len(_UPPER.findall(shape)) + _MIXED_COST * len(_MIXED.findall(shape))


def _kind(char: str) -> str:
    """Return a letter for the kind of a character: a small or capital letter, of ASCII, Latin or another alphabet."""
    if char.isascii():
        return "u" if char.isupper() else "l" if char.islower() else "s" if char in ".,!?" else " "
    if char in "“”…«»„":
        return "q"
    if ord(char) >= 0x2E80:
        return "w"
    if not char.isalpha():
        return " "
    small, capital = ("a", "A") if ord(char) < 0x250 or 0x1E00 <= ord(char) < 0x1F00 else ("g", "G")
    return capital if char.isupper() else small


@cache
def _costs(char: str) -> tuple[float, ...]:
    """Return the cost of a character in each language."""
    sign_cost = _SIGN_COSTS.get(char)
    kind = unicodedata.category(char)
    other = _FOREIGN_COST if kind[0] in "LM" else _BROKEN_COST if kind[0] == "C" or char == "\ufffd" else _SYMBOL_COST
    small = [sign_cost or ranks.get(char, other) for ranks in _RANKS]
    if char in _WIDE_SIGNS or "\uff01" <= char <= "\uff5e":
        return (*small, *[_WIDE_SIGN_COST] * len(_WIDE_RANKS))
    wide = zip(_WIDE_RANKS, _FIRST_LEVELS, strict=True)
    return (*small, *(ranks.get(char) or _wide_cost(char, level, other) for ranks, level in wide))


def _wide_cost(char: str, level: tuple[str, int, int], other: float) -> float:
    """Return the cost of a character of East Asia that isn't among a language's most frequent characters."""
    if ord(char) < 0x2E80 or other >= _BROKEN_COST or "\uff61" <= char <= "\uff9f":
        return max(other, _SYMBOL_COST)
    name, first, last = level
    try:
        lead = char.encode(name)[0]
    except UnicodeEncodeError:
        return _UNUSUAL_COST
    return _COMMON_COST if first <= lead <= last else _RARE_COST


def _ranked(letters: str, share: float = 1.0) -> dict[str, float]:
    """Return the cost of letters by their rank: how frequent a letter is falls about like 1 / (rank + 2)."""
    unique = list(dict.fromkeys(letters))
    total = sum(1 / (rank + 2) for rank in range(len(unique)))
    return {letter: log((rank + 2) * total / share) for rank, letter in enumerate(unique)}


_RANKS = [_ranked(alphabet) for alphabet in _ALPHABETS.values()]
_WIDE_RANKS = [_ranked(syllabary, 0.5) for syllabary in _SYLLABARIES.values()]
_LANGUAGES = [frozenset(codes.split()) for codes in (*_ALPHABETS, *_SYLLABARIES)]
