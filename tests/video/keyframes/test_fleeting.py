"""Small subjects that are there for a moment: what counts as one, and that a frame shows it."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from framelens.video.keyframes.fleeting import FleetingTracker
from framelens.video.keyframes.selector import choose
from tests.media import Image, textured
from tests.video.keyframes.test_selector import candidate, shots
from tests.video.shots.test_cut_detector import look_of


def with_disc(ground: Image, centre: tuple[int, int], radius: int) -> Image:
    return np.asarray(cv2.circle(ground.copy(), centre, radius, (20, 30, 240), -1), np.uint8)


def values(pictures: Sequence[Image]) -> list[float]:
    """How likely each but the last shows a fleeting subject."""
    tracker = FleetingTracker()
    return [tracker.push(look_of(picture).blocks) for picture in pictures][1:]


def test_a_ball_that_crosses_is_seen_and_what_is_large_stays_or_comes_again_is_not() -> None:
    ground = textured(1)
    crossing = [with_disc(ground, (40 + 30 * step, 50), 4) for step in range(3)]
    seen = values([*[ground] * 60, *crossing, *[ground] * 30])
    assert min(seen[60:63]) > 0.8
    assert max(*seen[:59], *seen[64:]) == 0
    large = [with_disc(ground, (40 + 30 * step, 50), 24) for step in range(3)]
    assert max(values([*[ground] * 60, *large, *[ground] * 30])[60:63]) < 0.3
    set_down = values([*[ground] * 60, *[crossing[0]] * 30])
    assert max(set_down[61:]) == 0 and max(set_down) < min(seen[60:63])
    habit = values([ground if number % 10 else crossing[1] for number in range(120)])
    assert max(habit[80:]) < 0.3


def test_a_frame_shows_what_passes_before_a_picture_that_never_changes() -> None:
    still = [candidate(10 * number, 0.5) for number in range(30)]
    whole = shots(0.0, end=12.0)
    assert [choice.candidate.index for choice in choose(still, whole, 4)] == [0, 290]
    passing = [replace(item, fleeting=0.8 if item.index in (70, 180) else 0.0) for item in still]
    assert {70, 180} <= {choice.candidate.index for choice in choose(passing, whole, 4)}
