"""Where a shot ends and the next begins, on made-up sequences of pictures."""

from collections.abc import Iterable

import cv2
import numpy as np
import pytest

from framelens.video.features.frame_signature import DetailedGlance, change, glance_at, look_at
from framelens.video.readers.base import PictureChanges
from framelens.video.readers.geometry import Orientation
from framelens.video.readers.opencv import CvPicture
from framelens.video.shots.cut_detector import CutDetector
from tests.media import COLOURS, Image, cards, faded, moving, solid, textured


def look_of(image: Image) -> DetailedGlance:
    picture = CvPicture(np.ascontiguousarray(image[..., ::-1]), 0, 0.0, 0.04, 1.0, Orientation(), PictureChanges())
    return look_at(glance_at(picture.levels()), picture.luma())


def cuts(images: Iterable[Image], rate: float = 25) -> list[int]:
    detector = CutDetector()
    verdicts = []
    for index, image in enumerate(images):
        verdicts += detector.push(index, index / rate, look_of(image))
    verdicts += detector.flush()
    assert [v.step.index for v in verdicts] == sorted(v.step.index for v in verdicts)
    return [verdict.step.index for verdict in verdicts if verdict.is_cut]


@pytest.mark.slow
def test_each_card_is_a_shot() -> None:
    assert cuts(cards(COLOURS, 25)) == [25, 50, 75, 100, 125, 150, 175]


def test_shots_of_flashes_fades_and_title_cards() -> None:
    assert cuts(cards(COLOURS, 1), rate=1) == [1, 2, 3, 4, 5, 6, 7]  # one frame cards are shots at low frame rates
    # A flash is no cut.
    still = [textured(1)] * 30
    assert cuts([*still, solid(COLOURS["white"]), solid(COLOURS["white"]), *still]) == []
    # A light that goes out for a moment is no cut.
    still = textured(1)
    blink = [*faded(still, 4, 1.0, 0.0), *faded(still, 4, 0.0, 1.0)]
    assert cuts([*[still] * 30, *blink, *[still] * 30, *blink, *[still] * 30]) == []
    # A video that opens from black has one shot.
    assert cuts([*faded(textured(1), 30, 0.0, 1.0), *[textured(1)] * 30]) == []
    assert cuts([textured(1)]) == []  # one frame is one shot


@pytest.mark.slow
def test_a_cut_between_pictures_in_motion_is_found() -> None:
    assert cuts([*moving(50, seed=1), *moving(50, seed=2), *moving(50, seed=3)]) == [50, 100]


def test_cut_after_a_long_pause_is_found() -> None:
    detector, verdicts = CutDetector(), []
    times = [*(n / 25 for n in range(30)), *(2.4 + n / 25 for n in range(60))]
    for index, image in enumerate([*moving(30, seed=1), *moving(60, seed=2)]):
        verdicts += detector.push(index, times[index], look_of(image))
    assert [verdict.step.index for verdict in [*verdicts, *detector.flush()] if verdict.is_cut] == [30]


@pytest.mark.slow
def test_motion_is_no_cut() -> None:
    assert cuts(moving(100)) == []
    wide = textured(5, 1600, 96)
    assert cuts(wide[:, left : left + 160] for left in range(0, 1440, 24)) == []  # a fast pan


@pytest.mark.slow
def test_noise_is_no_cut() -> None:
    chance = np.random.default_rng(3)
    still = textured(1).astype(int)
    assert cuts(np.clip(still + chance.normal(0, 25, still.shape), 0, 255).astype(np.uint8) for _ in range(60)) == []


@pytest.mark.slow
def test_a_cut_right_after_a_flash_is_found() -> None:
    images = [*[textured(1)] * 30, solid(COLOURS["white"]), *[textured(1)] * 20, *[textured(2)] * 30]
    assert cuts(images) == [51]


@pytest.mark.slow
def test_a_picture_that_rises_from_black_begins_a_shot() -> None:
    def scene(seed: int) -> list[Image]:
        image = textured(seed)
        return [*faded(image, 25, 0.0, 1.0), *[image] * 25, *faded(image, 25, 1.0, 0.0)]

    found = cuts([*scene(1), *scene(2), *scene(3)])
    assert len(found) == 2
    assert abs(found[0] - 75) <= 8 and abs(found[1] - 150) <= 8


