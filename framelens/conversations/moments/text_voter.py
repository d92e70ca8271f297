"""Reader of text as a voter of a search: a frame has the wanted words if they are read on it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Generator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from framelens.conversations.retrieval.text_matching import TextMatcher
from framelens.conversations.votes import Vote
from framelens.core.domain import ScreenText
from framelens.core.errors import Cancelled, InputError
from framelens.i18n import notice_text
from framelens.video.features.text_recognition import TextReading

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grey = NDArray[np.float32]

Texts = tuple[ScreenText, ...]
_KEPT = 12
"""Pictures that the next picture is compared with: a search goes back and forth between few places."""
_SIDE, _CELL = 640, 8
"""Longer side of the compared pictures, and side of the cells that are compared, in pixels: a letter fills one."""
_SAME_CELLS = 8.0
"""Greatest mean difference of a cell in which nothing was written, in 8-bit units. Measured: 1.2 between the frames of
a still page, 120 where a digit of 40 pixels differs."""


class FrameTextReader:
    """Reader of the text on frames; a picture that looks like one just read isn't read again. Not thread-safe.

    Args:
        reading: The recognition process, which the caller closes.
    """

    def __init__(self, reading: TextReading) -> None:
        self._reading = reading
        self._read: OrderedDict[int, tuple[Grey, Texts]] = OrderedDict()

    def texts(self, jpeg: bytes) -> Texts:
        """Return the lines on a picture.

        Raises:
            InputError: "text_unreadable": text can't be recognised on this machine.
        """
        import numpy as np

        grey = _grey(jpeg)
        for key, (other, texts) in reversed(self._read.items()):
            if other.shape == grey.shape and _greatest_difference(np.abs(grey - other)) <= _SAME_CELLS:
                self._read.move_to_end(key)
                return texts
        self._reading.want([jpeg])
        texts = self._reading.read(jpeg)
        if missing := self._reading.missing:
            raise InputError("text_unreadable", reason=notice_text(missing))
        self._read[max(self._read, default=0) + 1] = grey, texts
        if len(self._read) > _KEPT:
            self._read.popitem(last=False)
        return texts


class TextVoter:
    """Voter that says yes where it reads the wanted words; the probability is the recogniser's confidence.

    Args:
        matcher: The wanted words.
        reader: Reads the pictures.
    """

    can_mislead = False

    def __init__(self, matcher: TextMatcher, reader: FrameTextReader) -> None:
        self._matcher = matcher
        self._reader = reader

    def ask(
        self,
        thing: str,
        jpegs: Sequence[bytes],
        *,
        seconds: float,
        cancel: threading.Event | None = None,
        absent: bool = False,
    ) -> Generator[Vote, None, None]:
        """Yield a vote on each picture until the time is over; see `Voter`.

        Raises:
            InputError: Text can't be recognised on this machine.
            Cancelled: `cancel` was set.
        """
        deadline = time.monotonic() + seconds
        for index, jpeg in enumerate(jpegs):
            if cancel and cancel.is_set():
                raise Cancelled
            if time.monotonic() > deadline:
                return
            yield vote_of(index, self._matcher, self._reader.texts(jpeg))


def vote_of(index: int, matcher: TextMatcher, texts: Texts) -> Vote:
    """Return the vote of the text on a picture."""
    found = matcher.in_lines(texts)
    return Vote(index, found.confidence, found.text) if found else Vote(index, 0.0)


def _grey(jpeg: bytes) -> Grey:
    import numpy as np

    with Image.open(BytesIO(jpeg)) as picture:
        picture.draft("L", (_SIDE, _SIDE))
        small = picture.convert("L")
    small.thumbnail((_SIDE, _SIDE))
    return np.asarray(small, np.float32)


def _greatest_difference(difference: Grey) -> float:
    """Return the greatest mean of a cell."""
    height, width = (side // _CELL * _CELL for side in difference.shape)
    cells = difference[:height, :width].reshape(height // _CELL, _CELL, width // _CELL, _CELL)
    return float(cells.mean(axis=(1, 3)).max(initial=0.0))
