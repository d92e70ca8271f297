"""Times of AvReader: where the container starts before its pictures, has no times, or continues after the last."""

import re
import struct
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from av.stream import Disposition
from PIL import Image

from framelens.core.domain import AudioTrack, Selection
from framelens.core.errors import InputError, VideoError
from framelens.core.events import KeyframesChosen
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.keyframes.strategies import WorkerRequest
from framelens.video.readers import open_reader
from framelens.video.readers.base import as_jpeg
from framelens.video.readers.pyav import AvReader
from framelens.video.seeking import pictures_at
from framelens.video.worker import events_of
from tests.field_pictures import write_fields
from tests.marked import uneven_times
from tests.media import COLOURS, cards, moving, solid, textured, with_sound, write_video
from tests.spoken import RATE, write_surround


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four shots of a second."""
    path = tmp_path_factory.mktemp("pictures") / "plain.mp4"
    return write_video(path, cards(("red", "green", "blue", "yellow"), 25))


def chosen(path: Path, selection: Selection) -> KeyframesChosen:
    request = WorkerRequest("extract", path, ExtractOptions(8, selection, read_text=False))
    return next(event for event in events_of(request) if isinstance(event, KeyframesChosen))


# ---- the time axis of players


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
@pytest.mark.parametrize(("sound", "start", "shown"), [((0, 6), 2.0, 2.0), ((3, 6), 3.0, 0.0), ((1, 4), 0.0, 0.0)])
def test_players_count_from_the_start_of_the_container(
    suffix: str, sound: tuple[float, float], start: float, shown: float, pictures: Path, tmp_path: Path
) -> None:
    path = with_sound(pictures, tmp_path / f"sound{suffix}", sound=sound, picture_start=start)
    with AvReader(path) as reader:
        info = reader.info  # the encoder of the sound starts a little earlier
        assert info.player_start_seconds == pytest.approx(shown, abs=0.03)
        assert info.player_seconds(2.0) == pytest.approx(2.0 + shown, abs=0.03)
        assert next(iter(reader.frames())).time_seconds == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "shown"), [(".mkv", 3.0), (".mp4", 3.0), (".ts", 0.0)])
def test_browsers_count_from_zero_where_they_play(suffix: str, shown: float, pictures: Path, tmp_path: Path) -> None:
    path = with_sound(pictures, tmp_path / f"late{suffix}", sound=(3, 6), picture_start=3.0)
    with AvReader(path) as reader:
        assert reader.info.browser_start_seconds == pytest.approx(shown, abs=0.03)


def test_sound_tracks_are_read_with_their_channels(tmp_path: Path) -> None:
    with AvReader(write_surround(tmp_path / "film.mkv", 0, layout="5.1")) as reader:
        assert reader.info.audio_tracks == (AudioTrack(6, RATE),)


@pytest.mark.slow
def test_delay_of_an_encoder_does_not_move_pictures(pictures: Path, tmp_path: Path) -> None:
    path = with_sound(pictures, tmp_path / "primed.mkv", sound=(0, 4))
    with AvReader(path) as reader:
        assert reader.info.player_start_seconds == 0.0


# ---- files that can't be read


def test_encrypted_video_is_named(pictures: Path, tmp_path: Path) -> None:
    path = tmp_path / "protected.mp4"
    key = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "76" * 16, "encryption_kid": "a7" * 16}
    with av.open(str(pictures)) as source, av.open(str(path), "w", options=key) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(VideoError) as caught:
        AvReader(path)
    assert caught.value.key == "video_encrypted"


# ---- containers without times of frames


@pytest.mark.slow
def test_index_without_an_order_of_display_is_not_believed(tmp_path: Path) -> None:
    options = {"preset": "veryfast", "bf": "3", "b_strategy": "0"}
    path = write_video(tmp_path / "index.mxf", moving(50), options=options)
    with AvReader(path, every_frame=False) as reader:
        assert reader.info.has_guessed_times
        assert [round(picture.time_seconds, 3) for picture in reader.frames()] == [round(n / 25, 3) for n in range(50)]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".flv", ".ts"])
def test_times_in_the_order_of_decoding_are_not_believed(suffix: str, tmp_path: Path) -> None:
    """Programs that pass on packets of a raw stream number them as they are stored."""
    options = {"preset": "veryfast", "bf": "3", "b_strategy": "0"}
    right, path = write_video(tmp_path / "right.mkv", moving(50), options=options), tmp_path / f"wrong{suffix}"
    with av.open(str(right)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stored = (packet for packet in source.demux(video=0) if packet.size)
        for number, packet in enumerate(stored):
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts, packet.dts, packet.duration = number, number, 1
            target.mux(packet)
    with AvReader(path, every_frame=False) as reader:
        assert reader.info.has_guessed_times
        seen = list(reader.frames())
    assert [one.index for one in seen] == list(range(50))
    assert [one.time_seconds for one in seen] == pytest.approx([n / 25 for n in range(50)], abs=0.002)


@pytest.mark.parametrize(("suffix", "codec"), [(".h264", "libx264"), (".m1v", "mpeg1video"), (".mjpeg", "mjpeg")])
def test_stream_without_a_container_has_guessed_times(suffix: str, codec: str, tmp_path: Path) -> None:
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_video(
        tmp_path / f"raw{suffix}", moving(50), codec=codec, pixel_format=pixel_format, options={"bf": "0"}
    )
    with AvReader(path) as reader:
        assert reader.info.has_guessed_times
        assert reader.info.duration_seconds_from_header is None
        assert [round(picture.time_seconds, 3) for picture in reader.frames()] == [round(n / 25, 3) for n in range(50)]


def test_odd_containers_have_their_length(tmp_path: Path) -> None:
    # Delay of a decoder shortens no avi.
    path = write_video(tmp_path / "delay.avi", moving(50), codec="mpeg4", options={"bf": "2"})
    with AvReader(path) as reader:
        assert reader.info.duration_seconds_from_header == 2.0
    # Ticks of ivf are no number of frames.
    path = write_video(tmp_path / "ticks.ivf", moving(10), codec="libvpx")
    data = bytearray(path.read_bytes())
    data[24:28] = struct.pack("<I", 5120)  # as FFmpeg 5 writes it
    path.write_bytes(data)
    with AvReader(path) as reader:
        assert reader.info.num_frames_from_header is None
    # Rare pictures do not make matroska longer: The first packets have no decoding times, so FFmpeg gives the stream
    # a start only while it is read.
    images = [solid(COLOURS[name]) for name in ("red", "green", "blue", "white", "yellow")]
    options = {"bf": "3", "b_strategy": "0", "preset": "veryfast"}
    path = write_video(tmp_path / "slides.mkv", images, rate=Fraction(1, 12), options=options)
    with AvReader(path) as reader:
        assert reader.info.duration_seconds_from_header == 60.0


@pytest.mark.parametrize(
    ("codec", "options"),
    [("mpeg4", {}), ("mjpeg", {}), ("libx264", {"bf": "0"}), ("libx264", {"preset": "veryfast", "b_strategy": "0"})],
)
def test_empty_slots_of_avi_show_the_picture_again(tmp_path: Path, codec: str, options: dict[str, str]) -> None:
    """Encoders write nothing where a picture is like the previous picture; players show that picture again."""
    path, numbers = tmp_path / "empty.avi", [*range(20), *range(26, 30), *range(31, 50)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in numbers:
            frame = av.VideoFrame.from_ndarray(solid((5 * number, 5 * number, 5 * number)), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with AvReader(path) as reader:
        pictures = list(reader.frames())
        info = reader.info
        assert not reader.is_variable_frame_rate
    assert [picture.index for picture in pictures] == list(range(50))
    assert [picture.time_seconds for picture in pictures] == pytest.approx([n / 25 for n in range(50)], abs=1e-3)
    shown = [5 * max(one for one in numbers if one <= number) for number in range(50)]
    assert [float(picture.upright(160).mean()) for picture in pictures] == pytest.approx(shown, abs=4)
    still = next(pictures_at(info, "pyav", [24 / 25]))
    assert (still.index, round(still.time_seconds, 3)) == (24, 0.96)


@pytest.mark.slow
def test_empty_slots_at_the_end_show_the_last_picture(tmp_path: Path) -> None:
    path = tmp_path / "end.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in (*range(20), 49):
            frame = av.VideoFrame.from_ndarray(solid((5 * number, 5 * number, 5 * number)), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path.write_bytes(without_last_chunk(path.read_bytes()))
    decode = chosen(path, Selection()).decode
    assert (decode.frames_decoded, decode.readable_seconds, decode.notices) == (50, 2.0, ())
    still = chosen(path, Selection("times", times_seconds=(1.5,))).keyframes
    assert [one.frame_index for one in still] == [37]


def without_last_chunk(avi: bytes) -> bytes:
    """Return an AVI file whose last chunk is empty, as recorders leave it where a picture is missing."""
    place = 12 + avi.rindex(b"00dc", 0, avi.rindex(b"idx1"))
    size = int.from_bytes(avi[place - 8 : place - 4], "little")
    empty = bytes(4) + b"JUNK" + (size - 8).to_bytes(4, "little")
    changed = avi[: place - 8] + empty + avi[place + 4 :]
    return changed[:-4] + bytes(4)  # its size in the index, too


# ---- fragments


@pytest.mark.slow
def test_video_that_ends_inside_a_fragment_is_named(tmp_path: Path) -> None:
    muxer = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    options = {"preset": "ultrafast", "g": "25"}
    whole = write_video(tmp_path / "whole.mp4", moving(150), options=options, muxer=muxer)
    data, half = whole.read_bytes(), tmp_path / "half.mp4"
    half.write_bytes(data[: data.rindex(b"moof") + 30])
    assert chosen(whole, Selection()).decode.notices == ()
    decode = chosen(half, Selection()).decode
    assert decode.frames_decoded == 125
    assert [notice.key for notice in decode.notices] == ["damaged_frames"]


@pytest.mark.slow
def test_fragments_without_the_first_ones_are_whole(tmp_path: Path) -> None:
    muxer = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    path = write_video(tmp_path / "late.mp4", moving(150), options={"preset": "ultrafast", "g": "25"}, muxer=muxer)
    data = path.read_bytes()
    fragments = [match.start() - 4 for match in re.finditer(b"moof", data)]
    written = bytearray(data[: fragments[0]] + data[fragments[3] :])
    for name, place in ((b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)):  # lengths of the whole, as DASH has them
        begin = written.index(name) + 4 + place
        unit = 1000 if name == b"tkhd" else int.from_bytes(written[begin - 4 : begin])
        written[begin : begin + 4] = (6 * unit).to_bytes(4)
    path.write_bytes(written)
    decode = chosen(path, Selection()).decode
    assert (decode.frames_decoded, decode.notices) == (75, ())


@pytest.mark.slow
@pytest.mark.parametrize("rate", [24, 30])
def test_rate_of_fragments_with_sound_is_exact(rate: int, tmp_path: Path) -> None:
    plain = write_video(tmp_path / "plain.mp4", moving(4 * rate), rate=rate)
    whole, path = with_sound(plain, tmp_path / "whole.mkv", sound=(0, 4)), tmp_path / "fragments.mp4"
    with (
        av.open(str(whole)) as source,
        av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov"}) as target,
    ):
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    with AvReader(path) as reader:
        assert reader.info.frame_rate == rate


@pytest.mark.parametrize(("suffix", "rate"), [(".mp4", 25), (".mov", 25), (".mp4", Fraction(30_000, 1001))])
def test_gap_does_not_change_the_rate(suffix: str, rate: Fraction, tmp_path: Path) -> None:
    times = [float((number if number < 50 else number + 150) / rate) for number in range(100)]
    path = write_video(tmp_path / f"gap{suffix}", moving(100), times=times, rate=rate)
    with AvReader(path) as reader:
        assert reader.info.frame_rate == pytest.approx(float(rate), rel=0.001)


def test_rate_of_uneven_frames_is_their_average(tmp_path: Path) -> None:
    times = uneven_times(100)
    with AvReader(write_video(tmp_path / "screen.mp4", moving(100), times=times)) as reader:
        assert reader.info.frame_rate == pytest.approx(99 / times[-1], rel=0.02)


# ---- what the number of cores must not change


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_cores_do_not_change_which_frames_are_read(codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"bf": "3", "b_strategy": "0"} if codec == "libx264" else {"x265-params": "bframes=3:log-level=none"}
    path = write_video(tmp_path / "skipped.mp4", moving(60), codec=codec, options=options)
    found = []
    for number in (1, 2, 5, 16):
        monkeypatch.setattr("framelens.video.readers.pyav.os.cpu_count", lambda number=number: number)
        with AvReader(path, every_frame=False) as reader:
            found.append([frame.index for frame in reader.frames()])
    assert found[0][0] == 0 and len(found[0]) < 60
    assert all(indices == found[0] for indices in found)


# ---- pictures of a field each


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".ts", ".mp4", ".mkv"])
@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("every_frame", [True, False])
def test_two_fields_are_one_frame(suffix: str, apart: bool, every_frame: bool, tmp_path: Path) -> None:
    path = write_fields(tmp_path / f"fields{suffix}", apart=apart)
    with AvReader(path, every_frame=every_frame) as reader:
        places = [(frame.index, round(frame.time_seconds, 3)) for frame in reader.frames()]
        assert places == [(number, number / 25) for number, _ in places]
        assert len(places) == 50 or not every_frame
        assert reader.info.frame_rate == 25
        assert reader.info.num_frames_from_header in (None, 50)
        assert reader.num_damaged == 0
    wanted = [0.4, 0.5, 1.3, 1.96]
    found = [(one.index, round(one.time_seconds, 3)) for one in pictures_at(reader.info, "pyav", wanted)]
    assert found == [(10, 0.4), (12, 0.48), (32, 1.28), (49, 1.96)]


@pytest.mark.slow
def test_fields_in_a_range_are_counted_once(tmp_path: Path) -> None:
    path = write_fields(tmp_path / "fields.ts", apart=True)
    found = chosen(path, Selection("uniform", start_seconds=1.0, end_seconds=1.5)).keyframes
    assert {round(one.time_seconds * 25) for one in found} == {one.frame_index for one in found}


# ---- a last frame that is shown until the sound ends


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".flv"])
def test_last_frame_is_held_until_the_sound_ends(suffix: str, pictures: Path, tmp_path: Path) -> None:
    path = with_sound(pictures, tmp_path / f"long{suffix}", sound=(0, 9))
    with AvReader(path) as reader:
        assert reader.info.duration_seconds_from_header == pytest.approx(9.0, abs=0.05)
        assert [picture.index for picture in reader.frames()][-1] == 99
        assert reader.held_until_seconds == pytest.approx(9.0, abs=0.05)


@pytest.mark.slow
def test_sound_of_the_same_length_holds_no_frame(pictures: Path, tmp_path: Path) -> None:
    path = with_sound(pictures, tmp_path / "same.mp4", sound=(0, 4))
    assert chosen(path, Selection()).decode.held_seconds == 0.0


@pytest.fixture(scope="module", params=["held", "pause"])
def still_from_four_to_nine(request: pytest.FixtureRequest, pictures: Path, tmp_path_factory: Any) -> Path:
    """Frame 99 is shown from 3.96 to 9 s: to the end, or until another second of frames follows."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "held":
        return with_sound(pictures, folder / "held.mkv", sound=(0, 9))
    times = [*(n / 25 for n in range(100)), *(9 + n / 25 for n in range(25))]
    return write_video(folder / "pause.mkv", cards(("red", "green", "blue", "yellow", "purple"), 25), times=times)


