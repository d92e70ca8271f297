"""Pages: found where content changes in place and stays, and not where a pointer, a bar or a person moves."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from framelens.core.domain import Boundary, Shot
from framelens.video.keyframes.strategies import SurveyFacts, scenes
from framelens.video.readers.base import LUMA_SIZE
from framelens.video.shots.page_detector import PageDetector, is_same_page
from framelens.video.shots.shot_list import with_pages
from tests.media import Image, textured, write_video
from tests.video.conftest import Chosen

_RATE = 8


def page(seed: int, lines: Sequence[int] = range(8), ground: int = 235) -> Image:
    """A picture with lines of words, each line the same in all pictures of a seed."""
    image = np.full(LUMA_SIZE[::-1], ground, np.uint8)
    for line in lines:
        words = np.random.default_rng((seed, line)).random((3, 100)) < 0.5
        image[6 + 10 * line : 9 + 10 * line, 20:120][words] = 40
    return image


def held(image: Image, seconds: float) -> list[Image]:
    return [image] * round(seconds * _RATE)


def changed(image: Image, top: int, left: int, height: int, width: int, level: int) -> Image:
    image = image.copy()
    image[top : top + height, left : left + width] = level
    return image


def detector_of(images: Iterable[Image]) -> PageDetector:
    detector, index = PageDetector(), 0
    for index, image in enumerate(images):
        detector.push(index / _RATE, image)
    detector.finish(index / _RATE)
    return detector


def boundaries(images: Iterable[Image]) -> list[tuple[float, float]]:
    found = detector_of(images).boundaries()
    assert {boundary.type for boundary in found} <= {"page"}
    return [(boundary.start_seconds, boundary.end_seconds) for boundary in found]


@pytest.mark.parametrize("ground", [235, 100, 16])
def test_each_slide_of_a_template_is_a_page(ground: int) -> None:
    slides = [image for seed in range(4) for image in held(page(seed, ground=ground), 3)]
    assert boundaries(slides) == [(3.0, 3.0), (6.0, 6.0), (9.0, 9.0)]


def test_slides_are_pages() -> None:
    # Many short slides are pages.
    assert len(boundaries(image for seed in range(60) for image in held(page(seed), 2))) == 59
    # A page that returns is a page.
    assert len(boundaries([*held(page(1), 3), *held(page(2), 3), *held(page(1), 3)])) == 2
    # One other line is a page.
    assert boundaries([*held(page(1, [0, 1, 2]), 4), *held(page(1, [0, 1, 2, 5]), 4)]) == [(4.0, 4.0)]
    # Typing is one page until it pauses.
    lines = [np.hstack([page(1, range(7))[:, :x], page(1, range(5))[:, x:]]) for x in range(20, 121, 4)]
    ((start, end),) = boundaries([*held(page(1, range(5)), 4), *lines, *held(page(1, range(7)), 5)])
    assert 4.0 <= start < 5.5 and 6.0 < end <= 7.5


def test_what_moves_on_a_page_makes_no_page() -> None:
    # Pointer cursor and bar make no page.
    images = []
    for index in range(30 * _RATE):
        image = page(1)
        image = changed(image, 85, 0, 1, index * 160 // (30 * _RATE), 90)
        if index // 4 % 2:
            image = changed(image, 40, 125, 3, 1, 20)
        stop = index // 20
        image = changed(image, stop * 37 % 80, stop * 53 % 150, 3, 2, 0)
        images.append(image)
    assert boundaries(images) == []
    # A presenter in a corner makes no page.
    images, room = [], np.random.default_rng(3).integers(60, 120, (30, 35)).astype(np.uint8)
    for index in range(40 * _RATE):
        image = page(index // (10 * _RATE))
        image[60:, 125:] = room
        image[62:, 125 + index % 12 : 145 + index % 12] = 180 if index % 2 else 150
        images.append(image)
    assert [round(start) for start, _ in boundaries(images)] == [10, 20, 30]
    # Subtitles over a slide make no pages.
    images = []
    for index in range(60 * _RATE):
        image = page(index // (30 * _RATE), range(6))
        image[70:80] = page(100 + index // (3 * _RATE), [0])[2:12]
        images.append(image)
    assert [round(start) for start, _ in boundaries(images)] == [30]
    # A window over a page makes no page.
    noted = page(1)
    noted[60:75, 100:150] = page(9, range(2))[:15, 20:70] // 2
    assert boundaries([*held(page(1), 5), *held(noted, 3), *held(page(1), 5)]) == []


def test_footage_and_credits_have_no_pages() -> None:
    # Footage has no pages.
    noise = np.random.default_rng(1)
    scenes_of_two = [cv2.resize(textured(seed), LUMA_SIZE)[:, :, 0] for seed in (1, 2)]
    stir = noise.integers(0, 4, (80, *LUMA_SIZE[::-1]))
    images = [np.asarray(scenes_of_two[index // 40] + stir[index], np.uint8) for index in range(80)]
    assert boundaries(images) == []
    assert boundaries(held(np.full(LUMA_SIZE[::-1], 16, np.uint8), 10)) == []
    assert boundaries([page(1)]) == []
    # Rolling credits are no pages.
    roll = np.vstack([page(seed, ground=16) for seed in range(6)])
    assert boundaries(roll[top : top + 90] for top in range(0, 450)) == []


def test_a_cut_between_two_pages_is_a_change_of_page() -> None:
    cut, turn = Boundary(3.1, 3.1, "cut"), Boundary(3.0, 3.0, "page")
    assert with_pages([cut, Boundary(9.0, 9.0, "cut")], [turn]) == (turn, Boundary(9.0, 9.0, "cut"))
    demo = (Boundary(3.0, 3.0, "cut"), Boundary(20.0, 20.0, "cut"))
    assert with_pages(demo, [Boundary(3.0, 20.0, "page")]) == demo


def test_scenes_take_a_typed_page_when_it_is_whole() -> None:
    shots, typed = (Shot(1, 0.0, 4.0), Shot(2, 4.0, 20.0)), Boundary(4.0, 9.0, "page")
    surveyed = SurveyFacts(0.0, 20.0, shots, (), boundaries=(typed,))
    assert [target.time_seconds for target in scenes(None, surveyed, 8)] == [0.0, 9.0]  # type: ignore[arg-type]


def large(image: Image) -> Image:
    return np.repeat(cv2.resize(image, (640, 360), interpolation=cv2.INTER_NEAREST)[:, :, None], 3, axis=2)


@pytest.fixture(scope="module")
def slide_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve slides of 2 to 4 s."""
    images = [large(page(seed)) for seed in range(12) for _ in range(20 + 10 * (seed % 3))]
    return write_video(tmp_path_factory.mktemp("slides") / "slides.mp4", images, rate=10)


