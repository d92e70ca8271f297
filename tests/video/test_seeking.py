"""Pictures fetched by a jump equal, to the bit, the pictures that reading in order gives."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from framelens.core.domain import Selection, Strategy
from framelens.core.events import KeyframesChosen
from framelens.video.extractor import extract
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.readers import open_reader
from framelens.video.readers.base import Image
from framelens.video.seeking import AccurateSeeker, InaccurateSeekError, SeekReader, pictures_at
from tests.media import cut_short, moving, textured, with_damage, write_video

B_FRAMES = {"preset": "ultrafast", "g": "12", "bf": "3"}
UNEVEN = [n / 25 + (n % 3) * 0.011 + (0.7 if n > 30 else 0.0) for n in range(60)]
KINDS: dict[str, Callable[[Path], Path]] = {
    "b-frames": lambda at: write_video(at / "b.mp4", moving(60), options=B_FRAMES),
    "one long group": lambda at: write_video(at / "long.mp4", moving(60), options={"preset": "ultrafast", "g": "999"}),
    "uneven times": lambda at: write_video(at / "vfr.mkv", moving(60), times=UNEVEN, options=B_FRAMES),
    "late start": lambda at: write_video(at / "late.ts", moving(60), start_seconds=9.0, options=B_FRAMES),
    "every frame whole": lambda at: write_video(at / "whole.mkv", moving(60), codec="ffv1"),
    "palette": lambda at: write_palette(at / "palette.avi"),
    "turned": lambda at: write_video(at / "turned.mp4", moving(60), rotation=90, options=B_FRAMES),
    "no times": lambda at: write_video(at / "raw.h264", moving(60), options=B_FRAMES),
    "cut off": lambda at: cut_short(
        write_video(at / "x.mkv", (textured(n) for n in range(60)), options=B_FRAMES), at / "cut.mkv", 0.7
    ),
    "damaged": lambda at: with_damage(
        write_video(at / "x.mkv", (textured(n) for n in range(60)), options=B_FRAMES), at / "damaged.mkv"
    ),
}


def write_palette(path: Path) -> Path:
    """An AVI of uncompressed pictures with a palette, which FFmpeg gives with the first picture alone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "pal8"
        for number in range(60):
            indices = np.full((96, 160), number, np.uint8)
            palette = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 4, axis=1)
            frame = av.VideoFrame.from_ndarray((indices, palette), "pal8")  # type: ignore[arg-type]
            frame.pts = number
            container.mux(stream.encode(frame))
    return path