def title(words: str) -> Image:
    card = np.full((90, 160, 3), 12, np.uint8)
    cv2.putText(card, words, (40, 48), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (170, 175, 180), 1, cv2.LINE_AA)
    return card


def test_dark_title_cards_are_shots() -> None:
    # Dark title card after fade is a shot.
    scene, card, next_scene = textured(1), title("THE RIVER"), textured(2)
    between = [*faded(scene, 15, 1.0, 0.0), *faded(card, 15, 0.0, 1.0), *[card] * 60, *faded(card, 15, 1.0, 0.0)]
    found = cuts([*[scene] * 40, *between, *faded(next_scene, 15, 0.0, 1.0), *[next_scene] * 40])
    assert len(found) == 2
    assert abs(found[0] - 55) <= 8 and abs(found[1] - 145) <= 8
    # Two dark title cards are two shots.
    one, two = title("THE RIVER"), title("TEN YEARS ON")
    images = [*[one] * 40, *faded(one, 12, 1.0, 0.0), *faded(two, 12, 0.0, 1.0), *[two] * 40]
    assert len(cuts([*[textured(1)] * 30, *images])) == 2


def dim_hall(seed: int, shifts: Iterable[int], lights: Iterable[float]) -> list[Image]:
    """A hall that is nearly black, in changing light, as a camera pans over it."""
    hall = textured(seed, 480) * 0.09 + 18
    return [np.asarray(hall[:, at : at + 160] * light, np.uint8) for at, light in zip(shifts, lights, strict=True)]


STROBE = [*[1.0] * 30, *[2.5, 2.5, 1.0, 1.0] * 15, *[1.0] * 60, *[2.5, 2.5, 1.0, 1.0] * 15]
BRIGHTENING = [*[1.0] * 60, *np.linspace(1.0, 2.5, 30), *np.linspace(2.5, 1.0, 30), *[1.0] * 30, *[1.6] * 60]


@pytest.mark.slow
@pytest.mark.parametrize("pixels_a_frame", [0, 1])
@pytest.mark.parametrize("lights", [STROBE, BRIGHTENING], ids=["strobe", "slow"])
def test_light_in_a_nearly_black_hall_is_no_cut(lights: list[float], pixels_a_frame: int) -> None:
    shifts = [number * pixels_a_frame for number in range(len(lights))]
    images = dim_hall(1, shifts, lights)
    assert look_of(images[0]).is_black and not look_of(images[30 + lights[30:].index(2.5)]).is_black
    assert cuts(images) == []


@pytest.mark.slow
def test_cut_to_a_nearly_black_hall_is_one_cut() -> None:
    assert cuts([*[textured(2)] * 30, *dim_hall(1, [0] * len(STROBE), STROBE)]) == [30]


@pytest.mark.slow
def test_fade_between_strobe_light_and_another_scene_is_found() -> None:
    hall, scene = dim_hall(1, [0] * len(STROBE), STROBE), textured(2)
    into = cuts([*hall, *faded(hall[-1], 12, 1.0, 0.0), *faded(scene, 12, 0.0, 1.0), *[scene] * 30])
    assert len(into) == 1 and 222 <= into[0] <= 234
    out_of = cuts([*[scene] * 30, *faded(scene, 12, 1.0, 0.0), *faded(hall[0], 12, 0.0, 1.0), *hall])
    assert len(out_of) == 1 and 42 <= out_of[0] <= 86


def test_fade_out_and_in_of_one_scene_is_found() -> None:
    hall = dim_hall(1, [0], [2.5])[0]
    fade = [*faded(hall, 15, 1.0, 0.0), *faded(hall, 15, 0.0, 1.0)]
    assert len(cuts([*[hall] * 30, *fade, *[hall] * 30])) == 1


