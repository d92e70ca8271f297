"""Keyframe metrics that need no model: text, colours, brightness, sharpness and motion.

They are measured on the JPEG that the report shows, so the facts describe the picture a reader sees.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from app.core.domain import FactsMeasured, FrameFacts, Keyframe, Notice, Noticed, ScreenText
from app.video.features.dominant_colours import main_colours
from app.video.hashing import picture_key
from app.video.readers.base import Image, as_image, fitted, scaled

if TYPE_CHECKING:
    from app.video.features.text_recognition import TextReading

_FACTS_SIDE = 640  # longer side, pixels. Chosen by hand; not tuned.
ReadText = Callable[[bytes], tuple[ScreenText, ...]]


class FrameMeter:
    """Meter for keyframes in time order: motion is measured against the previous one.

    No text is read on pictures whose key is in `have_text`: the caller has it already.
    """

    def __init__(self, read_text: ReadText | None, have_text: Collection[str] = ()) -> None:
        self._read_text = read_text
        self._have_text = have_text
        self._before: Image | None = None

    def measure(self, keyframe: Keyframe) -> FrameFacts:
        """Return the facts of the next keyframe."""
        image = as_image(cv2.imdecode(np.frombuffer(keyframe.jpeg, np.uint8), cv2.IMREAD_COLOR))
        small = scaled(image, fitted(image.shape[1], image.shape[0], _FACTS_SIDE))
        luma = as_image(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY))
        before, self._before = self._before, luma
        if before is not None:  # the picture may have changed its size
            before = scaled(before, (luma.shape[1], luma.shape[0]))
        return FrameFacts(
            number=keyframe.number,
            texts=self._read_text(keyframe.jpeg) if self._read_text and not self._has_text(keyframe) else (),
            colours=main_colours(small),
            brightness=round(float(luma.mean()) / 255, 3),
            sharpness=round(float(cv2.Laplacian(luma, cv2.CV_64F).var()), 1),
            motion=None if before is None else round(float(cv2.absdiff(before, luma).mean()) / 255, 4),
        )

    def _has_text(self, keyframe: Keyframe) -> bool:
        return bool(self._have_text) and picture_key(keyframe.jpeg) in self._have_text


def facts_of(
    keyframes: Sequence[Keyframe], reading: TextReading | None, have_text: Collection[str] = ()
) -> Iterator[FactsMeasured | Noticed]:
    """Yield the facts of each keyframe in order, preceded by a notice if text could not be read.

    Args:
        keyframes: Keyframes in time order.
        reading: Text reader that was asked for these keyframes (`want`); None to read no text.
        have_text: Keys of pictures whose text the caller has already.
    """
    meter = FrameMeter(reading.read if reading else None, frozenset(have_text))
    missing: Notice | None = None
    for keyframe in keyframes:
        facts = meter.measure(keyframe)
        if missing is None and reading is not None and (missing := reading.missing):
            yield Noticed(missing)
        yield FactsMeasured(facts)
