"""What counts as shown: two captions in one place are two, and what comes again and again counts less each time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from app.core.domain import Shot
from app.video.keyframes import pipeline
from app.video.keyframes.candidate_pool import Candidate
from app.video.keyframes.selector import choose
from app.video.readers import open_reader
from tests.media import moving, write_video
from tests.video.keyframes.test_selector import candidate, shots

EVENT = 8.0
CAPTION = slice(500, 540)


def events(
    places: dict[int, Sequence[tuple[slice, float]]], worth: float = EVENT
) -> tuple[list[Candidate], list[np.ndarray]]:
    """A hundred candidates in 200 s of nearly one picture, with other values in some cells at some places."""
    items = [candidate(50 * place, 0.3 + 0.01 * (place // 2 % 3)) for place in range(100)]
    worths = [np.zeros(576, np.float32) for _ in items]
    for place, parts in places.items():
        for cells, value in parts:
            worths[place][cells] = worth
            items[place].look.cells[:, cells] = value
            items[place].look.levels[:, cells] = round(255 * value)
    return items, worths


def places(items: list[Candidate], worths: list[np.ndarray], budget: int, cut: list[Shot] | None = None) -> set[int]:
    choices = choose(items, cut or shots(0.0, end=200.0), budget, worths=worths)
    return {choice.candidate.index // 50 for choice in choices}


def test_new_caption_in_same_place_is_not_a_repeat() -> None:
    """Most of its cells look as those of the first; something smaller elsewhere is less."""
    other = [(CAPTION, 0.9), (slice(500, 506), 0.6)]
    items, worths = events({20: [(CAPTION, 0.9)], 60: other, 80: [(slice(100, 130), 0.7)]})
    assert places(items, worths, 2) == {20, 60}


def test_repeats_leave_room_for_smaller_changes() -> None:
    often = {place: [(slice(100, 200), 0.8)] for place in (10, 24, 38, 52, 66, 80)}
    small = {place: [(slice(start, start + 40), 0.6)] for place, start in ((17, 300), (45, 360), (73, 420))}
    found = places(*events({**often, **small}), 6)
    assert set(small) <= found
    assert len(found & set(often)) == 3


def test_what_stays_is_not_the_same_again() -> None:
    stays = {place: [(CAPTION, 0.9)] for place in range(30, 60)}
    found = places(*events({**stays, 90: [(slice(100, 110), 0.7)]}), 2)
    assert 90 in found and len(found & set(stays)) == 1


def test_first_picture_is_no_newer_than_other_openings() -> None:
    items, worths = events({30: [(slice(100, 400), 0.8)]})
    for place, worth in ((0, EVENT), (50, 0.5), (75, 0.5)):
        items[place].opens = items[place].index
        worths[place][:] = worth
    assert places(items, worths, 1, shots(0.0, 100.0, 150.0, end=200.0)) == {30}


def test_a_title_is_as_much_news_as_the_shots_that_follow() -> None:
    """Each shot shows something else; the third holds an event as well."""
    opened = {0: slice(0, 150), 50: slice(150, 300), 75: slice(300, 450)}
    items, worths = events({**{place: [(cells, 0.8)] for place, cells in opened.items()}, 90: [(CAPTION, 0.8)]})
    for place in opened:
        items[place].opens = items[place].index
    worths[90] *= 3
    assert places(items, worths, 3, shots(0.0, 100.0, 150.0, end=200.0)) == set(opened)


def test_the_only_shot_begins_with_no_event() -> None:
    items, worths = events({30: [(slice(100, 200), 0.8)]})
    items[0].opens = 0
    worths[0][:] = EVENT
    assert places(items, worths, 1) == {30}


def test_what_moves_from_the_start_is_no_news_there(folder: Path) -> None:
    """As long as nothing is known of a video all that moves would be."""
    path = write_video(folder / "moves_from_the_start.mp4", moving(200))
    with open_reader(path) as reader:
        survey = pipeline.begun_survey(reader, frames=16, max_side=160)
        list(survey.events())
    found = survey.candidates()
    early = [
        float(worth.sum())
        for item, worth in zip(found, survey.worths(found), strict=True)
        if item.opens is None and item.time_seconds < 0.25
    ]
    assert early and max(early) == pytest.approx(0.0)
