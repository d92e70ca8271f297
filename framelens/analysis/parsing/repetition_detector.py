"""Detector of a model that only repeats itself, while its answer is still streamed.

It looks at the end of the text for the same piece, letter for letter, over and over. Entries that differ in their frame
numbers are not a repetition, however alike; nor are table lines and the brackets of JSON.
"""

from collections.abc import Generator
from contextlib import closing
from math import ceil

from framelens.llm.stream import AnswerPiece, Reply

# Lengths are in characters.
_WINDOW = 6000  # end of the text that is searched
_ANCHOR = 16  # end of the text that is searched for in the window
_STEP = 32  # distance between two checks
_MOST_PERIODS = 12  # earlier positions of the anchor that are tried
_LONGEST_PERIOD = 1200
_FEWEST = 4  # repetitions
_LEAST_WIDTH = 240  # width of all repetitions together, in Latin characters
_MOST_NUMBERS = 150  # longest row of numbers with only commas and spaces between them
_BETWEEN_NUMBERS = "0123456789 \n,.;:、，-"


class RepetitionDetector:
    """Detector for a streamed answer; the position where it finds a loop doesn't depend on the size of the pieces.

    Attributes:
        length: Number of characters checked.
    """

    def __init__(self) -> None:
        self._is_looping = False
        self.length = 0
        self._tail = ""
        self._unseen = ""

    def push(self, piece: str) -> bool:
        """Add a piece of the answer and return True if the answer repeats itself, now or before."""
        self._unseen += piece
        while len(self._unseen) >= _STEP and not self._is_looping:
            self._tail = (self._tail + self._unseen[:_STEP])[-_WINDOW:]
            self._unseen = self._unseen[_STEP:]
            self.length += _STEP
            self._is_looping = _repeats(self._tail) or _counts(self._tail)
        return self._is_looping


def until_loop(pieces: Generator[AnswerPiece, None, Reply]) -> Generator[AnswerPiece, None, tuple[Reply, bool]]:
    """Yield the pieces of an answer until it, or the reasoning before it, only repeats itself.

    Returns:
        The reply, cut off where it was found to repeat itself, and whether it does.
    """
    loop, thoughts, text = RepetitionDetector(), RepetitionDetector(), ""
    with closing(pieces):
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                return end.value, False
            if piece.restart:
                loop, text = RepetitionDetector(), ""
            text += piece.text
            yield piece
            if loop.push(piece.text) or thoughts.push(piece.reasoning):
                return Reply(text[: loop.length], "stop", None, is_reasoned=not text.strip()), True


def _repeats(text: str) -> bool:
    anchor = text[-_ANCHOR:]
    end = len(text) - 1
    for _ in range(_MOST_PERIODS):
        position = text.rfind(anchor, 0, end)
        end = position + len(anchor) - 1
        period = len(text) - len(anchor) - position
        if position < 0 or period > _LONGEST_PERIOD:
            return False
        piece = text[-period:]
        times = max(_FEWEST, ceil(_LEAST_WIDTH / _width(piece)))
        if text.endswith(piece * times):
            return True
    return False


def _width(text: str) -> int:
    """Return the length with a Chinese character counted as two: it holds and costs as much as two Latin characters."""
    return len(text) + sum(character >= "\u2e80" for character in text)


def _counts(text: str) -> bool:
    """Return True if the text ends in a long row of bare numbers."""
    row = text[len(text.rstrip(_BETWEEN_NUMBERS)) :]
    return len(row) > _MOST_NUMBERS and len(row.replace(",", " ").split()) > _MOST_NUMBERS
