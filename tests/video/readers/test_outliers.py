"""Single times of packets that leave the line of the others, in each container that can hold them."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from framelens.core.events import KeyframesChosen, Probed
from framelens.video.extractor import extract
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.readers import open_reader
from framelens.video.readers.opencv import CvReader
from framelens.video.seeking import AccurateSeeker
from tests.media import moving, write_video

_REORDERED = {"preset": "ultrafast", "bf": "2", "g": "50", "b_strategy": "0"}
_HOURS = 10_800.0
_OF_FLV = 800.0
"""FFmpeg takes away a time of FLV that is a quarter of an hour off."""


def _moved(path: Path, seconds: Callable[[int], float], *, both: bool = False) -> Path:
    """A video of 150 frames in which the time of each packet is moved, and with `both` that of decoding."""
    source = write_video(path.with_suffix(".source.mp4"), moving(150), options=_REORDERED)
    with av.open(str(source)) as container, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(container.streams.video[0])
        for number, packet in enumerate(container.demux(video=0)):
            if packet.pts is not None and packet.dts is not None:
                ticks = round(seconds(number) / packet.time_base)
                packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks * both
                packet.stream = stream
                target.mux(packet)
    return path


def _times(path: Path) -> list[float]:
    with open_reader(path) as reader:
        times = [picture.time_seconds for picture in reader.frames()]
        assert reader.num_damaged == 0
        assert not reader.changes.has_continued_clock
    return times


def _at(*numbers: int, seconds: float = _HOURS) -> Callable[[int], float]:
    return lambda number: seconds if number in numbers else 0.0


_EVEN = pytest.approx([number / 25 for number in range(150)], abs=0.002)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "flv"])
@pytest.mark.parametrize("numbers", [(50,), (0,), (20, 61, 100), (50, 51, 52)], ids=["key", "start", "several", "run"])
def test_outliers_get_the_place_that_is_vacant(suffix: str, numbers: tuple[int, ...], tmp_path: Path) -> None:
    seconds = _OF_FLV if suffix == "flv" else _HOURS
    path = _moved(tmp_path / f"live.{suffix}", _at(*numbers, seconds=seconds))
    assert _times(path) == _EVEN
    with open_reader(path, every_frame=False) as reader:
        assert all(frame.time_seconds == pytest.approx(frame.index / 25, abs=0.002) for frame in reader.frames())
        assert len(reader.changes.outliers_seconds) == len(numbers)
        assert reader.declared_seconds is None
    with AccurateSeeker(reader.info) as seeker:
        assert [seeker.at(time).index for time in (5.0, 2.0, 4.0)] == [125, 50, 100]


def test_single_outliers_move_no_other_frame(tmp_path: Path) -> None:
    assert _times(_moved(tmp_path / "late.mp4", _at(50, seconds=1.0))) == _EVEN  # key frame a second late is an outlier
    # Missing time in flv is an outlier.
    assert _times(_moved(tmp_path / "live.flv", _at(50, 100, seconds=5000.0))) == _EVEN


@pytest.mark.parametrize("suffix", ["mp4", "ts", "flv"])
def test_last_time_is_an_outlier_if_the_file_says_so(suffix: str, tmp_path: Path) -> None:
    assert _times(_moved(tmp_path / f"end.{suffix}", _at(149))) == _EVEN


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_jump_that_stays_is_a_gap(suffix: str, tmp_path: Path) -> None:
    path = _moved(tmp_path / f"gap.{suffix}", lambda number: _HOURS * (number >= 50), both=True)
    assert _times(path) == pytest.approx([number / 25 + _HOURS * (number >= 50) for number in range(150)], abs=0.002)


def test_pictures_decoded_across_a_gap_keep_their_times(tmp_path: Path) -> None:
    """A picture behind a gap is decoded before those that are shown in front of it."""
    times = [number / 25 + 20 * (number > 40) + 20 * (number > 90) for number in range(100)]
    options = {"preset": "ultrafast", "bf": "3", "b_strategy": "0", "b_pyramid": "normal"}
    path = write_video(tmp_path / "screen.mkv", moving(100), times=times, options=options)
    assert _times(path) == pytest.approx(times, abs=0.002)


def test_edit_list_loses_nothing_behind_outliers(tmp_path: Path) -> None:
    """FFmpeg ends an edit at the second key frame behind its end."""
    path = _moved(tmp_path / "edit.mp4", _at(50, 100))
    data = path.read_bytes()
    place = data.index(b"elst") + 12  # after the version and the number of edits
    path.write_bytes(data[:place] + (6000).to_bytes(4) + data[place + 4 :])
    with av.open(str(path)) as container:
        assert sum(not packet.is_discard for packet in container.demux(video=0) if packet.size) < 150
    assert _times(path) == _EVEN


def test_outliers_are_named_and_change_no_length(tmp_path: Path) -> None:
    path = _moved(tmp_path / "live.mkv", _at(50))
    events = list(extract(path, ExtractOptions(4, read_text=False)))
    (chosen,) = (event for event in events if isinstance(event, KeyframesChosen))
    (notice,) = chosen.decode.notices
    assert (notice.key, notice.values) == ("time_outliers", {"count": 1, "time": "0:02.000"})
    assert chosen.decode.readable_seconds == pytest.approx(6.0, abs=0.002)
    assert [event.video.duration_seconds_from_header for event in events if isinstance(event, Probed)][1:] == [None]


def test_sound_with_an_outlier_keeps_its_length(tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(write_video(tmp_path / "silent.mkv", moving(50)))) as container, av.open(str(path), "w") as target:
        video = target.add_stream_from_template(container.streams.video[0])
        sound = target.add_stream("pcm_s16le", rate=8000)
        for packet in container.demux(video=0):
            if packet.size:
                packet.stream = video
                target.mux(packet)
        for number in range(100):
            piece = av.Packet(bytes(320))
            piece.stream, piece.time_base = sound, Fraction(1, 8000)
            piece.dts, piece.pts = 160 * number, 160 * number + 8000 * round(_at(40)(number))
            target.mux(piece)
    with open_reader(path) as reader:
        assert len(list(reader.frames())) == 50
        assert reader.held_until_seconds == pytest.approx(2.0, abs=0.05)


def test_second_reader_passes_single_outliers(tmp_path: Path) -> None:
    path = _moved(tmp_path / "live.mkv", _at(50, 100))
    with CvReader(path) as reader:
        assert [picture.time_seconds for picture in reader.frames()] == pytest.approx(_EVEN.expected, abs=0.002)
        assert reader.changes.outliers_seconds == pytest.approx([2.0, 4.0], abs=0.002)
