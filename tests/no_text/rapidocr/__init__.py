"""Text reader that finds no text, for tests that are not about text (fixture `no_text_reading`).

Its models are of one node, so that they load like real ones.
"""

from __future__ import annotations

from typing import Any


class RapidOCR:
    """RapidOCR's interface, as far as framelens.video.features.text_recognition uses it."""

    def __init__(self, **_: Any) -> None:
        self.txts = self.scores = self.boxes = None

    def __call__(self, image: Any) -> RapidOCR:
        return self