@pytest.mark.parametrize("frames", [2, 5, 8, 12, 20])
def test_every_page_is_chosen_before_any_twice(slide_video: Path, chosen: Chosen, frames: int) -> None:
    choice = chosen(slide_video, frames)
    shots = [frame.shot for frame in choice.keyframes]
    assert [boundary.type for boundary in choice.decode.boundaries] == ["page"] * 11
    assert len(shots) == len(set(shots)) == min(frames, 12)
    assert {1, 12} <= set(shots)
    notices = {notice.key for notice in choice.decode.notices}
    assert ("all_pages_shown" in notices) == (frames > 12)


VISITS = (0, 1, 0, 2, 0, 3, 1, 0, 4, 0, 5, 2, 0)


@pytest.mark.parametrize("frames", [3, 4, 6, 9, 13])
def test_a_page_that_returns_waits_for_all_others(tmp_path: Path, chosen: Chosen, frames: int) -> None:
    """Windows between which somebody goes to and fro."""
    images = [large(page(seed)) for number, seed in enumerate(VISITS) for _ in range(20 + 10 * (number % 3))]
    choice = chosen(write_video(tmp_path / "windows.mp4", images, rate=10), frames)
    pages = [VISITS[frame.shot - 1] for frame in choice.keyframes]
    assert len(choice.decode.boundaries) == len(VISITS) - 1
    assert len(pages) == frames
    assert len(set(pages)) == min(frames, 6)


def test_a_pointer_leaves_a_page_the_same() -> None:
    assert is_same_page(page(1), changed(page(1), 30, 60, 4, 4, 0))
    assert not is_same_page(page(1, range(5)), page(1, range(6)))


def drawn(image: Image, left: int = 20) -> list[Image]:
    """A picture that is drawn on an empty board, from this column on and eight columns in a second."""
    return [np.where(np.arange(160) < stop, image, 235).astype(np.uint8) for stop in range(left, 122)]


def test_first_page_counts_when_it_is_drawn() -> None:
    image = page(1, range(4))
    assert boundaries([*held(drawn(image, 32)[0], 2.5), *drawn(image, 32), *held(image, 5)]) == []
    assert len(boundaries([*held(image, 3), *drawn(page(2)), *held(page(2), 5)])) == 1


def test_first_frame_of_a_page_that_is_drawn_belongs_to_the_change() -> None:
    detector = detector_of([*held(page(2), 4), *drawn(page(1)), *held(page(1), 5)])
    _, change = detector.mixed()
    (boundary,) = detector.boundaries()
    assert boundary.start_seconds == 4.0
    assert change.start_seconds < 4.0 < change.end_seconds
