"""What counts as shown: two captions in one place are two, and what comes again and again counts less each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.core.domain import Shot
from app.video.features.frame_signature import blocks_of
from app.video.keyframes import pipeline
from app.video.keyframes.candidates import Candidate
from app.video.keyframes.coverage import uniqueness
from app.video.keyframes.selector import choose
from app.video.readers import open_reader
from tests.media import Image, moving, textured, write_video
from tests.video.keyframes.test_selector import candidate, shots
from tests.video.shots.test_cut_detector import look_of

EVENT = 8.0
CAPTION = slice(500, 540)
SCENE = textured(1, 640, 360)
PLACE = (slice(300, 330), slice(60, 380))


def events(
    places: dict[int, Sequence[tuple[slice, float]]], worth: float = EVENT
) -> tuple[list[Candidate], list[np.ndarray]]:
    """A hundred candidates in 200 s of nearly one picture, with other values in some cells at some places."""
    items = [candidate(50 * place, 0.3 + 0.01 * (place // 2 % 3)) for place in range(100)]
    cell_values = [np.zeros(576, np.float32) for _ in items]
    for place, parts in places.items():
        for cells, value in parts:
            cell_values[place][cells] = worth
            items[place].look.cells[:, cells] = value
            items[place].look.levels[:, cells] = round(255 * value)
    return items, cell_values


def places(items: list[Candidate], values: list[np.ndarray], budget: int, cut: list[Shot] | None = None) -> set[int]:
    choices = choose(items, cut or shots(0.0, end=200.0), budget, cell_values=values)
    return {choice.candidate.index // 50 for choice in choices}


def test_new_caption_in_same_place_is_not_a_repeat() -> None:
    """Most of its cells look as those of the first; something smaller elsewhere is less."""
    other = [(CAPTION, 0.9), (slice(500, 506), 0.6)]
    items, cell_values = events({20: [(CAPTION, 0.9)], 60: other, 80: [(slice(100, 130), 0.7)]})
    assert places(items, cell_values, 2) == {20, 60}


def test_habit_leaves_room_for_smaller_changes() -> None:
    often = {place: [(slice(100, 200), 0.8)] for place in (3, 10, 24, 31, 38, 52, 59, 66, 80, 94)}
    small = {place: [(slice(start, start + 40), 0.6)] for place, start in ((17, 300), (45, 360), (73, 420))}
    assert set(small) <= places(*events({**often, **small}), 6)


def test_what_stays_is_not_the_same_again() -> None:
    stays = {place: [(CAPTION, 0.9)] for place in range(30, 60)}
    found = places(*events({**stays, 90: [(slice(100, 110), 0.7)]}), 2)
    assert 90 in found and len(found & set(stays)) == 1


def test_first_picture_is_no_newer_than_other_openings() -> None:
    items, cell_values = events({30: [(slice(100, 400), 0.8)]})
    for place, worth in ((0, EVENT), (50, 0.5), (75, 0.5)):
        items[place].opens = items[place].index
        cell_values[place][:] = worth
    assert places(items, cell_values, 1, shots(0.0, 100.0, 150.0, end=200.0)) == {30}


def test_a_title_is_as_novel_as_the_shots_that_follow() -> None:
    """Each shot shows something else; the third holds an event as well."""
    opened = {0: slice(0, 150), 50: slice(150, 300), 75: slice(300, 450)}
    items, cell_values = events({**{place: [(cells, 0.8)] for place, cells in opened.items()}, 90: [(CAPTION, 0.8)]})
    for place in opened:
        items[place].opens = items[place].index
    cell_values[90] *= 3
    assert places(items, cell_values, 3, shots(0.0, 100.0, 150.0, end=200.0)) == set(opened)


def test_the_only_shot_begins_with_no_event() -> None:
    items, cell_values = events({30: [(slice(100, 200), 0.8)]})
    items[0].opens = 0
    cell_values[0][:] = EVENT
    assert places(items, cell_values, 1) == {30}


def test_what_moves_from_the_start_is_no_novelty_there(folder: Path) -> None:
    """As long as nothing is known of a video all that moves would be."""
    path = write_video(folder / "moves_from_the_start.mp4", moving(200))
    with open_reader(path) as reader:
        survey = pipeline.create_survey(reader, frames=16, max_side=160)
        list(survey.events())
    found = survey.candidates()
    early = [
        float(worth.sum())
        for item, worth in zip(found, survey.cell_values(found), strict=True)
        if item.opens is None and item.time_seconds < 0.25
    ]
    assert early and max(early) == pytest.approx(0.0)


def captioned(words: str) -> Image:
    image = SCENE.copy()
    image[PLACE] = 0
    cv2.putText(image, words, (66, 324), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2, cv2.LINE_AA)
    return image


def swept(seed: int = 0) -> Image:
    """Something large before the scene, of which the left edge is never the same: leaves in the wind."""
    image = SCENE.copy()
    image[:, :60] = textured(seed, 60, 360)
    cv2.ellipse(image, (420, 120), (150, 100), 20, 0, 360, (190, 150, 130), -1)
    return image


def row(pictures: dict[int, Image], number: int = 60) -> tuple[list[Candidate], np.ndarray]:
    """Candidates one a second of the scene, with these pictures at these places, and what their cells are worth."""
    plain = look_of(SCENE)
    items = [Candidate(25 * n, float(n), replace(plain)) for n in range(number)]
    cell_values = np.zeros((number, 576), np.float32)
    for place, picture in pictures.items():
        items[place].look = look_of(picture)
        apart = np.abs(items[place].look.cells - plain.cells).sum(axis=0)
        cell_values[place] = 4 * (apart > 0.1)
        cell_values[place].reshape(18, 32)[:, :3] = 0
    return items, cell_values


def unique(pictures: dict[int, Image]) -> dict[int, float]:
    items, cell_values = row(pictures)
    found = uniqueness(items, cell_values, np.stack([blocks_of(item.look) for item in items]))
    return {place: float(found[place]) for place in pictures}


def test_what_comes_a_few_times_is_hardly_less_new() -> None:
    assert unique({place: swept() for place in (5, 20, 35, 50)}) == pytest.approx(
        dict.fromkeys((5, 20, 35, 50), 0.99), abs=0.01
    )


def test_what_comes_more_than_eight_times_is_habit() -> None:
    assert set(unique({place: swept() for place in range(3, 60, 6)}).values()) == {0.0}


def test_what_stays_does_not_come_again() -> None:
    assert set(unique({place: swept() for place in range(20, 40)}).values()) == {1.0}


def test_other_words_in_the_same_place_are_something_else() -> None:
    chance = np.random.default_rng(3)
    words = {place: "".join(chance.choice(list("abcdehkmnorstuvwxz "), 18)) for place in range(3, 60, 5)}
    assert min(unique({place: captioned(text) for place, text in words.items()}).values()) > 0.5


def test_captions_are_chosen_before_recurring_motion() -> None:
    """The sweeps fill more of the picture, and no two of them look alike in every cell."""
    hands = {place: swept(place) for place in (2, 8, 14, 20, 26, 32, 38, 44, 50, 56)}
    texts = {11: captioned("market pump valve 21"), 29: captioned("copper engine 84"), 47: captioned("winter field 3")}
    items, cell_values = row({**hands, **texts})
    chosen = choose(items, shots(0.0, end=60.0), 4, cell_values=list(cell_values))
    assert set(texts) <= {round(choice.candidate.time_seconds) for choice in chosen}