@pytest.mark.parametrize(
    "selection",
    [
        Selection("times", times_seconds=(7.0,)),
        Selection(start_seconds=6.0, end_seconds=8.0),
        Selection("every", every_seconds=1.0, start_seconds=6.0, end_seconds=8.0),
        Selection("uniform", start_seconds=4.5, end_seconds=8.0),
    ],
)
def test_still_picture_is_found_where_it_is_shown(selection: Selection, still_from_four_to_nine: Path) -> None:
    found = chosen(still_from_four_to_nine, selection)
    assert [(frame.frame_index, frame.time_seconds) for frame in found.keyframes] == [(99, 3.96)]
    assert [notice.key for notice in found.decode.notices] == []
    if selection.end_seconds:
        assert found.decode.readable_seconds == found.decode.shots[-1].end_seconds == 8.0


@pytest.mark.slow
def test_still_picture_counts_in_shots_and_segments(still_from_four_to_nine: Path) -> None:
    decode = chosen(still_from_four_to_nine, Selection()).decode
    assert [round(shot.start_seconds, 2) for shot in decode.shots] == [0, 1, 2, 3, 9][: len(decode.shots)]
    assert decode.shots[3].end_seconds == pytest.approx(9.0, abs=0.05)
    still = next(stretch for stretch in decode.stretches if stretch.type == "frozen" and stretch.start_seconds > 2.9)
    assert still.end_seconds == pytest.approx(9.0, abs=0.05)
    assert decode.notices == ()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [20.0, 9.5])
