"""Wanted words in text that was read or said, whatever the case, width, blanks and line breaks.

Letters that recognition confuses (l and 1, O and 0) are the same here. Long words may differ in a letter or two, and a
match says whether it does.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from framelens.core.domain import ScreenText

_ALIKE = {sign: f"[{re.escape(signs)}]" for signs in ("l1i|", "o0") for sign in signs}
_HOMOGLYPHS = str.maketrans("αβεζηικμνορτυχавекмнорстухіјѕ", "abezhikmnoptyxabekmhopctyxijs")
"""Small Greek and Cyrillic letters whose capitals look like Latin letters, which recognition takes them for."""
_KEPT = frozenset("%#&@/*")
"""Punctuation that changes what a text says; the rest separates words."""
_ACCENTS = re.compile("[\u0300-\u036f]")
_UNSPACED = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
_NO_SPACES = re.compile(f"[{_UNSPACED}]")
"""Scripts without blanks between words, in which a word has no borders."""
_LETTERS_AN_EDIT = 8
"""Letters of a Latin word for each that may be wrong: shorter words differ from other words ("valve", "value")."""
_SIGNS_AN_EDIT = 5
"""The same in scripts without blanks."""
_MOST_EDITS = 2
_MOST_LINES = 3
"""Lines over which wanted words are split at most."""
_WIDE = 16 / 9
"""Usual ratio of a frame's sides, by which a distance across is compared with the height of a line."""


@dataclass(frozen=True)
class TextMatch:
    """Text in which wanted words were found, as it was read or said.

    Attributes:
        text: The line or lines.
        confidence: The recogniser's, 0 to 1, the lowest of the lines.
        is_exact: Whether the words are there letter by letter.
    """

    text: str
    confidence: float
    is_exact: bool


class TextMatcher:
    """Finder of the same words in many texts.

    Args:
        words: The wanted words.
    """

    def __init__(self, phrase: str) -> None:
        self._words = plain(phrase)
        self._signs = self._words.replace(" ", "")
        is_spaced = not _NO_SPACES.search(self._signs)
        self._pattern = _pattern(self._signs)
        number = len(self._signs) // (_LETTERS_AN_EDIT if is_spaced else _SIGNS_AN_EDIT)
        self._edits = 0 if re.search(r"\d", self._signs) else min(_MOST_EDITS, number)
        self._is_spaced = is_spaced

    def in_text(self, text: str, confidence: float = 1.0) -> TextMatch | None:
        """Return the match if a text contains the words."""
        read = plain(text)
        if not self._signs:
            return None
        if match := self._pattern.search(read):
            return TextMatch(text, confidence, match[0].replace(" ", "").startswith(self._signs))
        if self._edits and any(_is_within_edits(self._signs, window, self._edits) for window in self._windows(read)):
            return TextMatch(text, confidence, is_exact=False)
        return None

    def in_lines(self, lines: Sequence[ScreenText]) -> TextMatch | None:
        """Return the best match in the text of a frame; words may be split over lines that follow each other."""
        candidates = (self.in_text(text, confidence) for text, confidence in _passages(lines))
        matches = [match for match in candidates if match]
        return min(matches, key=lambda match: (not match.is_exact, len(match.text)), default=None)

    def _windows(self, read: str) -> Iterator[str]:
        """Yield the parts of a text that are about as long as the words."""
        if self._is_spaced:
            words, count = read.split(), self._words.count(" ") + 1
            for length in {max(1, count - 1), count, count + 1}:
                yield from ("".join(words[at : at + length]) for at in range(len(words) - length + 1))
        else:
            signs, count = read.replace(" ", ""), len(self._signs)
            for length in range(count - self._edits, count + self._edits + 1):
                yield from (signs[at : at + length] for at in range(len(signs) - length + 1))


def is_letter_by_letter(phrase: str, text: str) -> bool:
    """Return whether a text that was read contains a phrase without a letter that differs."""
    match = TextMatcher(phrase).in_text(text)
    return match is not None and match.is_exact


def plain(text: str) -> str:
    """Return a text in lower case and usual width, without accents and punctuation, its words apart by a blank."""
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    folded = unicodedata.normalize("NFKC", bare).casefold().translate(_HOMOGLYPHS)
    signs = (
        sign if sign in _KEPT or unicodedata.category(sign)[0] in "LNMS" or _is_in_number(folded, at) else " "
        for at, sign in enumerate(folded)
    )
    return " ".join("".join(signs).split())


def _is_in_number(text: str, at: int) -> bool:
    """Return whether a sign is a point, comma or colon between digits."""
    return text[at] in ".,:" and text[at - 1 : at].isdecimal() and text[at + 1 : at + 2].isdecimal()


def _pattern(signs: str) -> re.Pattern[str]:
    """Return the pattern of words in a plain text, with any blanks between their signs; a plural is the same word."""
    alike = _ALIKE if len(signs) > 1 else {}
    body = " ?".join(alike.get(sign, re.escape(sign)) for sign in signs)
    first, last = signs[:1], signs[-1:]
    letter = rf"[^\W_{_UNSPACED}]"
    start = f"(?<!{letter})" if _has_borders(first) else ""
    plural = "(?:e?s)?" if last.isalpha() and len(signs) > 2 else ""
    return re.compile(start + body + (f"{plural}(?!{letter})" if _has_borders(last) else ""))


def _has_borders(sign: str) -> bool:
    return sign.isalnum() and not _NO_SPACES.match(sign)


def _is_within_edits(phrase: str, read: str, edits: int) -> bool:
    """Return whether a text differs in at most so many letters that are wrong, missing or too many."""
    if abs(len(phrase) - len(read)) > edits or any(sign.isdecimal() for sign in read):
        return False
    row = list(range(len(read) + 1))
    for number, sign in enumerate(phrase, 1):
        before, row = row, [number]
        for index, other in enumerate(read):
            row.append(min(before[index + 1] + 1, row[index] + 1, before[index] + (sign != other)))
        if min(row) > edits:
            return False
    return row[-1] <= edits


def _passages(lines: Sequence[ScreenText]) -> Iterator[tuple[str, float]]:
    """Yield each line, and each line with those that follow it beside or below, with the lowest confidence."""
    rows: list[tuple[ScreenText, ...]] = [(line,) for line in lines]
    for _ in range(_MOST_LINES):
        yield from ((" ".join(line.text for line in row), min(line.confidence for line in row)) for row in rows)
        rows = [(*row, after) for row in rows for after in _followers(row[-1], lines)]


def _followers(line: ScreenText, lines: Sequence[ScreenText]) -> Iterator[ScreenText]:
    """Yield the nearest line to the right in the same row, and the nearest line below of about the same height."""
    left, top, right, bottom = line.box
    height = bottom - top
    beside, below = [], []
    for other in lines:
        x0, y0, x1, y1 = other.box
        shared = min(bottom, y1) - max(top, y0)
        if shared > 0.5 * min(height, y1 - y0):
            if x0 >= right - 0.01 and (x0 - right) * _WIDE < 2 * height:
                beside.append((x0, other))
        elif y0 > top and y0 - bottom < 1.5 * height and min(right, x1) > max(left, x0) and y1 - y0 < 2 * height:
            below.append((y0, other))
    for neighbours in (beside, below):
        if neighbours:
            yield min(neighbours, key=lambda pair: pair[0])[1]
