"""Dissolves and wipes: found where a picture turns into another, and not where things move or the light changes."""

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from framelens.core.domain import Boundary
from framelens.video.shots.gradual_transitions import Gradual, GradualDetector
from framelens.video.shots.shot_list import joined, shots_between
from tests.media import Image, faded, moving, textured, write_video
from tests.video.conftest import Chosen
from tests.video.shots.test_cut_detector import look_of


def dissolves(images: Iterable[Image], rate: float = 25) -> list[Gradual]:
    """Detect as the survey does: every frame is pushed, and every third one with its details."""
    detector, found = GradualDetector(), []
    for index, image in enumerate(images):
        look = look_of(image)
        found.append(detector.push(index / rate, look))
        if index % 3 == 0:
            detector.push_detailed(index / rate, look)
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


@pytest.mark.slow
@pytest.mark.parametrize("way", ["right", "up", "slanting", "iris"])
@pytest.mark.parametrize("count", [14, 30])
def test_a_wipe_is_found_once_and_where_it_is(way: str, count: int) -> None:
    one, two = textured(1), textured(2)
    found = dissolves([*[one] * 50, *wiped(one, two, count, way), *[two] * 50])
    assert [gradual.type for gradual in found] == ["wipe"]
    assert abs((found[0].start_seconds + found[0].end_seconds) / 2 - (50 + count / 2) / 25) < 0.4


@pytest.mark.slow
def test_things_that_cross_the_picture_are_no_wipe() -> None:
    crossing = []
    for place in range(0, 160, 4):
        image = textured(1).copy()
        image[20:80, max(0, place - 60) : place] = (200, 30, 30)
        crossing.append(image)
    assert dissolves([*[textured(1)] * 30, *crossing, *[textured(1)] * 30]) == []


@pytest.mark.slow
def test_a_dissolve_is_found_once_and_where_it_is() -> None:
    one, two = textured(1), textured(2)
    found = dissolves([*[one] * 50, *mixed(one, two, 20), *[two] * 50])
    assert len(found) == 1
    assert 1.6 <= found[0].start_seconds <= 2.4 and 2.4 <= found[0].end_seconds <= 3.3


@pytest.mark.slow
def test_a_dissolve_out_of_a_moving_shot_is_found_as_a_whole() -> None:
    shots = [(moved(textured(1), number), textured(2)) for number in range(75)]
    shares = [*np.zeros(50), *np.linspace(0, 1, 27)[1:-1]]
    mixtures = [as_mixture(one, two, share) for (one, two), share in zip(shots, shares, strict=True)]
    found = dissolves([*mixtures, *[textured(2)] * 60])
    assert len(found) == 1
    assert found[0].start_seconds == pytest.approx(2.0, abs=0.2)
    assert found[0].end_seconds == pytest.approx(3.0, abs=0.2)


def moved(image: Image, number: int) -> Image:
    """A part of the picture that moves, and stays where it is."""
    changed = image.copy()
    changed[:, 130:] = np.roll(image[:, 130:], number, axis=0)
    return changed


def as_mixture(one: Image, two: Image, share: float) -> Image:
    return np.asarray((1 - share) * one.astype(np.float32) + share * two, np.uint8)


def take(seed: int) -> Image:
    """Somebody else in the same room: a third of the picture differs, but not much."""
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


def panned(count: int) -> list[Image]:
    """A camera that sweeps over a scene."""
    chance = np.random.default_rng(4)
    scene = cv2.resize(chance.integers(20, 236, (12, 160, 3), dtype=np.uint8), (160 + 4 * count, 96))
    return [scene[:, 4 * number : 4 * number + 160] for number in range(count)]


def strobed(count: int) -> list[Image]:
    """A hall in which a light flashes."""
    hall = textured(1) * 0.3
    return [np.asarray(hall * (2.6 if number % 5 < 2 else 1.0), np.uint8) for number in range(count)]


def blended(first: Iterable[Image], second: Iterable[Image], count: int) -> list[Image]:
    """`count` frames in which two shots that go on are mixed; the rest of each before and after."""
    one, two = list(first), list(second)
    shares = [(number + 1) / (count + 1) for number in range(count)]
    both = zip(one[-count:], two, shares, strict=False)
    mixed_frames = [np.asarray(a * (1 - share) + b * share, np.uint8) for a, b, share in both]
    return [*one[:-count], *mixed_frames, *two[count:]]


@pytest.mark.parametrize("shot", [panned, strobed])
@pytest.mark.parametrize("count", [14, 26])
@pytest.mark.parametrize("comes", [False, True])
def test_dissolve_with_a_pan_or_strobe_light_is_found(
    shot: Callable[[int], list[Image]], count: int, comes: bool
) -> None:
    still = [textured(7)] * 70
    images = blended(still, shot(70), count) if comes else blended(shot(70), still, count)
    (found,) = dissolves(images)
    assert found.type == "dissolve"
    assert abs((found.start_seconds + found.end_seconds) / 2 - (70 - count / 2) / 25) < 0.3


@pytest.mark.slow
def test_pans_flashes_and_fades_are_no_dissolves() -> None:
    pan, still = panned(70), [textured(7)] * 50
    assert dissolves([*[pan[0]] * 40, *pan, *[pan[-1]] * 40]) == []
    assert dissolves(strobed(150)) == []
    rise = [np.asarray(pan[number] * (number / 12), np.uint8) for number in range(12)]
    assert dissolves([*still, *faded(still[0], 12, 1.0, 0.0), *rise, *pan[12:]]) == []


