"""Pictures with flipped bits are no keyframes, where there are others, and the report says that there are some."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.damage import cells, differs, flipped, payloads, shown
from framelens.core.domain import Keyframe, Selection
from framelens.core.events import KeyframesChosen
from framelens.video.extractor import extract, full_pictures
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.readers.damage import Messages
from tests.media import Image, moving, solid, textured, write_video
from tests.thorough import first_of

FILES = [
    ("ffv1", "yuv420p", ".mkv"),
    ("mjpeg", "yuvj420p", ".avi"),
    ("mpeg4", "yuv420p", ".avi"),
    ("libx265", "yuv420p", ".mp4"),
    ("libvpx", "yuv420p", ".webm"),
    ("libvpx-vp9", "yuv420p", ".webm"),
    ("libsvtav1", "yuv420p", ".mkv"),
]
OPTIONS = {
    "mpeg4": {"g": "10", "qmin": "4", "qmax": "4"},
    "libx265": {"preset": "ultrafast", "x265-params": "keyint=10:log-level=none"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "g": "10", "crf": "20"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "g": "10", "crf": "20"},
    "libsvtav1": {"preset": "12", "g": "10", "svtav1-params": "lp=1"},
}
MOST_SHOWN = {"mjpeg": 1, "mpeg4": 1, "libx265": 1, "libvpx": 2}
"""Keyframes of a file. Of these codecs a flip may change a value and nothing else, which no decoder can notice."""


def scenes() -> Iterator[Image]:
    for seed in (1, 2, 3):
        yield from moving(30, 320, 192, seed=seed)


def written(path: Path, codec: str, pixel_format: str) -> Path:
    return write_video(path, scenes(), codec=codec, pixel_format=pixel_format, options=OPTIONS.get(codec, {}))


def keyframes_of(path: Path) -> KeyframesChosen:
    return next(
        event for event in extract(path, ExtractOptions(6, read_text=False)) if isinstance(event, KeyframesChosen)
    )


def picture(keyframe: Keyframe) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(keyframe.jpeg, np.uint8), cv2.IMREAD_COLOR)
    return cells(np.asarray(image, np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), *first_of((3, 5), always=0)])
@pytest.mark.parametrize(("codec", "pixel_format", "suffix"), FILES)
def test_keyframes_show_no_damage(tmp_path: Path, codec: str, pixel_format: str, suffix: str, seed: int) -> None:
    whole = written(tmp_path / f"whole{suffix}", codec, pixel_format)
    truth = shown(whole)
    damaged = tmp_path / f"damaged{suffix}"
    damaged.write_bytes(flipped(whole.read_bytes(), payloads(whole), 5, seed))
    chosen = keyframes_of(damaged)
    assert len(chosen.keyframes) >= 3
    num_shown = 0
    for one, large in zip(chosen.keyframes, full_pictures(damaged, chosen.keyframes), strict=True):
        num_shown += differs(picture(one), truth[round(one.time_seconds * 1000)])
        assert not differs(picture(one), picture(large))
    assert num_shown <= MOST_SHOWN.get(codec, 0)
    assert [notice.key for notice in chosen.decode.notices] == ["damaged_frames"]


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "pixel_format", "suffix"), first_of(FILES, always=3))
def test_a_flash_of_one_frame_is_no_damage(tmp_path: Path, codec: str, pixel_format: str, suffix: str) -> None:
    images = [*moving(30, 320, 192), solid((255, 255, 255), 320, 192), textured(5, 320, 192), *moving(30, 320, 192)]
    options = OPTIONS.get(codec, {})
    path = write_video(tmp_path / f"flash{suffix}", images, codec=codec, pixel_format=pixel_format, options=options)
    assert keyframes_of(path).decode.notices == ()


@pytest.mark.slow
def test_a_video_that_is_damaged_throughout_names_the_keyframe(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", scenes(), codec="ffv1")
    data = bytearray(whole.read_bytes())
    for position, size in payloads(whole):
        data[position + size // 2] ^= 4
    (tmp_path / "damaged.mkv").write_bytes(data)
    chosen = keyframes_of(tmp_path / "damaged.mkv")
    notices = {notice.key: notice.values for notice in chosen.decode.notices}
    assert len(chosen.keyframes) == 1 and notices["damaged_keyframe"] == {"number": 1}
    assert notices["damaged_frames"] == {"count": 1}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 9])
def test_picture_before_frames_that_are_refused_is_named(tmp_path: Path, seed: int) -> None:
    whole = written(tmp_path / "whole.mkv", "libsvtav1", "yuv420p")
    damaged = tmp_path / "damaged.mkv"
    damaged.write_bytes(flipped(whole.read_bytes(), payloads(whole), 40, seed))
    chosen = keyframes_of(damaged)
    assert len(chosen.keyframes) == 1
    assert [notice.key for notice in chosen.decode.notices] == ["damaged_frames", "damaged_keyframe"]


@pytest.mark.slow
def test_frame_predicted_from_a_later_one_is_left_out(tmp_path: Path) -> None:
    options = {"g": "90", "bf": "7", "b-adapt": "0", "preset": "veryfast", "crf": "18"}
    whole = write_video(tmp_path / "whole.mp4", scenes(), options=options)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(flipped(whole.read_bytes(), payloads(whole), 1, 110))
    wanted = Selection("times", times_seconds=(78 / 25,))
    events = list(extract(damaged, ExtractOptions(1, selection=wanted, read_text=False)))
    chosen = next(event for event in events if isinstance(event, KeyframesChosen))
    one = chosen.keyframes[0]
    assert not differs(picture(one), shown(whole)[round(one.time_seconds * 1000)])
    assert [notice.key for notice in chosen.decode.notices] == ["damaged_frames"]


@pytest.mark.parametrize(
    ("text", "is_damage"),
    [
        ("[ffv1 @ 0x55] slice CRC mismatch 12AB!at 1.2 seconds\n", True),
        ("[mjpeg @ 0x55] overread 8\n", True),
        ("[h264 @ 0x55] concealing 7 DC, 7 AC, 7 MV errors in P frame\n", True),
        ("[h264 @ 0x55] mmco: unref short failure\n", False),
        ("[aac @ 0x55] overread 8\n", False),
        ("", False),
    ],
)
def test_only_messages_of_damaged_pictures_count(tmp_path: Path, text: str, is_damage: bool) -> None:
    with (tmp_path / "messages").open("w+b", buffering=0) as file:
        messages = Messages(file)
        file.write(text.encode())
        assert messages.take() is is_damage
        assert not messages.take()


def test_message_that_comes_in_pieces_counts_once_it_is_whole(tmp_path: Path) -> None:
    with (tmp_path / "messages").open("w+b", buffering=0) as file:
        messages = Messages(file)
        file.write(b"[ffv1 @ 0x55] ")
        assert not messages.take()
        file.write(b"slice CRC mismatch\n[ffv1 @ 0x55] ")
        assert messages.take()
        assert not messages.take()


def test_messages_take_little_room(tmp_path: Path) -> None:
    with (tmp_path / "messages").open("w+b", buffering=0) as file:
        messages = Messages(file)
        for _ in range(3):
            file.write(b"[ffv1 @ 0x55] slice CRC mismatch\n" * 40_000)
            assert messages.take()
        assert (tmp_path / "messages").stat().st_size < 2 << 20
