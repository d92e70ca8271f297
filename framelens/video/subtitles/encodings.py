"""Decoder of the text of subtitle files: by mark, as UTF-8, or in the code page whose letters fit a language best.

charset-normalizer decodes 57 of 222 files of 20 cues in the usual code pages wrongly, Spanish and Portuguese of Windows
among them; these letters decode one wrongly (`python -m benchmarks.subtitle_encodings`).

What this module does not do: encodings of seven bits (ISO-2022, HZ), Hebrew that is written backwards, and the shaped
Arabic of DOS.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
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
_CODE_PAGES = (
    "gb18030 big5hkscs cp932 cp949 cp1252 cp1251 cp1250 cp1253 cp1254 cp1255 cp1256 cp874 cp1257 cp1258 koi8_r koi8_u "
    "iso8859_2 iso8859_5 iso8859_6 euc_jp cp866 cp1125 cp855 cp850 cp852 cp857 cp775 cp737 cp862 cp720 "
    "mac_roman mac_latin2 mac_cyrillic mac_turkish mac_greek"
)
"""Python's names of code pages, the usual first.

Big5 has Hong Kong's supplement: plain Big5 lacks common letters that Windows writes, such as 裏 and 恒.
"""
_SHOWN = {"big5hkscs": "Big5", "cp932": "Shift-JIS", "cp949": "EUC-KR", "cp874": "Windows-874"}
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
    "hr bs sr sl": "čšžćđ",
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
    "zh zh-hans": "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年",
    "zh zh-hant yue": "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著喺嘅哋咗唔佢",
    "ja": "いのなたてしかんはにうとるがまでこっれらもすきあだよさりくそけせえアンスーイルトリクッラロタ",
    "ko": "이다는을에가의고하지를도한로은나서있어사기리아자해그요니내일만들수보거대게안시정말오면무저네구여제라",
}
"""Letters of Chinese in simplified and traditional characters, Japanese and Korean, the most frequent first."""
_RANK_COST = 0.15
"""Cost of each more usual code page."""
_CHARACTERS = ("gb2312", "big5", "shift_jis", "euc_kr")
"""Code pages of the characters that these languages have."""
_WIDE_COST, _FOREIGN_COST, _SYMBOL_COST, _SIGN_COST = 8.3, 9.0, 11.0, 2.5
"""Costs of a rarer character of East Asia, of a letter that the language lacks, of a symbol and of a usual sign; the
letters of a language cost the natural logarithm of their share."""
_MIXED_COST, _CAPITAL_COST = 3.0, 1.5
"""Costs of letters side by side that no word has, and of the first capital of several."""
_NAMED_GAIN, _MOST_NAMED_GAIN = 6.0, 25.0
"""Gain of each letter of a language that the file's name says, and of all letters at most: names may be wrong."""
_MOST_PER_BYTE = 5.5
"""Cost of a byte beyond ASCII above which bytes are no text in any code page."""
_SIGNS = frozenset("’“”…–—‘„«»¡¿،؟״׳\xa0，。！？、：；（）《》「」『』【】·～")
_TIMES = re.compile(rb"\d")
"""What every form of subtitles writes with digits of ASCII."""
_SAMPLE_BYTES = 1 << 12


class UnknownEncodingError(ValueError):
    """Raised if the bytes of a file are not text in any known encoding of subtitles."""


@dataclass(frozen=True)
class Decoded:
    """The text of a subtitle file; `assumed` names the encoding if it had to be guessed."""

    text: str
    assumed: str = ""


