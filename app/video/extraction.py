"""From an opened reader to the events of a whole extraction: survey, choice, facts. Runs in the decoding child."""

from __future__ import annotations

from collections.abc import Iterator

import cv2

from app.domain import Keyframe, KeyframesChosen, VideoEvent
from app.video.choice import choose
from app.video.facts import facts_of
from app.video.readers.base import FrameReader
from app.video.survey import Survey


def run(reader: FrameReader, *, frames: int, max_side: int, read_text: bool) -> Iterator[VideoEvent]:
    """Yields what app.video.extract promises, after Probed."""
    cv2.setNumThreads(1)  # the decoder's own threads have the cores; these pictures are small
    survey = Survey(reader, frames=frames, max_side=max_side)
    yield from survey.events()
    summary = survey.summary()
    keyframes = []
    candidates = survey.candidates()
    choices = choose(candidates, summary.shots, frames, worths=survey.worths(candidates))
    for number, choice in enumerate(choices, 1):
        item = choice.candidate
        jpeg, width, height = item.jpeg(max_side)
        keyframes.append(
            Keyframe(number, item.index, item.time_seconds, choice.reason, choice.shot, width, height, jpeg)
        )
    yield KeyframesChosen(tuple(keyframes), summary)
    yield from facts_of(keyframes, read_text=read_text)
