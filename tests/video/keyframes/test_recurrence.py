"""What comes again and again counts less, however it moves; other words in one place count each time."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from app.video.features.frame_signature import blocks_of
from app.video.keyframes.candidate_pool import Candidate
from app.video.keyframes.recurrence import times_again
from app.video.keyframes.selector import choose
from tests.media import Image, textured
from tests.video.keyframes.test_selector import shots
from tests.video.shots.test_cut_detector import look_of

SCENE = textured(1, 640, 360)
PLACE = (slice(300, 330), slice(60, 380))


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
    worths = np.zeros((number, 576), np.float32)
    for place, picture in pictures.items():
        items[place].look = look_of(picture)
        apart = np.abs(items[place].look.cells - plain.cells).sum(axis=0)
        worths[place] = 4 * (apart > 0.1)
        worths[place].reshape(18, 32)[:, :3] = 0
    return items, worths


def again(pictures: dict[int, Image]) -> dict[int, float]:
    items, worths = row(pictures)
    found = times_again(items, worths, np.stack([blocks_of(item.look) for item in items]))
    return {place: float(found[place]) for place in pictures}


def test_what_comes_four_times_comes_three_times_again() -> None:
    assert again({place: swept() for place in (5, 20, 35, 50)}) == dict.fromkeys((5, 20, 35, 50), 3.0)


def test_what_stays_does_not_come_again() -> None:
    assert set(again({place: swept() for place in range(20, 30)}).values()) == {0.0}


def test_other_words_in_the_same_place_are_something_else() -> None:
    words = {5: "market pump valve 21", 20: "copper engine 84", 35: "winter river field 3", 50: "bridge meadow 67"}
    assert set(again({place: captioned(text) for place, text in words.items()}).values()) == {0.0}


def test_captions_are_chosen_before_recurring_motion() -> None:
    """The sweeps fill more of the picture, and no two of them look alike in every cell."""
    hands = {place: swept(place) for place in (2, 8, 14, 20, 26, 32, 38, 44, 50, 56)}
    texts = {11: captioned("market pump valve 21"), 29: captioned("copper engine 84"), 47: captioned("winter field 3")}
    items, worths = row({**hands, **texts})
    chosen = choose(items, shots(0.0, end=60.0), 4, worths=list(worths))
    assert set(texts) <= {round(choice.candidate.time_seconds) for choice in chosen}
