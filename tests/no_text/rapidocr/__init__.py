"""Text reader that finds no text, for tests that are not about text (fixture `no_text_reading`).

Its models have a single node, so that they load like real models.
"""

from __future__ import annotations

from typing import Any


class RapidOCR:
    """The part of RapidOCR's interface that framelens.video.features.text_recognition uses."""

    def __init__(self, **_: Any) -> None:
        self.txts = self.scores = self.boxes = None

    def __call__(self, image: Any) -> RapidOCR:
        return self