@pytest.mark.slow
def test_end_of_fade_before_dark_title_is_no_second_shot() -> None:
    scene, card = np.asarray(textured(1) * 0.6 + 60, np.uint8), title("THE RIVER")
    fade = [*faded(scene, 10, 1.0, 0.0), *faded(card, 15, 0.0, 1.0)]
    found = cuts([*[scene] * 40, *fade, *[card] * 40])
    assert len(found) == 1 and found[0] >= 50


def flashing(seed: int, count: int) -> list[Image]:
    """A dim hall in which a light flashes; never nearly black."""
    hall = textured(seed) * 0.2 + 22
    return [np.asarray(hall * (2.6 if number % 4 < 2 else 1.0), np.uint8) for number in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("num_before", [48, 50], ids=["lit", "dim"])
def test_cuts_from_and_to_strobe_light_are_found(num_before: int) -> None:
    hall = flashing(1, num_before)
    assert cuts([*hall, *[textured(2)] * 40, *hall]) == [num_before, num_before + 40]


@pytest.mark.slow
def test_fade_to_a_dim_scene_is_found() -> None:
    dim = np.asarray(textured(1) * 0.1 + 31, np.uint8)
    assert not look_of(dim).is_black and look_of(dim).peak < 0.21
    found = cuts([*[textured(2)] * 40, *faded(textured(2), 12, 1.0, 0.0), *faded(dim, 16, 0.0, 1.0), *[dim] * 40])
    assert len(found) == 1 and 52 <= found[0] <= 68


@pytest.mark.slow
@pytest.mark.parametrize("ends_lit", [False, True])
def test_fade_to_a_nearly_black_scene_is_where_it_can_be_seen(ends_lit: bool) -> None:
    hall = dim_hall(1, [0], [1.0])[0]
    later = [*[hall] * 60, *([*dim_hall(1, [0] * 40, [2.5] * 40)] if ends_lit else [])]
    assert look_of(hall).is_black
    found = cuts([*[textured(2)] * 40, *faded(textured(2), 12, 1.0, 0.0), *faded(hall, 16, 0.0, 1.0), *later])
    assert len(found) == 1 and 52 <= found[0] <= 72


def person(pose: int) -> Image:
    """Somebody who stands in a room with the arms in one of two poses."""
    image = np.asarray(textured(9) * 0.3 + 100, np.uint8)
    image[20:, 60:100] = (60, 70, 110)
    if pose:
        image[35:68, 16:60] = (60, 70, 110)
    else:
        image[20:50, 100:145] = (60, 70, 110)
    return image


@pytest.mark.slow
def test_cut_between_takes_of_one_scene_is_found() -> None:
    assert 0.03 < change(look_of(person(0)), look_of(person(1))) < 0.05
    assert cuts([*[person(0)] * 40, *[person(1)] * 40]) == [40]


@pytest.mark.slow
def test_caption_and_small_object_begin_no_shot() -> None:
    caption, sign = person(0), person(0)
    caption[82:92, 20:140] = 16
    sign[10:40, 10:40] = (230, 200, 40)
    for image in (caption, sign):
        assert change(look_of(person(0)), look_of(image)) > 0.03
        assert cuts([*[person(0)] * 40, *[image] * 40, *[person(0)] * 40]) == []


def test_cut_out_of_a_fast_pan_is_found() -> None:
    wide = cv2.resize(np.random.default_rng(4).integers(70, 186, (12, 160, 3), dtype=np.uint8), (1600, 96))
    pan = [wide[:, left : left + 160] for left in range(0, 150, 5)]
    assert cuts([*pan, *[np.asarray(textured(2) * 0.5 + 64, np.uint8)] * 40]) == [len(pan)]


@pytest.mark.slow
def test_a_larger_step_of_what_moves_anyway_is_no_cut() -> None:
    """A hand that sweeps before the lens and then rests there."""
    scene, images, left = textured(1), [], 0
    for number in range(14):
        image = scene.copy()
        image[:, left : left + 50] = (200, 160, 140)
        images.append(image)
        left += 24 if number == 9 else 8
    assert cuts([*images, *[images[-1]] * 30]) == []


@pytest.mark.slow
def test_a_dark_scene_at_the_edge_of_black_is_one_shot() -> None:
    assert cuts(solid((n, n, n)) for n in [28, 33] * 40) == []
