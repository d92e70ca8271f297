"""From an opened reader to the events of a whole extraction: survey and choice. Runs in the decoding child.

With an opening the choice is made twice: for the beginning as soon as it has been read, and at the end for the rest,
where what the beginning shows counts as shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2

from app.core.domain import Keyframe, KeyframesChosen, OpeningChosen, SurveyProgress, VideoEvent
from app.video.keyframes.candidate_pool import Candidate
from app.video.keyframes.early_keyframes import Opening
from app.video.keyframes.selector import Choice, choose
from app.video.keyframes.survey import OpeningRead, Survey
from app.video.readers.base import FrameReader


def run(
    reader: FrameReader,
    *,
    frames: int,
    max_side: int,
    opening: Opening | None = None,
    checked: Callable[[Survey], FrameReader | None] = lambda _: None,
) -> Iterator[VideoEvent]:
    """Yields what app.video.extract promises, after Probed and before the facts.

    Where `checked` returns a reader for a finished survey, frames are chosen in a second survey of that.
    """
    survey = begun(reader, frames=frames, max_side=max_side, opening=opening)
    begins: list[Candidate] = []
    for event in survey.events():
        if not isinstance(event, OpeningRead):
            yield event
        elif opening is not None and (choices := _opening_choices(survey, opening)):
            begins = [choice.candidate for choice in choices]
            yield OpeningChosen(_keyframes(choices, max_side))
    if (again := checked(survey)) is not None:
        with again:
            survey = begun(again, frames=frames, max_side=max_side)
            yield from (event for event in survey.events() if isinstance(event, SurveyProgress))
            summary = survey.summary()
    else:
        summary = survey.summary()
    candidates = survey.candidates()
    if opening is not None and begins:
        candidates = [*begins, *(one for one in candidates if one.time_seconds >= opening.seconds)]
    choices = choose(candidates, summary.shots, frames, worths=survey.worths(candidates), num_fixed=len(begins))
    yield KeyframesChosen(_keyframes(choices, max_side), summary)


def begun(reader: FrameReader, *, frames: int, max_side: int, opening: Opening | None = None) -> Survey:
    """A survey that has the machine as it likes it."""
    cv2.setNumThreads(1)  # the decoder's own threads have the cores; these pictures are small
    return Survey(reader, frames=frames, max_side=max_side, opening=opening)


def _opening_choices(survey: Survey, opening: Opening) -> list[Choice]:
    candidates = [one for one in survey.candidates() if one.time_seconds < opening.seconds]
    shots = survey.shots_until(opening.seconds)
    return choose(candidates, shots, opening.frames, worths=survey.worths(candidates), goes_on=True)


def _keyframes(choices: Sequence[Choice], max_side: int) -> tuple[Keyframe, ...]:
    return tuple(_keyframe(number, choice, max_side) for number, choice in enumerate(choices, 1))


def _keyframe(number: int, choice: Choice, max_side: int) -> Keyframe:
    item = choice.candidate
    jpeg, width, height = item.jpeg(max_side)
    return Keyframe(number, item.index, item.time_seconds, choice.reason, choice.shot, width, height, jpeg)
