"""Dissolves and wipes: found where one picture turns into another, and not where things move or the light changes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from app.core.domain import Boundary
from app.video.shots.gradual_transitions import Gradual, GradualDetector
from app.video.shots.shot_list import joined, shots_between
from tests.media import Image, faded, moving, textured, write_video
from tests.video.conftest import Chosen
from tests.video.shots.test_cut_detector import look_of


def dissolves(images: Iterable[Image], rate: float = 25) -> list[Gradual]:
    detector = GradualDetector()
    found = [detector.push(index / rate, look_of(image)) for index, image in enumerate(images)]
    return [one for one in (*found, detector.flush()) if one is not None]


def mixed(first: Image, second: Image, count: int) -> list[Image]:
    return [np.asarray(first * (1 - share) + second * share, np.uint8) for share in np.linspace(0, 1, count)]


def wiped(first: Image, second: Image, count: int, way: str) -> list[Image]:
    """An edge that moves across the picture, or from its middle outwards."""
    height, width = first.shape[:2]
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    order = {
        "right": across,
        "up": 1 - down,
        "slanting": (across + down) / 2,
        "iris": np.hypot(across - 0.5, down - 0.5),
    }
    steps = np.linspace(0, float(order[way].max()), count)
    return [np.where((order[way] < step)[..., None], second, first).astype(np.uint8) for step in steps]


@pytest.mark.parametrize("way", ["right", "up", "slanting", "iris"])
@pytest.mark.parametrize("count", [14, 30])
def test_a_wipe_is_found_once_and_where_it_is(way: str, count: int) -> None:
    one, two = textured(1), textured(2)
    found = dissolves([*[one] * 50, *wiped(one, two, count, way), *[two] * 50])
    assert [gradual.type for gradual in found] == ["wipe"]
    assert abs((found[0].start_seconds + found[0].end_seconds) / 2 - (50 + count / 2) / 25) < 0.4


def test_things_that_cross_the_picture_are_no_wipe() -> None:
    crossing = []
    for place in range(0, 160, 4):
        image = textured(1).copy()
        image[20:80, max(0, place - 60) : place] = (200, 30, 30)
        crossing.append(image)
    assert dissolves([*[textured(1)] * 30, *crossing, *[textured(1)] * 30]) == []


def test_a_dissolve_is_found_once_and_where_it_is() -> None:
    one, two = textured(1), textured(2)
    found = dissolves([*[one] * 50, *mixed(one, two, 20), *[two] * 50])
    assert len(found) == 1
    assert 1.6 <= found[0].start_seconds <= 2.4 and 2.4 <= found[0].end_seconds <= 3.3


def take(seed: int) -> Image:
    """Somebody else in the same room: a third of the picture differs, none of it much."""
    room = textured(9).astype(np.float32) * 0.3 + 90
    room[:, 40:100] = textured(seed)[:, 40:100] * 0.8 + 60
    return np.asarray(np.clip(room, 0, 255), np.uint8)


def test_a_dissolve_between_two_takes_in_one_room_is_found() -> None:
    found = dissolves([*[take(1)] * 50, *mixed(take(1), take(2), 20), *[take(2)] * 50])
    assert [gradual.type for gradual in found] == ["dissolve"]
    assert 1.6 <= found[0].start_seconds <= 2.4 and 2.4 <= found[0].end_seconds <= 3.3


def test_somebody_who_moves_in_the_room_is_no_dissolve() -> None:
    walking = []
    for left in range(0, 100, 2):
        image = take(1)
        image[30:, left : left + 30] = take(2)[30:, 45:75]
        walking.append(image)
    assert dissolves([*[take(1)] * 30, *walking, *[take(1)] * 30]) == []


def test_motion_light_and_cuts_are_no_dissolves() -> None:
    still = textured(1)
    assert dissolves(moving(100)) == []
    assert dissolves([*faded(still, 40, 0.4, 1.0), *faded(still, 40, 1.0, 0.4)]) == []
    assert dissolves([*[still] * 50, *[textured(2)] * 50]) == []


def test_a_transition_is_reported_once() -> None:
    inside, beside = Boundary(2.2, 2.2, "cut"), Boundary(5.0, 5.0, "cut")
    known = [Boundary(2.0, 2.6, "dissolve"), Boundary(2.3, 2.9, "dissolve"), Boundary(5.2, 5.8, "dissolve")]
    assert joined([inside, beside], known) == (known[0], beside)
    assert joined([Boundary(1.5, 2.2, "fade")], known[:1]) == (Boundary(1.5, 2.2, "fade"),)


def test_shots_meet_in_the_middle_of_a_transition() -> None:
    shots = shots_between([Boundary(2.0, 3.0, "dissolve")], 8.0)
    assert [(shot.start_seconds, shot.end_seconds) for shot in shots] == [(0.0, 2.5), (2.5, 8.0)]


def test_a_shot_begins_with_a_frame_where_their_times_are_known() -> None:
    times = [0.0, 1.1, 2.3, 2.6, 3.0, 4.0]
    first, second = shots_between([Boundary(2.0, 3.0, "dissolve")], 8.0, times)
    assert first.end_seconds == second.start_seconds == 2.3


def test_a_wipe_in_a_file_is_a_boundary_with_its_type(folder: Path, chosen: Chosen) -> None:
    one, two = textured(3), textured(4)
    images = [*[one] * 60, *wiped(one, two, 25, "right"), *[two] * 60]
    decode = chosen(write_video(folder / "wipe.mp4", images), 8).decode
    assert [boundary.type for boundary in decode.boundaries] == ["wipe"]
    assert len(decode.shots) == 2
