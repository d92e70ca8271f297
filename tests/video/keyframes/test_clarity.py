"""Pictures that show nothing of their own: blurred by a sweep, mixed with the next shot, faded to white."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from framelens.core.domain import Boundary
from framelens.core.events import KeyframesChosen
from framelens.video.features.frame_signature import glance_at, look_at
from framelens.video.keyframes import pipeline
from framelens.video.keyframes.candidates import CandidateCollector
from framelens.video.keyframes.clarity import ClarityTracker
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.readers import open_reader
from tests.media import Image, textured, write_video

RATE = 25
WIDTH, HEIGHT = 160, 96


def scene(seed: int) -> Image:
    """A still picture with fine detail, such as a street."""
    grain = np.random.default_rng(seed).integers(-60, 60, (HEIGHT // 2, WIDTH // 2, 1))
    fine = cv2.resize(grain.astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)[..., None]
    return np.asarray(np.clip(textured(seed, WIDTH, HEIGHT) + fine, 0, 255), np.uint8)


def alive(image: Image, count: int) -> Iterator[Image]:
    """The picture with a small thing that moves in it."""
    for step in range(count):
        shown = image.copy()
        cv2.circle(shown, (20 + step % 100, 70), 5, (250, 240, 60), -1)
        yield shown


def swept(one: Image, other: Image, count: int) -> Iterator[Image]:
    """The camera sweeps from `one` to `other`, blurred by its speed."""
    strip = np.hstack([one, cv2.flip(one, 1), cv2.flip(other, 1), other])
    for step in range(1, count + 1):
        share = step / (count + 1)
        left = int((3 * share**2 - 2 * share**3) * 3 * WIDTH)
        speed = 6 * share * (1 - share) * 3 * WIDTH / count
        yield np.asarray(cv2.blur(strip, (max(1, int(speed)), 1))[:, left : left + WIDTH])


def dissolved(one: Image, other: Image, count: int) -> Iterator[Image]:
    for step in range(1, count + 1):
        yield np.asarray(cv2.addWeighted(one, 1 - step / (count + 1), other, step / (count + 1), 0))


def whitened(one: Image, other: Image, count: int) -> Iterator[Image]:
    """The picture `one` fades to white, and `other` fades in from white."""
    white = np.full_like(one, 255)
    yield from dissolved(one, white, count // 2)
    yield from dissolved(white, other, count // 2)


def joined_by(
    path: Path, between: Callable[[Image, Image, int], Iterator[Image]], count: int
) -> tuple[Path, list[tuple[float, float]]]:
    """Six scenes of two seconds; return the video and the times of what joins them."""
    pictures: list[Image] = []
    joints = []
    for number in range(6):
        pictures += alive(scene(number), 2 * RATE)
        if number < 5:
            start = len(pictures) / RATE
            pictures += between(pictures[-1], next(alive(scene(number + 1), 1)), count)
            joints.append((start, len(pictures) / RATE))
    return write_video(path, pictures, options={"preset": "ultrafast", "crf": "18"}), joints


def chosen(path: Path, frames: int) -> list[float]:
    with open_reader(path) as reader:
        (found,) = [one for one in pipeline.run(reader, ExtractOptions(frames)) if isinstance(one, KeyframesChosen)]
    return [frame.time_seconds for frame in found.keyframes]


def scenes_in(times: list[float], joints: list[tuple[float, float]]) -> set[int]:
    """The scenes of which a picture without anything mixed in is among the times."""
    starts, ends = [0.0, *(end for _, end in joints)], [*(start for start, _ in joints), 99.0]
    spans = enumerate(zip(starts, ends, strict=True))
    return {number for number, (start, end) in spans if any(start <= time < end for time in times)}


@pytest.mark.slow
@pytest.mark.parametrize("frames", [6, 8, 16])
def test_no_frame_is_chosen_from_a_sweep(folder: Path, frames: int) -> None:
    path, joints = joined_by(folder / f"sweeps{frames}.mp4", swept, 10)
    times = chosen(path, frames)
    assert not [time for time in times if any(start <= time < end for start, end in joints)]
    assert len(scenes_in(times, joints)) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("frames", [6, 8, 16])
def test_no_frame_is_chosen_from_a_dissolve(folder: Path, frames: int) -> None:
    path, joints = joined_by(folder / f"dissolves{frames}.mp4", dissolved, 25)
    times = chosen(path, frames)
    halves = [(0.75 * start + 0.25 * end, 0.25 * start + 0.75 * end) for start, end in joints]
    assert not [time for time in times if any(start <= time < end for start, end in halves)]
    assert len(scenes_in(times, joints)) >= 5


def test_a_picture_after_a_dissolve_is_a_candidate(folder: Path) -> None:
    """The best picture of the stable segment around it may be mixed, and a short shot has no other segment."""
    path = write_video(folder / "after.mp4", alive(scene(1), 100))
    collector = CandidateCollector(frames=1, max_side=160, duration_seconds=None)
    with open_reader(path) as reader:
        for picture in reader.frames():
            if picture.index == 62:  # the dissolve is recognised some time after its end
                collector.settle_gradual(2.0)
            collector.take(picture, glance_at(picture.levels()), may_open=False)
    assert 62 in {item.index for item in collector.candidates()}


@pytest.mark.slow
@pytest.mark.parametrize("frames", [6, 8, 16])
def test_no_frame_is_chosen_half_white(folder: Path, frames: int) -> None:
    path, joints = joined_by(folder / f"whites{frames}.mp4", whitened, 40)
    times = chosen(path, frames)
    assert not [time for time in times if any(start + 0.3 <= time < end - 0.3 for start, end in joints)]


def tracked(pictures: list[Image]) -> ClarityTracker:
    tracker = ClarityTracker()
    for number, picture in enumerate(pictures):
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        levels = np.stack([cv2.resize(grey, (32, 18), interpolation=cv2.INTER_AREA), *np.full((2, 18, 32), 128)])
        tracker.push(number / 8, look_at(glance_at(levels.astype(np.uint8)), cv2.resize(grey, (160, 90))))
    return tracker


SHARP = [scene(1)] * 8
SWEEP = list(swept(scene(1), scene(2), 5))[1:4]
TIMES = [number / 8 for number in range(19)]


def test_sweeps_are_blurred_between_sharp_pictures() -> None:
    # Blurred samples between sharp ones are a sweep.
    found = tracked([*SHARP, *SWEEP, *SHARP]).unclear(TIMES, [])
    assert list(np.flatnonzero(found)) == [8, 9, 10]
    # A soft picture that stays is no sweep.
    soft = cv2.blur(scene(2), (40, 1))
    assert not tracked([*SHARP, soft, soft, soft, *SHARP]).unclear(TIMES, []).any()
    # A soft shot of its own is no sweep.
    cuts = [Boundary(1.0, 1.0, "cut"), Boundary(1.375, 1.375, "cut")]
    assert not tracked([*SHARP, *SWEEP, *SHARP]).unclear(TIMES, cuts).any()
    # Pictures of a transition are unclear.
    found = tracked([scene(1)] * 19).unclear(TIMES, [Boundary(0.5, 0.5, "cut"), Boundary(1.0, 1.5, "dissolve")])
    assert list(np.flatnonzero(found)) == [8, 9, 10, 11, 12]
    assert not ClarityTracker().unclear([0.0, 1.0], []).any()  # nothing sampled is never a sweep