def in_order(path: Path) -> list[tuple[int, float, Image]]:
    with open_reader(path) as reader:
        return [(picture.index, picture.time_seconds, picture.upright(99)) for picture in reader.frames()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_frames_of_its_times(kind: str, tmp_path: Path) -> None:
    path = KINDS[kind](tmp_path)
    wanted = in_order(path)[3::9]
    with open_reader(path) as reader:
        info, name = reader.info, reader.name
    found = list(pictures_at(info, name, [time for _, time, _ in wanted]))
    assert [picture.time_seconds for picture in found] == [time for _, time, _ in wanted]
    for picture, (_, _, image) in zip(found, wanted, strict=True):
        assert np.array_equal(picture.upright(99), image)


@pytest.mark.parametrize("kind", ["b-frames", "uneven times", "late start", "turned", "every frame whole"])
def test_healthy_files_are_seekable_in_display_order(kind: str, tmp_path: Path) -> None:
    path = KINDS[kind](tmp_path)
    frames = [(index, time) for index, time, _ in in_order(path)]
    with open_reader(path) as reader:
        info = reader.info
    with AccurateSeeker(info) as jumper:
        jumper.check([frames[0], frames[-1]])
        for index, time in frames[::-7]:  # backwards too
            picture = jumper.at(time)
            assert (picture.index, picture.time_seconds) == (index, time)


def test_a_time_between_two_frames_shows_the_earlier(tmp_path: Path) -> None:
    path = KINDS["uneven times"](tmp_path)
    with open_reader(path) as reader:
        info, name = reader.info, reader.name
    early, gap, beyond = pictures_at(info, name, [UNEVEN[8] + 0.01, UNEVEN[30] + 0.5, UNEVEN[59] + 50])
    assert [early.index, gap.index, beyond.index] == [8, 30, 59]


@pytest.mark.parametrize("seeks", [True, False])
@pytest.mark.parametrize("rate", [Fraction(24_000, 1001), Fraction(30_000, 1001), 240, 1000])
def test_times_in_milliseconds_name_their_frames(tmp_path: Path, rate: Fraction | int, seeks: bool) -> None:
    path = write_video(tmp_path / "film.mp4", moving(30), rate=rate, options=B_FRAMES)
    with open_reader(path) as reader:
        info, name = reader.info, reader.name
    printed = [float(f"{number / float(rate):.3f}") for number in range(30)]
    assert [one.index for one in pictures_at(info, name, printed, seeks=seeks)] == list(range(30))


@pytest.mark.parametrize("strategy", ["every", "times"])
def test_a_range_in_milliseconds_has_its_frames(tmp_path: Path, strategy: Strategy) -> None:
    path = write_video(tmp_path / "film.mp4", moving(30), rate=Fraction(30_000, 1001), options=B_FRAMES)
    times = {"every_seconds": 0.01} if strategy == "every" else {"times_seconds": (0.133, 0.167, 0.2)}
    selection = Selection(strategy, start_seconds=0.133, end_seconds=0.234, **times)  # of frames 4 and 7
    found = [one for one in extract(path, ExtractOptions(9, selection=selection)) if isinstance(one, KeyframesChosen)]
    assert [frame.frame_index for frame in found[0].keyframes] == [4, 5, 6]


def test_edges_that_are_elsewhere_forbid_jumps(tmp_path: Path) -> None:
    path = KINDS["b-frames"](tmp_path)
    with open_reader(path) as reader:
        info = reader.info
    with AccurateSeeker(info) as jumper, pytest.raises(InaccurateSeekError):
        jumper.check([(1, 0.0)])


def test_seeks_are_exact_or_refused(tmp_path: Path) -> None:
    # Without times in the file there are no jumps.
    path = KINDS["no times"](tmp_path)
    with open_reader(path) as reader:
        info = reader.info
    with pytest.raises(InaccurateSeekError):
        AccurateSeeker(info)
    # Where it cannot be exact it refuses.
    with open_reader(KINDS["no times"](tmp_path)) as reader:
        info = reader.info
    with pytest.raises(InaccurateSeekError):
        SeekReader(info, 1.0)


@pytest.mark.parametrize("kind", ["b-frames", "one long group", "uneven times", "late start", "turned"])
def test_late_pictures_equal_sequential_reading(kind: str, tmp_path: Path) -> None:
    path = KINDS[kind](tmp_path)
    wanted = in_order(path)[37:]
    with open_reader(path) as reader:
        info = reader.info
    with SeekReader(info, wanted[0][1]) as late:
        found = [(picture.index, picture.time_seconds, picture.upright(99)) for picture in late.frames()]
    assert [one[:2] for one in found] == [one[:2] for one in wanted]
    assert all(np.array_equal(one[2], other[2]) for one, other in zip(found, wanted, strict=True))
    assert late.num_damaged == 0


def test_after_the_last_frame_it_begins_with_that(tmp_path: Path) -> None:
    path = KINDS["b-frames"](tmp_path)
    with open_reader(path) as reader:
        info = reader.info
    with SeekReader(info, 99.0) as late:
        assert [picture.index for picture in late.frames()] == [in_order(path)[-1][0]]


@pytest.mark.slow
def test_a_range_of_a_file_without_times_is_read_in_order(tmp_path: Path) -> None:
    path = KINDS["no times"](tmp_path)
    events = extract(path, ExtractOptions(3, selection=Selection(start_seconds=1.0, end_seconds=2.0), read_text=False))
    (chosen,) = (event for event in events if isinstance(event, KeyframesChosen))
    assert chosen.keyframes and all(1.0 <= frame.time_seconds < 2.0 for frame in chosen.keyframes)
