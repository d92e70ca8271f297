"""Damage that decoders keep silent about is found by decoding twice, and nothing is found in whole files."""

from pathlib import Path

import pytest

from benchmarks.damage import flipped, payloads
from framelens.core.domain import Selection
from framelens.core.events import KeyframesChosen
from framelens.video.corruption import CheckedReader
from framelens.video.extractor import extract, extract_named
from framelens.video.keyframes import pipeline
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.keyframes.strategies import SurveyResult
from framelens.video.keyframes.survey import Survey
from framelens.video.readers import open_reader
from tests.media import Image, moving, textured, write_video

KINDS = {
    "hevc": ("libx265", "yuv420p", ".mp4", {"preset": "ultrafast", "x265-params": "keyint=10:log-level=none"}),
    "vp8": ("libvpx", "yuv420p", ".webm", {"deadline": "realtime", "cpu-used": "8", "g": "10", "crf": "20"}),
    "vp9": ("libvpx-vp9", "yuv420p", ".webm", {"deadline": "realtime", "cpu-used": "8", "g": "10", "crf": "20"}),
    "av1": ("libsvtav1", "yuv420p", ".mkv", {"preset": "12", "g": "10", "svtav1-params": "lp=1"}),
    "mjpeg": ("mjpeg", "yuvj420p", ".avi", {}),
}


def written(path: Path, kind: str, images: list[Image], rate: int = 25) -> Path:
    codec, pixel_format, suffix, options = KINDS[kind]
    path = path.with_suffix(suffix)
    return write_video(path, images, codec=codec, pixel_format=pixel_format, options=options, rate=rate)


def scenes() -> list[Image]:
    return [image for seed in (1, 2, 3) for image in moving(30, 320, 192, seed=seed)]


