"""Notices that a model has lost its way and only repeats itself, while its answer is still coming.

What counts is the end of the text: the same piece, letter for letter, over and over. Entries that differ in the numbers
of their frames are no repetition, however alike; nor are table lines and the brackets of JSON.
"""

from __future__ import annotations

from math import ceil

_WINDOW = 6000  # characters looked back on
_ANCHOR = 16  # the end of the text that is looked for before it
_STEP = 32  # characters between two looks
_MOST_PERIODS = 12  # earlier places of the anchor that are tried
_LONGEST_PERIOD = 1200
_FEWEST = 4  # repetitions
_LEAST_WIDTH = 240  # that they fill together, in Latin characters
_MOST_NUMBERS = 150  # in a row, with nothing but commas and spaces between them
_BETWEEN_NUMBERS = "0123456789 \n,.;:、，-"


class Loop:
    """Watches one answer: `push` its pieces as they come. Where it sees a loop depends on the answer alone, not on the
    pieces; `length` is the number of characters that it has looked at by then.
    """

    def __init__(self) -> None:
        self.is_looping = False
        self.length = 0
        self._tail = ""
        self._unseen = ""

    def push(self, piece: str) -> bool:
        """Whether the answer repeats itself by now; once it does, that stays so."""
        self._unseen += piece
        while len(self._unseen) >= _STEP and not self.is_looping:
            self._tail = (self._tail + self._unseen[:_STEP])[-_WINDOW:]
            self._unseen = self._unseen[_STEP:]
            self.length += _STEP
            self.is_looping = _repeats(self._tail) or _counts(self._tail)
        return self.is_looping


def is_looping(text: str) -> bool:
    """Whether a whole answer repeats itself anywhere."""
    return Loop().push(text)


def _repeats(text: str) -> bool:
    anchor = text[-_ANCHOR:]
    end = len(text) - 1
    for _ in range(_MOST_PERIODS):
        place = text.rfind(anchor, 0, end)
        end = place + len(anchor) - 1
        period = len(text) - len(anchor) - place
        if place < 0 or period > _LONGEST_PERIOD:
            return False
        piece = text[-period:]
        times = max(_FEWEST, ceil(_LEAST_WIDTH / _width(piece)))
        if text.endswith(piece * times):
            return True
    return False


def _width(text: str) -> int:
    """Its length, with a Chinese character for two: it says as much as two Latin ones, and costs as much."""
    return len(text) + sum(character >= "\u2e80" for character in text)


def _counts(text: str) -> bool:
    """Whether it ends in a long row of bare numbers."""
    row = text[len(text.rstrip(_BETWEEN_NUMBERS)) :]
    return len(row) > _MOST_NUMBERS and len(row.replace(",", " ").split()) > _MOST_NUMBERS