@pytest.mark.slow
def test_large_object_over_the_picture_is_no_dissolve() -> None:
    covered = []
    for place in range(0, 160, 6):
        image = textured(7).copy()
        image[:, :place] = textured(8)[:, 160 - place :]
        covered.append(image)
    assert not any(one.type == "dissolve" for one in dissolves([*[textured(7)] * 40, *covered, *[textured(8)] * 40]))


@pytest.mark.slow
def test_dissolve_between_takes_while_somebody_moves_is_found() -> None:
    def speaking(seed: int) -> list[Image]:
        images = []
        for number in range(70):
            image = take(9)
            image[:, 52:88] = take(seed)[:, 52:88]
            top = 40 + int(20 * np.sin(number / 6 + seed))
            image[top : top + 16, 60:76] = (205, 170, 150)
            images.append(image)
        return images

    (found,) = dissolves(blended(speaking(1), speaking(2), 20))
    assert found.type == "dissolve" and 1.8 < (found.start_seconds + found.end_seconds) / 2 < 3.0
    assert dissolves(speaking(1)) == []


def standing(place: int, seed: int = 3) -> Image:
    """Somebody before a wall, `place` pixels from the left; a tenth of the picture differs between two places."""
    image = np.full((90, 160, 3), 200, np.uint8)
    image[15:90, place : place + 30] = textured(seed)[15:90, 60:90] // 2
    return image


def signing(place: int, start: float) -> list[Image]:
    """The same person for 2.8 s, with a hand that moves up and down."""
    images = []
    for number in range(70):
        image, top = standing(place), 40 + int(20 * np.sin(number / 6 + start))
        image[top : top + 12, place + 8 : place + 20] = (205, 170, 150)
        images.append(image)
    return images


@pytest.mark.parametrize("count", [14, 20, 28])
@pytest.mark.parametrize("moved", [5, 9])
def test_a_dissolve_between_two_poses_of_one_person_is_found(count: int, moved: int) -> None:
    (found,) = dissolves(blended(signing(60, 0), signing(60 + moved, 2), count))
    assert found.type == "dissolve"
    assert abs((found.start_seconds + found.end_seconds) / 2 - (70 - count / 2) / 25) < 0.25


def test_a_person_who_moves_to_the_other_pose_is_no_dissolve() -> None:
    for frames in (10, 20, 40):
        walk = [standing(round(place)) for place in np.linspace(60, 69, frames)]
        assert dissolves([*[standing(60)] * 50, *walk, *[standing(69)] * 50]) == []


def test_an_object_lifted_out_of_the_picture_is_no_dissolve() -> None:
    """A fast object is blurred, so its outline loses contrast as in a mixture; but the picture only gets lighter."""
    lifted = []
    for step in range(14):
        image = np.full((90, 160, 3), 200, np.uint8)
        bottle, bottom = textured(3)[20:80, 60:90] // 2, 80 - 6 * step
        image[max(0, bottom - 60) : max(0, bottom), 60:90] = bottle[60 - max(0, min(60, bottom)) :]
        lifted.append(cv2.blur(image, (1, 1 + 4 * min(step, 6))))
    assert dissolves([*[lifted[0]] * 50, *lifted, *[lifted[-1]] * 50]) == []


@pytest.mark.slow
def test_motion_light_and_cuts_are_no_dissolves() -> None:
    still = textured(1)
    assert dissolves(moving(100)) == []
    assert dissolves([*faded(still, 40, 0.4, 1.0), *faded(still, 40, 1.0, 0.4)]) == []
    assert dissolves([*[still] * 50, *[textured(2)] * 50]) == []


def test_transitions_are_reported_once_and_shots_meet_in_them() -> None:
    # A transition is reported once.
    inside, beside = Boundary(2.2, 2.2, "cut"), Boundary(5.0, 5.0, "cut")
    known = [Boundary(2.0, 2.6, "dissolve"), Boundary(2.3, 2.9, "dissolve"), Boundary(5.2, 5.8, "dissolve")]
    assert joined([inside, beside], known) == (known[0], beside)
    again = Boundary(2.8, 3.4, "dissolve")  # nobody could follow a shot of 0.2 s before it
    assert joined([], [known[0], again]) == (known[0],)
    assert joined([Boundary(1.5, 2.2, "fade")], known[:1]) == (Boundary(1.5, 2.2, "fade"),)
    # Shots meet in the middle of a transition.
    shots = shots_between([Boundary(2.0, 3.0, "dissolve")], 8.0)
    assert [(shot.start_seconds, shot.end_seconds) for shot in shots] == [(0.0, 2.5), (2.5, 8.0)]
    # A shot begins with a frame where their times are known.
    times = [0.0, 1.1, 2.3, 2.6, 3.0, 4.0]
    first, second = shots_between([Boundary(2.0, 3.0, "dissolve")], 8.0, times)
    assert first.end_seconds == second.start_seconds == 2.3


@pytest.mark.slow
def test_a_page_begins_with_the_first_frame_of_a_part() -> None:
    typed = Boundary(2.0, 3.0, "page")
    assert [shot.start_seconds for shot in shots_between([typed], 8.0, [0.0, 2.0, 2.5, 3.0])] == [0.0, 2.0]
    assert typed.time_seconds == 2.0 and typed.mixed_seconds == (2.0, 3.0)


def test_a_wipe_in_a_file_is_a_boundary_with_its_type(folder: Path, chosen: Chosen) -> None:
    one, two = textured(3), textured(4)
    images = [*[one] * 60, *wiped(one, two, 25, "right"), *[two] * 60]
    decode = chosen(write_video(folder / "wipe.mp4", images), 8).decode
    assert [boundary.type for boundary in decode.boundaries] == ["wipe"]
    assert len(decode.shots) == 2