def decoded(data: bytes, languages: Collection[str] = ()) -> Decoded:
    """Decode a subtitle file by its byte order mark, as UTF-8, or in the code page that its letters fit best.

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
    if not (_is_utf8(data) or _TIMES.search(data)):
        raise UnknownEncodingError
    return decoded_texts([data], languages)[0]


def decoded_texts(texts: Sequence[bytes], languages: Collection[str] = ()) -> list[Decoded]:
    """Decode the texts of a track, which share an encoding: UTF-8, or the code page that their letters fit best.

    Raises:
        UnknownEncodingError: No known encoding of subtitles fits the bytes.
    """
    data = b"\n".join(texts)
    if _is_utf8(data):
        is_broken = "\N{REPLACEMENT CHARACTER}" in data.decode(errors="replace")
        return [Decoded(_without_marks(text.decode(errors="replace")), "UTF-8" if is_broken else "") for text in texts]
    name = _code_page(data, languages)
    shown = _SHOWN.get(name) or re.sub("CP(?=125)", "Windows-", name.upper()).replace("ISO", "ISO-").replace("_", "-")
    return [Decoded(text.decode(name, "replace"), shown) for text in texts]


def _is_utf8(data: bytes) -> bool:
    """Return whether bytes are UTF-8, except for the few that a damaged or truncated file has broken."""
    text = data.decode(errors="replace")
    num_broken = text.count("\N{REPLACEMENT CHARACTER}")
    return num_broken <= _BROKEN_SHARE * sum(not letter.isascii() for letter in text)


def _without_marks(text: str) -> str:
    """Return the text without byte order marks: files that were joined have some in the middle."""
    return text.replace("\ufeff", "")


def _code_page(data: bytes, languages: Collection[str]) -> str:
    """Return the code page in which the first lines that aren't ASCII alone are the likeliest text."""
    lines = (line for line in data[: 64 * _SAMPLE_BYTES].splitlines() if not line.isascii())
    sample = b"\n".join(lines)[:_SAMPLE_BYTES]
    costs = {name: _cost(sample.decode(name, "replace"), languages) for name in _CODE_PAGES.split()}
    ranked = [(cost + _RANK_COST * rank, name) for rank, (name, cost) in enumerate(costs.items())]
    name = min(ranked)[1]
    if costs[name] > _MOST_PER_BYTE * sum(byte >= 0x80 for byte in sample):
        raise UnknownEncodingError
    return name


def _cost(text: str, languages: Collection[str]) -> float:
    """Return how unlikely the characters of a text are, in their likeliest language."""
    counts = Counter(char for char in text.replace("İ", "ı").lower() if not char.isascii())
    letters = {char: count for char, count in counts.items() if unicodedata.category(char)[0] in "LM"}
    signs = sum(
        count * (_SIGN_COST if char in _SIGNS else _SYMBOL_COST) for char, count in counts.items() - letters.items()
    )
    mixed = sum(map(_is_mixed, *zip(*pairwise(text), strict=True))) if len(text) > 1 else 0
    capitals = sum(char.isupper() and not (char.isascii() or last.isupper()) for last, char in pairwise(f" {text}"))
    best = min(_language_cost(letters, index, languages) for index in range(len(_RANKS)))
    return signs + best + _MIXED_COST * mixed + _CAPITAL_COST * capitals


def _language_cost(letters: dict[str, int], index: int, languages: Collection[str]) -> float:
    costs = {char: _RANKS[index].get(char) or _rarer_cost(char, index - len(_ALPHABETS)) for char in letters}
    num_own = sum(count for char, count in letters.items() if costs[char] < _FOREIGN_COST)
    gain = 0.0 if _LANGUAGES[index].isdisjoint(languages) else min(_MOST_NAMED_GAIN, _NAMED_GAIN * num_own)
    return sum(count * costs[char] for char, count in letters.items()) - gain


@cache
def _rarer_cost(char: str, syllabary: int) -> float:
    """Return the cost of a letter that isn't among the frequent letters of a language."""
    if char < "\u2e80":
        return _FOREIGN_COST
    is_used = syllabary >= 0 and char.encode(_CHARACTERS[syllabary], "ignore")
    return _WIDE_COST if is_used else _SYMBOL_COST


def _is_mixed(left: str, right: str) -> bool:
    """Return whether two letters don't follow each other in words: small and capital, or Latin and another script."""
    is_other_script = left.isascii() != right.isascii() and max(left, right) > "\u036f"
    return (left.islower() and right.isupper()) or (left.isalpha() and right.isalpha() and is_other_script)


def _rank(letters: str, share: float = 1.0) -> dict[str, float]:
    """Return the cost of letters by their rank: how frequent a letter is falls about like 1 / (rank + 2)."""
    unique = list(dict.fromkeys(letters))
    total = sum(1 / (rank + 2) for rank in range(len(unique)))
    return {letter: log((rank + 2) * total / share) for rank, letter in enumerate(unique)}


_RANKS = [_rank(alphabet) for alphabet in _ALPHABETS.values()]
_RANKS += [_rank(syllabary, 0.5) for syllabary in _SYLLABARIES.values()]
_LANGUAGES = [frozenset(codes.split()) for codes in (*_ALPHABETS, *_SYLLABARIES)]
