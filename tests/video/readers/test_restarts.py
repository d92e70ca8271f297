"""Recordings that were joined byte by byte: the clock starts again in the middle."""

from itertools import pairwise
from pathlib import Path

import pytest

from framelens.core.domain import VideoInfo
from framelens.core.events import KeyframesChosen
from framelens.video.audio.decoder import pieces
from framelens.video.extractor import extract
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.readers import open_reader
from framelens.video.seeking import pictures_at
from tests.media import moving, solid, with_sound, write_video

_REORDERED = {"preset": "ultrafast", "bf": "3", "g": "25"}


def _part(path: Path, start_seconds: float, count: int = 50, seed: int = 1) -> bytes:
    write_video(path, moving(count, seed=seed), start_seconds=start_seconds, options=_REORDERED)
    return path.read_bytes()


def _read(path: Path) -> tuple[VideoInfo, list[tuple[int, float]]]:
    with open_reader(path, every_frame=False) as reader:
        shown = [(picture.index, picture.time_seconds) for picture in reader.frames()]
        skipped, seconds = reader.tail
        assert reader.num_damaged == 0
        assert reader.declared_seconds is None
        return reader.info, [*shown, (shown[-1][0] + skipped, shown[-1][1] + seconds)]


@pytest.mark.slow
@pytest.mark.parametrize("start", [0.0, 500.0, 3000.0])
@pytest.mark.parametrize("second", [0.0, 500.0, 1000.0])
def test_joined_recordings_go_on_where_the_first_ends(start: float, second: float, tmp_path: Path) -> None:
    if start == second == 0.0:
        second = 1.0  # falls back by a second
    joined = tmp_path / "joined.ts"
    joined.write_bytes(_part(tmp_path / "1.ts", start) + _part(tmp_path / "2.ts", second, seed=2))
    info, frames = _read(joined)
    assert all(time == pytest.approx(index / 25, abs=0.0015) for index, time in frames)
    assert frames[-1] == (99, pytest.approx(3.96, abs=0.0015))
    assert [one.index for one in pictures_at(info, "pyav", [1.0, 3.0])] == [25, 75]


def test_joined_recordings_shorter_than_a_second_go_on(tmp_path: Path) -> None:
    joined = tmp_path / "joined.ts"
    joined.write_bytes(_part(tmp_path / "1.ts", 0.0, 20) + _part(tmp_path / "2.ts", 0.0, 20, seed=2))
    info, frames = _read(joined)
    assert [time for _, time in frames] == pytest.approx([index / 25 for index, _ in frames], abs=0.0015)
    assert frames[-1] == (39, pytest.approx(1.56, abs=0.0015))
    assert [one.index for one in pictures_at(info, "pyav", [0.4, 1.2])] == [10, 30]


@pytest.mark.slow
def test_joined_recording_says_that_its_times_go_on(tmp_path: Path) -> None:
    parts = [_part(tmp_path / f"{number}.ts", 500.0 * number, seed=number) for number in (2, 1)]
    for name, data, keys in (("joined.ts", b"".join(parts), ["clock_continued"]), ("one.ts", parts[0], [])):
        (tmp_path / name).write_bytes(data)
        found = [one for one in extract(tmp_path / name, ExtractOptions(2)) if isinstance(one, KeyframesChosen)]
        assert [notice.key for notice in found[0].decode.notices] == keys


def test_joined_flv_goes_on_where_the_first_ends(tmp_path: Path) -> None:
    header = 13  # bytes of an FLV before its first tag
    joined = tmp_path / "joined.flv"
    joined.write_bytes(_part(tmp_path / "1.flv", 0.0) + _part(tmp_path / "2.flv", 0.0, seed=2)[header:])
    _, frames = _read(joined)
    assert frames[-1] == (99, pytest.approx(3.96, abs=0.0015))


@pytest.mark.slow
def test_sound_of_joined_recordings_stays_with_the_pictures(tmp_path: Path) -> None:
    parts = []
    for name, start in (("1", 2000.0), ("2", 0.0)):
        silent = write_video(tmp_path / f"{name}.silent.ts", moving(75), start_seconds=0.0)
        whole = with_sound(silent, tmp_path / f"{name}.ts", sound=(start + 2.0, start + 3.0), picture_start=start)
        parts.append(whole.read_bytes())
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(parts))
    with open_reader(joined) as reader:
        info = reader.info
    starts = [one.start_seconds for one in pieces(info, 0.0, None)]
    assert all(0.0 <= one <= 6.0 for one in starts)


def test_slides_that_stand_for_long_are_no_restart(tmp_path: Path) -> None:
    times = [15.0 * number for number in range(6)]
    path = write_video(tmp_path / "slides.ts", [solid((40 * n, 90, 90)) for n in range(6)], times=times)
    with open_reader(path) as reader:
        shown = [picture.time_seconds for picture in reader.frames()]
    assert [after - before for before, after in pairwise(shown)] == pytest.approx([15.0] * 5, abs=0.001)


@pytest.mark.parametrize("steps", [[10.0], [0.02, 0.02, 2.3, 0.5]])
def test_pauses_of_a_recording_are_no_restart(steps: list[float], tmp_path: Path) -> None:
    """Matroska has no decoding times, which FFmpeg can't tell of the first reordered pictures."""
    times = [0.0]
    while len(times) < 30:
        times.append(round(times[-1] + steps[len(times) % len(steps)], 3))
    options = {"preset": "ultrafast", "bf": "2", "b_strategy": "0"}
    path = write_video(tmp_path / "screen.mkv", moving(30), times=times, options=options)
    with open_reader(path) as reader:
        assert [frame.time_seconds for frame in reader.frames()] == pytest.approx(times, abs=0.0011)
        assert not reader.changes.has_continued_clock


def test_hole_of_zeros_in_a_transport_stream_is_passed(tmp_path: Path) -> None:
    parts = [_part(tmp_path / f"{number}.ts", 1.0 + 2.0 * number, seed=number) for number in range(2)]
    path = tmp_path / "hole.ts"
    path.write_bytes(bytes(400_000).join(parts) + bytes(400_000))
    with open_reader(path) as reader:
        assert [frame.time_seconds for frame in reader.frames()] == pytest.approx(
            [n / 25 for n in range(100)], abs=0.001
        )