def test_range_after_the_end_of_the_sound_is_refused(seconds: float, pictures: Path, tmp_path: Path) -> None:
    path = with_sound(pictures, tmp_path / "held.mp4", sound=(0, 9))
    with pytest.raises(InputError) as refused:
        chosen(path, Selection(start_seconds=seconds))
    assert refused.value.key == "range_without_frames"


@pytest.mark.slow
def test_range_after_the_end_names_the_end_of_reports(pictures: Path, tmp_path: Path) -> None:
    path = with_sound(pictures, tmp_path / "block.mp4", sound=(0, 4.03))  # an encoder fills its last block
    end = chosen(path, Selection()).decode.readable_seconds
    for selection in (Selection(start_seconds=end), Selection("times", times_seconds=(end,))):
        with pytest.raises(InputError) as refused:
            chosen(path, selection)
        assert refused.value.values["readable"] == f"{end:.3f}" == "4.000"


# ---- timecodes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "code", "read"),
    [
        (".mov", "10:00:00:00", "10:00:00:00"),
        (".mp4", "00:59:59:12", "00:59:59:12"),
        (".mkv", "10:00:00;02", "10:00:00;02"),
        (".mkv", "10:00:00.02", "10:00:00;02"),
        (".mkv", "about ten", ""),
        (".mp4", "", ""),
    ],
)
def test_timecode_of_a_track_or_tag_is_read(suffix: str, code: str, read: str, pictures: Path, tmp_path: Path) -> None:
    path = with_sound(pictures, tmp_path / f"coded{suffix}", sound=(0, 4), timecode=code)
    with AvReader(path) as reader:
        assert reader.info.timecode == read


