"""Reader of text as a voter of a search: a frame has the wanted words if they are read on it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Generator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from framelens.core.domain import Analysis, ScreenText
from framelens.core.errors import Cancelled, InputError
from framelens.i18n import notice_text
from framelens.questions.retrieval.text_matching import TextMatcher
from framelens.questions.votes import Vote
from framelens.video.features.text_recognition import TextReading

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]

Texts = tuple[ScreenText, ...]
_KEPT = 256
"""Pictures that the next picture is compared with, a fifth of a megabyte each: as many as an analysis has keyframes."""
_SIDE, _CELL = 640, 8
"""Longer side of the compared pictures, and side of the cells that are compared, in pixels: a letter fills one."""
_SAME_SHARE, _FLAT = 0.1, 24.0
"""Greatest mean difference of a cell in which nothing was written, as a share of its contrast (standard deviation, and
as much for a flat cell, in 8-bit units). Measured in 720p: 0.02 between frames and pictures of a still page, 0.11 to
0.18 where a dark digit of 18 pixels differs, 0.5 where one of 40 does; smaller digits have less."""


class _Look(NamedTuple):
    """A picture, with mean and contrast of its cells."""

    grey: Grey
    means: NDArray[np.float32]
    contrasts: NDArray[np.float32]

    @classmethod
    def from_jpeg(cls, jpeg: bytes) -> _Look:
        """Decode a picture."""
        import numpy as np

        grey = _grey(jpeg)
        means = _means(grey)
        variances = _means(grey.astype("float32") ** 2) - means**2
        contrasts: NDArray[np.float32] = np.sqrt(variances.clip(min=0)) + np.float32(_FLAT)
        return cls(grey, means, contrasts)

    def is_like(self, other: _Look) -> bool:
        """Return whether two pictures show the same; the means of their cells rule out most others."""
        if self.grey.shape != other.grey.shape:
            return False
        most = _SAME_SHARE * self.contrasts.clip(min=other.contrasts)
        if (abs(self.means - other.means) > most).any():
            return False
        return bool((_means(abs(self.grey.astype("int16") - other.grey)) <= most).all())


class FrameTextReader:
    """Reader of the text on frames; a picture that looks like a known picture isn't read. Not thread-safe.

    Args:
        reading: The recognition process, which the caller closes.
    """

    def __init__(self, reading: TextReading) -> None:
        self._reading = reading
        self._seen: OrderedDict[int, tuple[_Look, Texts]] = OrderedDict()

    def learn(self, analysis: Analysis) -> None:
        """Take over the text of the keyframes of an analysis."""
        texts = {fact.number: fact.texts for fact in analysis.facts}
        for frame in analysis.keyframes:
            if frame.jpeg and frame.number in texts:
                self._keep(_Look.from_jpeg(frame.jpeg), texts[frame.number])

    def texts(self, jpeg: bytes) -> Texts:
        """Return the lines on a picture.

        Raises:
            InputError: "text_unreadable": text can't be recognised on this machine.
        """
        look = _Look.from_jpeg(jpeg)
        for key, (other, texts) in reversed(self._seen.items()):
            if look.is_like(other):
                self._seen.move_to_end(key)
                return texts
        self._reading.want([jpeg])
        texts = self._reading.read(jpeg)
        if missing := self._reading.missing:
            raise InputError("text_unreadable", reason=notice_text(missing))
        self._keep(look, texts)
        return texts

    def _keep(self, look: _Look, texts: Texts) -> None:
        self._seen[max(self._seen, default=0) + 1] = look, texts
        if len(self._seen) > _KEPT:
            self._seen.popitem(last=False)


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
    match = matcher.in_lines(texts)
    return Vote(index, match.confidence, match.text) if match else Vote(index, 0.0)


def _grey(jpeg: bytes) -> Grey:
    import numpy as np

    with Image.open(BytesIO(jpeg)) as picture:
        picture.draft("L", (_SIDE, _SIDE))
        small = picture.convert("L")
    small.thumbnail((_SIDE, _SIDE))
    return np.asarray(small, np.uint8)


def _means(picture: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return the mean of each cell."""
    height, width = (side // _CELL * _CELL for side in picture.shape)
    cells = picture[:height, :width].reshape(height // _CELL, _CELL, width // _CELL, _CELL)
    means: NDArray[np.float32] = cells.mean(axis=(1, 3), dtype="float32")
    return means
