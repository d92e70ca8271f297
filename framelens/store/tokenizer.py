"""Tokenizer of the full-text search: words of a text, terms of a query, and the positions of terms in a text.

Chinese and Japanese are written without spaces, so each of their characters is a word here, and a run of them is
searched as a phrase: 红车 matches these two characters in this order, not 车红. Case, accents and compatibility forms
(full-width letters, ligatures) are ignored. Quotation marks are the only operator in a query.
"""

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
"""Letter between passages, so that no phrase reaches from a passage into the next passage."""
_MOST_TERMS = 16
"""Terms of a query that are used."""


@dataclass(frozen=True)
class SearchTerm:
    """Words that must follow one another; with `is_open` the last word may be the start of a longer word."""

    words: tuple[str, ...]
    is_open: bool = False


def folded(text: str) -> str:
    """Return the text with letters in their plain form, lower case and without accents."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).casefold()


def words_of(text: str) -> list[str]:
    """List the words of a text, folded, in order."""
    return [word for word in _WORD.findall(folded(text)) if word != BORDER]


def body_of(texts: Iterable[str]) -> str:
    """Build the indexed text of these passages: their words with spaces between them."""
    return f" {BORDER} ".join(" ".join(words_of(text)) for text in texts)


def terms_of(typed: str) -> tuple[SearchTerm, ...]:
    """Parse a query: each piece between spaces, or in quotation marks, is a term.

    A term outside of quotation marks that ends in letters is open. Of a very long query the first terms are used.
    """
    terms = []
    for quoted, bare in _TYPED.findall(typed):
        if words := words_of(quoted or bare):
            terms.append(SearchTerm(tuple(words), is_open=not quoted and not _IS_HAN.match(words[-1])))
    return tuple(dict.fromkeys(terms[:_MOST_TERMS]))


def match_of(terms: Sequence[SearchTerm]) -> str:
    """Build the expression for FTS5's MATCH that requires all of the terms."""
    return " ".join(f'"{" ".join(term.words)}"{"*" if term.is_open else ""}' for term in terms)


def places(text: str, terms: Sequence[SearchTerm]) -> list[tuple[int, int]]:
    """Find the terms in the text.

    Returns:
        Half-open ranges [start, end) in characters, sorted, with overlapping ranges merged.
    """
    whole, origin = _fold_with_positions(text)
    spans = sorted(
        (origin[match.start()], origin[match.end() - 1] + 1)
        for term in terms
        for match in _pattern(term).finditer(whole)
    )
    apart: list[tuple[int, int]] = []
    for start, end in spans:
        if apart and start < apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((start, end))
    return apart


def found_in(text: str, terms: Sequence[SearchTerm]) -> frozenset[SearchTerm]:
    """Return the terms that occur in the text."""
    whole = folded(text)
    return frozenset(term for term in terms if _pattern(term).search(whole))


def _pattern(term: SearchTerm) -> re.Pattern[str]:
    """Build the pattern of a term in folded text; any characters that are not words may separate its words."""
    pattern = re.escape(term.words[0])
    for first, right in pairwise(term.words):
        gap = "*" if _IS_HAN.match(first) or _IS_HAN.match(right) else "+"
        pattern += rf"[\W_]{gap}{re.escape(right)}"
    before = "" if _IS_HAN.match(term.words[0]) else rf"(?<![^\W_{_HAN}])"
    after = "" if term.is_open or _IS_HAN.match(term.words[-1]) else rf"(?![^\W_{_HAN}])"
    return re.compile(before + pattern + after)


def _fold_with_positions(text: str) -> tuple[str, list[int]]:
    """Return the folded text with the position of each of its characters in the original text."""
    pieces = [folded(letter) for letter in text]
    return "".join(pieces), [index for index, piece in enumerate(pieces) for _ in piece]