def unconfirmed(path: Path, *, num_reported: int) -> list[float]:
    with open_reader(path, every_frame=False) as reader:
        survey = Survey(reader, frames=6, max_side=320)
        for _ in survey.events():
            pass
        return survey.suspects.damaged_seconds(reader.info, num_reported=num_reported, offset_seconds=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_of_a_whole_file_is_confirmed(tmp_path: Path, kind: str) -> None:
    flashes = [*scenes(), textured(9, 320, 192), *scenes()[:20]]
    path = written(tmp_path / "whole", kind, flashes)
    assert unconfirmed(path, num_reported=1) == []
    assert unconfirmed(path, num_reported=0) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hevc", "vp8", "vp9"])
@pytest.mark.parametrize("seed", range(3))
def test_silent_damage_is_found_at_the_frames_that_show_it(tmp_path: Path, kind: str, seed: int) -> None:
    whole = written(tmp_path / "whole", kind, scenes())
    damaged = tmp_path / f"damaged{whole.suffix}"
    damaged.write_bytes(flipped(whole.read_bytes(), payloads(whole), 5, seed))
    found = unconfirmed(damaged, num_reported=0)
    assert found
    with open_reader(whole) as truth, open_reader(damaged) as reader:
        shown = {frame.time_seconds: frame.levels() for frame in truth.frames()}
        checked = CheckedReader(reader, found)
        pictures = list(checked.frames())
    assert all(picture.is_damaged for picture in pictures if picture.time_seconds in found)
    same = [picture for picture in pictures if (picture.levels() == shown[picture.time_seconds]).all()]
    assert len(same) > len(pictures) / 4
    assert checked.num_damaged >= 1


@pytest.mark.slow
def test_silent_damage_at_given_times_is_reported(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole", "vp9", scenes())
    damaged = tmp_path / f"damaged{whole.suffix}"
    damaged.write_bytes(flipped(whole.read_bytes(), payloads(whole), 5, 0))
    found = unconfirmed(damaged, num_reported=0)
    wanted = Selection("times", times_seconds=(found[0],))
    with open_reader(damaged, every_frame=False) as reader:
        events = list(pipeline.run(reader, ExtractOptions(4, selection=wanted, max_side=320)))
    chosen = next(event for event in events if isinstance(event, KeyframesChosen))
    assert [notice.key for notice in chosen.decode.notices] == ["damaged_frames", "damaged_keyframe"]


@pytest.mark.slow
@pytest.mark.parametrize("first", [Selection(), Selection("codec"), Selection("times", times_seconds=(1.1, 2.0))])
def test_damage_is_named_again_without_a_survey(tmp_path: Path, first: Selection) -> None:
    whole = written(tmp_path / "whole", "vp9", scenes(), rate=8)
    damaged = tmp_path / f"damaged{whole.suffix}"
    damaged.write_bytes(flipped(whole.read_bytes(), payloads(whole), 5, 0))
    found = unconfirmed(damaged, num_reported=0)
    results: list[SurveyResult] = []
    for _ in extract(damaged, ExtractOptions(1, selection=first, read_text=False), on_result=results.append):
        pass
    wanted = Selection("times", times_seconds=(found[0], 10.0))
    fresh = extract(damaged, ExtractOptions(2, selection=wanted, read_text=False))
    again = extract_named(damaged, results[0], ExtractOptions(2, selection=wanted, read_text=False))
    for events in (list(fresh), list(again)):
        chosen = next(event for event in events if isinstance(event, KeyframesChosen))
        notices = [(notice.key, notice.values.get("number")) for notice in chosen.decode.notices]
        assert notices == [("damaged_frames", None), ("damaged_keyframe", 1)]


@pytest.mark.slow
def test_known_survey_names_no_keyframe_of_its_own(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", moving(80, 320, 192), codec="ffv1", rate=8)
    data = bytearray(whole.read_bytes())
    for position, size in payloads(whole):
        data[position + size // 2] ^= 4
    path = tmp_path / "damaged.mkv"
    path.write_bytes(data)
    results: list[SurveyResult] = []
    chosen = [
        one
        for one in extract(path, ExtractOptions(1, read_text=False), on_result=results.append)
        if isinstance(one, KeyframesChosen)
    ]
    assert [notice.key for notice in chosen[0].decode.notices] == ["damaged_frames", "damaged_keyframe"]
    assert [notice.key for notice in results[0].decode.notices] == ["damaged_frames"]


def still() -> Image:
    return textured(4, 320, 192)


def broken_off(start: int, stop: int | None, *, left: int = 0) -> Image:
    """A picture whose rows from `start` on are wrong, in the first 16 rows from column `left` on."""
    image = still().copy()
    image[start + 16 : stop] = image[start + 16 : stop] // 2 + 90
    image[start : start + 16, left:] = image[start : start + 16, left:] // 2 + 90
    return image


def flash() -> Image:
    return still() // 2 + 100


def ball() -> Image:
    image = still().copy()
    image[60:100, 120:180] = 250
    return image


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shown", "is_damaged"),
    [
        (broken_off(96, None, left=96), True),
        (broken_off(64, 80, left=128), True),
        (broken_off(0, 16), True),
        (flash(), False),
        (ball(), False),
        (textured(7, 320, 192), False),
    ],
    ids=["to the end", "to the end of a row", "first row", "flash", "object", "another picture"],
)
def test_mjpeg_that_breaks_off_is_no_keyframe(tmp_path: Path, shown: Image, is_damaged: bool) -> None:
    path = written(tmp_path / "clip", "mjpeg", [still()] * 12 + [shown] + [still()] * 12)
    found = unconfirmed(path, num_reported=0)
    assert [round(seconds * 25) for seconds in found] == ([12] if is_damaged else [])
    (chosen,) = (one for one in extract(path, ExtractOptions(4, read_text=False)) if isinstance(one, KeyframesChosen))
    notices = [notice.key for notice in chosen.decode.notices]
    assert ("damaged_frames" in notices) == is_damaged
    assert not is_damaged or all(frame.frame_index != 12 for frame in chosen.keyframes)