@pytest.mark.parametrize(("rate", "counted", "read"), [(50, 25, "01:00:00:24"), (50, 50, "01:00:00:12")])
def test_timecode_track_may_count_every_second_frame(rate: int, counted: int, read: str, tmp_path: Path) -> None:
    silent = write_video(tmp_path / "silent.mov", moving(50), rate=rate)
    path = with_sound(silent, tmp_path / "coded.mov", sound=(0, 1), timecode="01:00:00:12")
    data = bytearray(path.read_bytes())
    entry = data.index(b"tmcd", data.index(b"stsd", data.index(b"gmhd"))) + 4
    assert data[entry + 24] == 50
    struct.pack_into(">IIB", data, entry + 16, counted, 1, counted)
    (place,) = (one.start() for one in re.finditer(re.escape(struct.pack(">I", 3600 * 50 + 12)), data))
    struct.pack_into(">I", data, place, 3600 * counted + 12)
    path.write_bytes(data)
    with AvReader(path) as reader:
        assert reader.info.timecode == read


@pytest.mark.parametrize(
    ("suffix", "rate", "code", "read"),
    [
        (".mpg", Fraction(25), "10:00:00:00", "10:00:00:00"),
        (".m2v", Fraction(30000, 1001), "01:00:00;02", "01:00:00;02"),
        (".ts", Fraction(25), "23:59:59:24", "23:59:59:24"),
        (".mpg", Fraction(25), "00:00:00:00", ""),
        (".mpg", Fraction(30000, 1001), "00:00:00;00", ""),
    ],
)
def test_timecode_of_a_group_of_pictures_is_read(
    suffix: str, rate: Fraction, code: str, read: str, tmp_path: Path
) -> None:
    options = {"gop_timecode": code, "drop_frame_timecode": "1" if ";" in code else "0", "g": "5"}
    path = tmp_path / f"coded{suffix}"
    write_video(path, [solid(COLOURS["red"])] * 10, rate=rate, codec="mpeg2video", options=options)
    with AvReader(path) as reader:
        assert reader.info.timecode == read


