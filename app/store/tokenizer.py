"""From text to the words that it is searched by, and from what a user types to what is looked for and where it stands.

Chinese and Japanese are written without spaces, so each of their characters is a word here, and a run of them is looked
for as a phrase: two characters such as 红车 are found, and 车红 is not. Letters count without their case and accents,
and in their plain form (full-width ones, ligatures). Nothing that is typed is ever an operator but quotation marks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_HAN = (
    "\u3005-\u3007\u3041-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+")
_TYPED = re.compile(r'["“”]([^"“”]*)["“”]?|([^\s"“”]+)')
_IS_HAN = re.compile(rf"[{_HAN}]")
BORDER = "ǁ"
"""A letter that stands between passages, so that no phrase reaches from one into the next."""
_MOST_TERMS = 16


@dataclass(frozen=True)
class Term:
    """Words that must follow one another; with `is_open` the last one may be the beginning of a longer word."""

    words: tuple[str, ...]
    is_open: bool = False


def folded(text: str) -> str:
    """The text with letters in their plain form, small and without accents."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(one for one in plain if not unicodedata.combining(one)).casefold()


def words_of(text: str) -> list[str]:
    """The words of a text, folded, in their order."""
    return [word for word in _WORD.findall(folded(text)) if word != BORDER]


def body_of(texts: Iterable[str]) -> str:
    """What is put into the index for these passages: their words with spaces between them."""
    return f" {BORDER} ".join(" ".join(words_of(text)) for text in texts)


def terms_of(typed: str) -> tuple[Term, ...]:
    """What is looked for: each piece between spaces, or in quotation marks, is a term. Open is one that ends in letters
    outside of quotation marks. Of a very long text the first terms count.
    """
    found = []
    for quoted, bare in _TYPED.findall(typed):
        if words := words_of(quoted or bare):
            found.append(Term(tuple(words), is_open=not quoted and not _IS_HAN.match(words[-1])))
    return tuple(dict.fromkeys(found[:_MOST_TERMS]))


def match_of(terms: Sequence[Term]) -> str:
    """The expression for FTS5's MATCH that wants all of the terms."""
    return " ".join(f'"{" ".join(term.words)}"{"*" if term.is_open else ""}' for term in terms)


def places(text: str, terms: Sequence[Term]) -> list[tuple[int, int]]:
    """Where the terms stand in the text: [start, end) in characters, in order and apart from one another."""
    whole, origin = _mapped(text)
    found = sorted(
        (origin[match.start()], origin[match.end() - 1] + 1)
        for term in terms
        for match in _pattern(term).finditer(whole)
    )
    apart: list[tuple[int, int]] = []
    for start, end in found:
        if apart and start < apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((start, end))
    return apart


def found_in(text: str, terms: Sequence[Term]) -> frozenset[Term]:
    """Return the terms that occur in the text."""
    whole = folded(text)
    return frozenset(term for term in terms if _pattern(term).search(whole))


def _pattern(term: Term) -> re.Pattern[str]:
    """The term in folded text; whatever is no word may stand between its words."""
    pattern = re.escape(term.words[0])
    for left, right in pairwise(term.words):
        gap = "*" if _IS_HAN.match(left) or _IS_HAN.match(right) else "+"
        pattern += rf"[\W_]{gap}{re.escape(right)}"
    before = "" if _IS_HAN.match(term.words[0]) else rf"(?<![^\W_{_HAN}])"
    after = "" if term.is_open or _IS_HAN.match(term.words[-1]) else rf"(?![^\W_{_HAN}])"
    return re.compile(before + pattern + after)


def _mapped(text: str) -> tuple[str, list[int]]:
    """The folded text with the place of each of its characters in the text it comes from."""
    pieces = [folded(one) for one in text]
    return "".join(pieces), [place for place, piece in enumerate(pieces) for _ in piece]
