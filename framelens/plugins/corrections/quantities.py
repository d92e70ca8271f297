"""Numbers that a text names, in digits, in English words or in Chinese numerals.

A text that may invent a number is read strictly, the text that it was made from generously: 三 is a quantity in
三辆车 and none in 三轮车, and "both cars" may become 两辆车. Clock times are checked with the citations.
"""

import re
from collections.abc import Iterator

from framelens.plugin.texts import HAN_NUMERALS, han_number

_DIGITS = re.compile(r"(第\s*)?(?<![\d:.,])(\d+(?:[.,]\d+)*)(?![\d:])([千万]?)")
_SMALL = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = "second third fourth fifth sixth seventh eighth ninth tenth"
_POWERS = {"hundred": 100, "thousand": 1000}
_VALUES = {word: number for number, word in enumerate(_SMALL.split(), 1)} | {
    word: number * 10 for number, word in enumerate(_TENS.split(), 2)
}
_FIRST = "第1"
_LOOSE = (
    _VALUES
    | _POWERS
    | {word: number for number, word in enumerate(_ORDINALS.split(), 2)}
    | {"both": 2, "twice": 2, "pair": 2, "couple": 2, "双": 2, "俩": 2, "dozen": 12}
    | dict.fromkeys(("first", "once", "首"), _FIRST)
)
"""Words that may become a number."""
_BELOW_HUNDRED = "(?:(?:{tens})[- ](?:{small})|{small}|{tens})".format(
    small=_SMALL.replace(" ", "|"), tens=_TENS.replace(" ", "|")
)
_ENGLISH = re.compile(rf"\b{_BELOW_HUNDRED}(?: (?:hundred|thousand)(?: and {_BELOW_HUNDRED})?)?\b")
_HAN = f"[{HAN_NUMERALS}]"
_MEASURES = (
    "个名位人只头匹条张幅帧台辆部架艘件把块本支根排列组对双杯瓶盘碗家棵朵座间扇种"
    "段次遍步行页句层楼号岁元倍度级枚颗套天年点秒米吨"
)
"""Words that make a quantity of a numeral before them; not those that often make another word of it (四周, 三轮)."""
_QUANTITY = re.compile(
    rf"(?<![{HAN_NUMERALS}\d几数期周])(?:"  # 几十 and 数百 are no numbers, 星期三 is a day
    rf"第(?!一时间)(?P<order>{_HAN}+)|[百千万]?分之(?P<share>{_HAN}+)"
    rf"|(?P<long>[一二两三四五六七八九]+[十百千万]{_HAN}*|十[一二三四五六七八九万]{_HAN}*)(?!几)"
    rf"|(?!二次|[百千万])(?P<counted>{_HAN}+)(?=[多余来]?(?:[{_MEASURES}]|分[钟之\d{HAN_NUMERALS}]|小时|公里|厘米|毫米|公斤)))"
)


def names_new_number(text: str, source: str) -> bool:
    """Return whether a text names a number that the text it was made from doesn't name; one of a thing is none.

    >>> names_new_number("三辆车停在一起", "Three cars."), names_new_number("三辆车", "Some cars.")
    (False, True)
    """
    return not set(_named(text)) <= {"1", *_possible(source)}


def _named(text: str) -> Iterator[str]:
    """Yield the numbers that a text names, _FIRST for the first of an order: 1 of anything else is an article."""
    for order, digits, power in _DIGITS.findall(text):
        number = str(int(digits) * han_number(power)) if power and digits.isdecimal() else digits.replace(",", "")
        yield _FIRST if order and number == "1" else number
    for match in _ENGLISH.finditer(text.lower()):
        yield _english_number(match[0])
    for order, *others in _QUANTITY.findall(text):
        yield from [_FIRST] if order == "一" else _han_numbers("".join((order, *others)))


def _possible(text: str) -> Iterator[str]:
    """Yield the numbers that a text names or may be taken to name."""
    yield from _named(text)
    for digits in re.findall(r"\d+(?:[.,]\d+)*", text):  # of times, too: 12:30 may become 十二点半
        number = digits.replace(",", "")
        yield from (number, *(part.lstrip("0") or "0" for part in number.split(".")))
        if number == "1":
            yield _FIRST
    for run in re.findall(f"{_HAN}+", text):
        yield from _han_numbers(run).union(*map(_han_numbers, run))
    for word in re.findall(r"[a-z]+|[首双俩]", text.lower()):
        if word in _LOOSE:
            yield str(_LOOSE[word])


def _english_number(words: str) -> str:
    number = 0
    for word in re.findall("[a-z]+", words):
        number = number * _POWERS[word] if word in _POWERS else number + _VALUES.get(word, 0)
    return str(number)


def _han_numbers(run: str) -> set[str]:
    """Return the number of a run of numerals, or both of a pair of digits: 两三辆车 are two or three cars."""
    is_pair = len(run) == 2 and not set(run) & set("十百千万")
    return {str(han_number(sign)) for sign in run} if is_pair else {str(han_number(run))}