# ---- several streams


@pytest.mark.parametrize(("suffix", "codec"), [(".mov", "png"), (".mp4", "mjpeg"), (".mkv", "mjpeg")])
def test_a_lone_picture_beside_a_video_is_not_it(suffix: str, codec: str, tmp_path: Path) -> None:
    """Programs that add a cover as a video track don't always mark it as a cover."""
    path = tmp_path / f"cover{suffix}"
    with av.open(str(path), "w") as container:
        cover, stream = container.add_stream(codec, rate=25), container.add_stream("libx264", rate=25)
        cover.width, cover.height, cover.pix_fmt = 640, 640, "rgb24" if codec == "png" else "yuvj420p"
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        cover.disposition, stream.disposition = Disposition.default, Disposition(0)
        container.mux(cover.encode(av.VideoFrame.from_ndarray(solid((9, 9, 9), 640, 640), "rgb24")))
        container.mux(cover.encode(None))
        for image in moving(25):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode(None))
    with AvReader(path) as reader:
        assert (reader.info.width, len(list(reader.frames()))) == (160, 25)


# ---- times that hardly rise, or fall back


@pytest.mark.parametrize(
    ("suffix", "rate", "step"), [(".mp4", 2_000, 0.0), (".ts", 1_500, 0.00001), (".mkv", 5_000, 0.001)]
)
def test_frames_of_fast_cameras_keep_their_times(suffix: str, rate: int, step: float, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"fast{suffix}", moving(60), rate=rate, codec="mpeg4", options={})
    with AvReader(path) as reader:
        read = list(reader.frames())
    assert not any(picture.is_damaged for picture in read)
    assert [picture.time_seconds for picture in read] == pytest.approx([n / rate for n in range(60)], abs=step + 1e-6)
    assert all(before.time_seconds < after.time_seconds for before, after in pairwise(read))
    if suffix != ".mkv":
        assert reader.info.frame_rate == rate


