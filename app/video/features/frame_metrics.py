"""From keyframes in order to what can be measured on them without a model: text, colours, light, sharpness, motion.

The JPEG that the report shows is what is measured, so that the facts are about the very picture a reader sees.
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

_FACTS_SIDE = 640
ReadText = Callable[[bytes], tuple[ScreenText, ...]]


class FrameMeter:
    """Measures keyframes one after another; motion needs the one before. On pictures with a key in `have_text` no text
    is read: who asks has it.
    """

    def __init__(self, read_text: ReadText | None, have_text: Collection[str] = ()) -> None:
        self._read_text = read_text
        self._have_text = have_text
        self._before: Image | None = None

    def measure(self, keyframe: Keyframe) -> FrameFacts:
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
    """The facts of each keyframe in order, after a notice where text was to be read and cannot be.

    `reading` has been told that these keyframes are wanted; None where no text is to be read.
    """
    meter = FrameMeter(reading.read if reading else None, frozenset(have_text))
    missing: Notice | None = None
    for keyframe in keyframes:
        facts = meter.measure(keyframe)
        if missing is None and reading is not None and (missing := reading.missing):
            yield Noticed(missing)
        yield FactsMeasured(facts)
