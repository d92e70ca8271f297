"""What every reader promises, checked for each reader in the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Stream

from framelens.core.errors import DecodeError
from framelens.video.readers import READERS, open_reader
from framelens.video.readers.base import CELL_SIZE, LUMA_SIZE, FrameReader
from framelens.video.readers.pyav import AvReader
from tests.media import COLOURS, moving, solid, write_sound, write_video

Open = Callable[[Path], FrameReader]


@pytest.fixture(params=sorted(READERS))
def opened(request: pytest.FixtureRequest) -> Open:
    return READERS[request.param]


def times_of(opened: Open, path: Path) -> list[float]:
    with opened(path) as reader:
        return [picture.time_seconds for picture in reader.frames()]


def test_every_frame_comes_once_in_order_with_its_time(opened: Open, moving_video: Path) -> None:
    with opened(moving_video) as reader:
        pictures = list(reader.frames())
    assert [picture.index for picture in pictures] == list(range(50))
    assert [picture.time_seconds for picture in pictures] == pytest.approx([n / 25 for n in range(50)], abs=1e-4)
    assert reader.num_damaged == 0


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_frames_keep_their_own_times_when_the_rate_varies(opened: Open, tmp_path: Path, suffix: str) -> None:
    times = [0.0, 0.04, 0.1, 0.5, 0.52, 1.7, 1.74, 3.0]
    path = write_video(tmp_path / f"vfr.{suffix}", moving(8), times=times)
    assert times_of(opened, path) == pytest.approx(times, abs=2e-3)


def test_frames_stored_out_of_order_are_shown_in_order(opened: Open, tmp_path: Path) -> None:
    """B-frames are stored after the frames they lie between."""
    options = {"bf": "3", "preset": "veryfast", "b-adapt": "0"}
    path = write_video(tmp_path / "b.mp4", (solid((6 * n, 6 * n, 6 * n)) for n in range(40)), options=options)
    with opened(path) as reader:
        light = [float(picture.luma().mean()) for picture in reader.frames()]
    assert len(light) == 40
    assert light == sorted(light)
    assert light[-1] - light[0] > 150


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_a_late_start_is_second_zero(opened: Open, tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"late.{suffix}", moving(10), start_seconds=3.0)
    assert times_of(opened, path) == pytest.approx([n / 25 for n in range(10)], abs=2e-3)


def test_shifted_and_ten_bit_videos_are_read(opened: Open, tmp_path: Path) -> None:
    # Frames before an edit list are not shown.
    path = write_video(tmp_path / "edit.mp4", moving(50), start_seconds=-0.4, muxer={"avoid_negative_ts": "disabled"})
    assert times_of(opened, path) == pytest.approx([n / 25 for n in range(40)], abs=1e-3)
    # Ten bit h264 is read.
    try:
        path = write_video(tmp_path / "ten.mp4", moving(10), pixel_format="yuv420p10le")
    except ValueError as error:
        pytest.skip(f"this encoder has no 10 bit: {error}")
    assert len(times_of(opened, path)) == 10


@pytest.mark.parametrize("suffix", ["mkv", "h264"])
def test_frames_without_times_are_spaced_by_the_frame_rate(opened: Open, tmp_path: Path, suffix: str) -> None:
    muxer = {"avoid_negative_ts": "disabled"} if suffix == "mkv" else {}
    path = write_video(tmp_path / f"none.{suffix}", moving(30), start_seconds=-0.4 if muxer else 0.0, muxer=muxer)
    assert times_of(opened, path) == pytest.approx([n / 25 for n in range(30)], abs=1e-3)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_turned_video_is_shown_upright(opened: Open, tmp_path: Path, rotation: int) -> None:
    image = solid(COLOURS["blue"])
    image[:48, :80] = COLOURS["red"]  # a quarter of the stored picture: top left
    path = write_video(tmp_path / "turned.mp4", [image] * 3, rotation=rotation)
    with opened(path) as reader:
        shown = next(iter(reader.frames())).upright(1280)
        info = reader.info
    assert (info.width, info.height) == ((96, 160) if rotation % 180 else (160, 96))
    assert shown.shape[:2] == (info.height, info.width)
    assert info.rotation_degrees == rotation
    row, column = {90: (0.25, 0.75), 180: (0.75, 0.75), 270: (0.75, 0.25)}[rotation]
    blue, _, red = shown[int(row * info.height), int(column * info.width)]
    assert red > 150 > blue


def test_pixels_that_are_not_square_are_made_square(opened: Open, tmp_path: Path) -> None:
    path = write_video(tmp_path / "wide.mp4", moving(3), pixel_aspect=Fraction(4, 3))
    with opened(path) as reader:
        assert (reader.info.width, reader.info.height) == (213, 96)
        assert next(iter(reader.frames())).upright(1280).shape == (96, 213, 3)


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "size"),
    [
        ("odd.mkv", "ffv1", "yuv420p", (161, 97)),
        ("odd444.mkv", "ffv1", "yuv444p", (33, 17)),
        ("tiny.mkv", "ffv1", "yuv420p", (2, 2)),
        ("tall.mkv", "ffv1", "yuv420p", (16, 900)),
        ("full.avi", "mjpeg", "yuvj420p", (160, 96)),
        ("old.avi", "mpeg4", "yuv420p", (160, 96)),
        ("deep.mkv", "ffv1", "yuv420p10le", (160, 96)),
        ("rgb.mkv", "ffv1", "bgr0", (160, 96)),
    ],
)
def test_odd_sizes_and_formats_are_read(
    opened: Open, tmp_path: Path, name: str, codec: str, pixel_format: str, size: tuple[int, int]
) -> None:
    path = write_video(tmp_path / name, [solid(COLOURS["orange"], *size)] * 5, codec=codec, pixel_format=pixel_format)
    with opened(path) as reader:
        pictures = list(reader.frames())
        levels, luma, shown = pictures[0].levels(), pictures[0].luma(), pictures[0].upright(1280)
    assert len(pictures) == 5
    assert luma.shape == LUMA_SIZE[::-1]
    assert levels.shape == (3, *CELL_SIZE[::-1])
    assert shown.shape == (size[1], size[0], 3)
    assert shown[0, 0].tolist() == pytest.approx(COLOURS["orange"][::-1], abs=16)


def test_readers_show_the_same_pictures(moving_video: Path) -> None:
    shown = {}
    for name, opened in READERS.items():
        with opened(moving_video) as reader:
            shown[name] = [picture.upright(1280).astype(int) for picture in reader.frames()]
    first, second = shown["pyav"], shown["opencv"]
    assert max(np.abs(a - b).mean() for a, b in zip(first, second, strict=True)) < 3


def test_sound_alone_is_no_video(opened: Open, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="video_"):
        opened(write_sound(tmp_path / "tone.m4a"))


def test_second_reader_is_tried_after_the_first_fails(monkeypatch: pytest.MonkeyPatch, moving_video: Path) -> None:
    def fails(path: Path, *, every_frame: bool) -> FrameReader:
        raise DecodeError("video_no_frames", name=path.name, codec="?")

    monkeypatch.setitem(READERS, "pyav", fails)
    with open_reader(moving_video) as reader:
        assert reader.name == "opencv"
        assert len(list(reader.frames())) == 50


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_skipped_frames_before_new_picture_are_known(ending: str, tmp_path: Path) -> None:
    lengths = (31, 36, 29, 38)
    images = [image for seed, length in enumerate(lengths) for image in moving(length, 320, 192, seed=seed)]
    options = {"bf": "3", "b-adapt": "0", "sc_threshold": "0", "x264-params": "scenecut=0:b-adapt=0:bframes=3"}
    path = write_video(tmp_path / f"cuts.{ending}", images, options=options)
    with READERS["pyav"](path) as reader:
        levels = [picture.levels() for picture in reader.frames()]
    num_known = 0
    with READERS["pyav"](path, every_frame=False) as reader:
        surveyed = list(reader.frames())
        for before, after in pairwise(surveyed):
            known = reader.passed_over(before.time_seconds, after.time_seconds)
            num_known += len(known)
            if any(before.index < sum(lengths[:n]) <= after.index for n in (1, 2, 3)):
                assert len(known) == after.index - before.index - 1
            for (seconds, grid), index in zip(known, range(before.index + 1, after.index), strict=False):
                assert seconds == pytest.approx(index / 25, abs=1e-3)
                assert np.array_equal(grid, levels[index])
    assert len(surveyed) < 0.7 * len(images)
    assert 0 < num_known < 0.4 * (len(images) - len(surveyed))


def test_last_frames_arrive_if_video_is_not_first_stream(tmp_path: Path) -> None:
    path = tmp_path / "sound-first.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        stream = container.add_stream("libx264", rate=25, options={"preset": "medium", "bf": "3"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for image in moving(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), format="s16", layout="mono")
        silence.sample_rate = 16_000
        container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    with READERS["pyav"](path) as reader:
        assert len(list(reader.frames())) == 30


def test_every_frame_is_decoded_after_a_packet_without_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "b.mp4", moving(90), options={"bf": "2", "b-adapt": "0", "g": "30"})
    packets = AvReader._packets

    def without_one_time(reader: AvReader) -> Iterator[Packet[Stream]]:
        for number, packet in enumerate(packets(reader)):
            if number == 40:
                packet.pts = None
            yield packet

    monkeypatch.setattr(AvReader, "_packets", without_one_time)
    with open_reader(path, every_frame=False) as reader:
        pictures = list(reader.frames())
    late = [picture.time_seconds for picture in pictures if picture.time_seconds > 2.39]
    assert late == pytest.approx([number / 25 for number in range(60, 90)], abs=1e-3)
    assert len([picture for picture in pictures if picture.time_seconds < 1.5]) < 36