@pytest.mark.parametrize("every_frame", [True, False])
@pytest.mark.parametrize("overlap", [0.08, 0.6])
def test_joined_recordings_that_overlap_are_counted(overlap: float, every_frame: bool, tmp_path: Path) -> None:
    options = {"bf": "3", "g": "25"}
    parts = [
        write_video(tmp_path / f"{start}.ts", moving(100), start_seconds=start, options=options)
        for start in (10.0, 14.0 - overlap)
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with AvReader(path, every_frame=every_frame) as reader:
        read = list(reader.frames())
        assert read[-1].index + reader.tail[0] == 199
    by_index = {picture.index: picture for picture in read if not picture.is_damaged}
    assert by_index[0].time_seconds == 0.0
    later = [picture for index, picture in by_index.items() if index >= 100]
    assert later[0].time_seconds >= 3.96
    for picture in later:
        assert picture.time_seconds == pytest.approx((picture.index - 100) / 25 + 4.0 - overlap, abs=0.001)
    assert reader.changes.has_late_frames


# ---- ends that FFmpeg takes for faults


def write_multipart(path: Path, end: bytes) -> Path:
    """Ten pictures as cameras serve them: with the line after each that divides it from the next."""
    jpegs = [as_jpeg(image, 90)[0] for image in moving(10)]
    head = b"Content-type: image/jpeg\r\nContent-length: %d\r\n\r\n"
    path.write_bytes(b"--part\r\n" + b"\r\n--part\r\n".join(head % len(jpeg) + jpeg for jpeg in jpegs) + end)
    return path


@pytest.mark.parametrize(
    "end", [b"", b"\r\n--part\r\n", b"\r\n--part--\r\n", b"\r\n--part\r\nContent-type: image/jpeg\r\n"]
)
def test_multipart_pictures_may_end_with_a_boundary(end: bytes, tmp_path: Path) -> None:
    with AvReader(write_multipart(tmp_path / "camera.mjpeg", end)) as reader:
        assert len(list(reader.frames())) == 10
        assert reader.num_damaged == 0


@pytest.mark.parametrize(("codec", "is_timed"), [("mpeg2video", False), ("dvvideo", True)])
def test_gxf_counts_frames_and_not_fields(codec: str, is_timed: bool, tmp_path: Path) -> None:
    path = tmp_path / "server.gxf"
    write_video(path, moving(30, 720, 576), codec=codec, options={})
    with AvReader(path) as reader:
        read = list(reader.frames())
        assert (reader.info.frame_rate, reader.num_damaged) == (25, 0)
        assert reader.info.has_guessed_times is not is_timed
    assert [picture.time_seconds for picture in read] == pytest.approx([n / 25 for n in range(30)])


def _animation(path: Path, delays: Sequence[int]) -> Path:
    """A GIF or APNG whose pictures have these delays in hundredths of a second."""
    pictures = [Image.fromarray(textured(number)) for number in range(len(delays))]
    durations = [10 * delay for delay in delays]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations, disposal=2)
    data, place = bytearray(path.read_bytes()), 0
    for delay in delays if path.suffix == ".gif" else ():  # Pillow writes no delay below two hundredths
        place = data.index(b"\x21\xf9\x04", place) + 4
        data[place : place + 2] = delay.to_bytes(2, "little")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", [".gif", ".png"])
def test_shortest_delays_are_a_tenth_of_a_second(suffix: str, tmp_path: Path) -> None:
    path = _animation(tmp_path / f"moving{suffix}", [1, 0, 2, 3, 1, 10])
    with open_reader(path) as reader:
        times = [picture.time_seconds for picture in reader.frames()]
        assert times == pytest.approx([0.0, 0.1, 0.2, 0.22, 0.25, 0.35])
        assert reader.reached_seconds == pytest.approx(0.45)
        assert suffix == ".png" or reader.info.duration_seconds_from_header == pytest.approx(0.45)
        assert [picture.index for picture in pictures_at(reader.info, "pyav", [0.05, 0.21, 0.3, 0.4])] == [0, 2, 4, 5]
