"""Clips, read again by PyAV: every frame carries its number, to show which frames a clip has, and when."""

import shlex
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av import AudioResampler

from framelens.core.errors import AppError, Cancelled, ConfigError, StorageError, VideoError
from framelens.i18n import LANGUAGES, error_text
from framelens.plugins.editing.clips.cutter import VideoClip, clip_name, cut_clip, suffix_of
from framelens.plugins.editing.clips.plan import ClipMode, ClipPlan
from framelens.video.readers import open_reader
from tests.marked import marked, number_of, uneven_times
from tests.media import solid, textured, with_sound, write_sound, write_video
from tests.spoken import tone, write_programmes, write_surround
from tests.thorough import first_of

COUNT = 120
X264 = {"preset": "medium", "g": "24", "bf": "3"}
OPEN = {**X264, "x264-params": "open-gop=1:keyint=24:scenecut=0"}
X265 = {"preset": "ultrafast", "x265-params": "keyint=24:bframes=3:open-gop=1:log-level=0"}


Frames = list[tuple[float, int | None]]


def frames_of(path: Path) -> Frames:
    """Seconds since the first frame, and number, of each."""
    with av.open(str(path)) as container:
        read = [(float(one.pts * one.time_base), one) for one in container.decode(video=0)]
        return [(time - read[0][0], number_of(one.to_ndarray(format="rgb24"))) for time, one in read]


VIDEOS: dict[str, dict[str, Any]] = {
    "closed.mp4": {"options": X264},
    "open.mkv": {"options": OPEN},
    "late.mp4": {"options": X264, "start_seconds": 1.4},
    "uneven.mp4": {"options": X264, "times": uneven_times(COUNT)},
    "hevc.mp4": {"codec": "libx265", "options": X265},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8", "g": "40"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "12"}},
    "mjpeg.mov": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
    "stream.ts": {"options": X264},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


def video(folder: Path, name: str = "closed.mp4") -> Path:
    path = folder / name
    return path if path.exists() else write_video(path, marked(COUNT), **VIDEOS[name])


def cut(
    path: Path, start: float, end: float | None, mode: ClipMode, folder: Path, **options: Any
) -> tuple[VideoClip, Frames]:
    clip = cut_clip(path, start, end, folder / f"clip{suffix_of(path, mode)}", mode=mode, **options)
    found = frames_of(clip.path)
    assert clip.num_frames == len(found)
    return clip, found


# ---- which frames, and when


@pytest.mark.slow
@pytest.mark.parametrize("name", VIDEOS)
def test_exact_clip_has_the_frames_asked_for(folder: Path, tmp_path: Path, name: str) -> None:
    whole = frames_of(path := video(folder, name))
    start, end = whole[30][0] + 0.01, whole[50][0] - 0.005  # shown at the start: 30; before the end: 49
    clip, found = cut(path, start, end, "exact", tmp_path)
    assert [number for _, number in found] == list(range(30, 50))
    assert [time for time, _ in found] == pytest.approx([time - whole[30][0] for time, _ in whole[30:50]], abs=0.002)
    assert (clip.start_seconds, clip.end_seconds) == pytest.approx((whole[30][0], whole[50][0]), abs=0.002)


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_edges_in_milliseconds_are_those_of_frames(tmp_path: Path, mode: ClipMode) -> None:
    options = {"preset": "ultrafast", "g": "2", "bf": "0"}
    path = write_video(tmp_path / "film.mp4", marked(20), rate=Fraction(30_000, 1001), options=options)
    clip, found = cut(path, 0.133, 0.234, mode, tmp_path)  # frame 4 begins at 0.13347, frame 7 at 0.23357
    assert [number for _, number in found] == [4, 5, 6]
    assert (clip.start_seconds, clip.end_seconds) == pytest.approx((0.133467, 0.233567), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", first_of(VIDEOS, always=3))
def test_fast_clip_states_its_true_start_and_end(folder: Path, tmp_path: Path, name: str) -> None:
    whole = frames_of(path := video(folder, name))
    clip, found = cut(path, whole[30][0], whole[50][0], "fast", tmp_path)
    first, last = found[0][1], found[-1][1]
    assert [number for _, number in found] == list(range(first, last + 1))
    assert first <= 30 and 49 <= last < 58
    assert [time for time, _ in found] == pytest.approx(
        [time - whole[first][0] for time, _ in whole[first : last + 1]], abs=0.002
    )
    assert (clip.start_seconds, clip.end_seconds) == pytest.approx((whole[first][0], whole[last + 1][0]), abs=0.002)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "begins"), [("exact", "10:00:01:05"), ("fast", "10:00:00:24")])
def test_timecode_of_a_clip_is_that_of_its_first_picture(
    folder: Path, tmp_path: Path, mode: ClipMode, begins: str
) -> None:
    path = with_sound(video(folder), tmp_path / "coded.mov", sound=(0, 4), timecode="10:00:00:00")
    clip, found = cut(path, 1.2, 2.0, mode, tmp_path)
    assert found[0][1] == (30 if mode == "exact" else 24)
    with open_reader(clip.path) as reader:
        assert reader.info.timecode == begins


@pytest.mark.slow
def test_copy_begins_closed_unless_that_is_far_back(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.mkv", marked(100), rate=2, options=OPEN)
    near, _ = cut(path, 13.0, 14.0, "fast", tmp_path)
    assert near.start_seconds == 0.0
    far, found = cut(path, 38.0, 39.0, "fast", tmp_path)
    assert (far.start_seconds, found[0][1]) == (36.0, 72)
    assert [number for _, number in found] == list(range(72, 72 + len(found)))


@pytest.mark.slow
def test_fast_clip_of_uneven_times_ends_where_the_next_begins(folder: Path, tmp_path: Path) -> None:
    whole = frames_of(path := video(folder, "uneven.mp4"))
    for last in (40, 55, 70):
        clip, found = cut(path, whole[30][0], whole[last][0] + 0.001, "fast", tmp_path)
        assert clip.end_seconds == pytest.approx(whole[found[-1][1] + 1][0], abs=0.002)


@pytest.mark.slow
def test_fast_clip_begins_with_the_last_key_frame_before(folder: Path, tmp_path: Path) -> None:
    with av.open(str(path := video(folder))) as container:
        keys = [float(one.pts * one.time_base) for one in container.demux(video=0) if one.size and one.is_keyframe]
    for start in (0.0, keys[1], keys[2] - 0.04, keys[2] + 0.5):
        clip, _ = cut(path, start, 4.0, "fast", tmp_path)
        assert clip.start_seconds == pytest.approx(max(key for key in keys if key <= start + 1e-6))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_end_behind_the_video_is_its_end(folder: Path, tmp_path: Path, mode: ClipMode) -> None:
    for end in (99.0, None):
        clip, found = cut(video(folder), 4.7, end, mode, tmp_path)
        assert clip.end_seconds == pytest.approx(COUNT / 25) and found[-1][1] == COUNT - 1


@pytest.mark.slow
@pytest.mark.parametrize("ending", first_of(["mkv", "mp4"]))
@pytest.mark.parametrize(("mode", "start", "end", "begins"), [("exact", 4.0, 8.0, 4.0), ("fast", 6.0, 8.0, 4.48)])
def test_last_picture_stands_while_the_sound_lasts(
    folder: Path, tmp_path: Path, ending: str, mode: ClipMode, start: float, end: float, begins: float
) -> None:
    path = with_sound(video(folder), tmp_path / f"held.{ending}", sound=(0.0, 10.0))
    clip, found = cut(path, start, end, mode, tmp_path)
    assert found[-1][1] == COUNT - 1
    assert (clip.start_seconds, clip.end_seconds) == pytest.approx((begins, end), abs=0.002)
    with open_reader(clip.path) as reader:
        ends = [frame.time_seconds + frame.duration_seconds for frame in reader.frames()][-1]
        assert max(ends, reader.held_until_seconds) == pytest.approx(end - begins, abs=0.05)


# ---- what is kept


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_sound_stays_with_its_pictures(folder: Path, tmp_path: Path, mode: ClipMode) -> None:
    path = with_sound(video(folder), tmp_path / "sound.mp4", sound=(2.0, 4.0))
    clip, _ = cut(path, 1.5, 3.0, mode, tmp_path)
    with av.open(str(clip.path)) as container:
        blocks = [(float(one.pts * one.time_base), one.to_ndarray()) for one in container.decode(audio=0)]
    places = [(time, np.flatnonzero(np.abs(block).max(axis=0) > 0.05)) for time, block in blocks]
    loud = [time + place / 48_000 for time, found in places for place in found]
    assert min(loud) == pytest.approx(2.0 - clip.start_seconds, abs=0.04)
    assert max(loud) == pytest.approx(clip.end_seconds - clip.start_seconds, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_orientation_colours_and_languages_are_kept(tmp_path: Path, mode: ClipMode) -> None:
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "12"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, 16, 9, 1
        stream.sample_aspect_ratio = Fraction(4, 3)
        stream.set_display_rotation(90)
        sounds = [container.add_stream("aac", rate=48_000, layout=layout) for layout in ("stereo", "mono")]
        for sound, language in zip(sounds, ("eng", "zho"), strict=True):
            sound.metadata["language"] = language
        container.start_encoding()
        for number, image in enumerate(marked(50)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p10le")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        for sound in sounds:
            silence = np.zeros((len(sound.codec_context.layout.channels), 96_000), np.float32)
            block = av.AudioFrame.from_ndarray(silence, format="fltp", layout=sound.codec_context.layout.name)
            block.sample_rate, block.pts, block.time_base = 48_000, 0, Fraction(1, 48_000)
            container.mux([*sound.encode(block), *sound.encode(None)])
        container.mux(stream.encode(None))
    clip = cut_clip(path, 0.5, 1.5, tmp_path / "clip.mp4", mode=mode)
    with av.open(str(path)) as before, av.open(str(clip.path)) as after:
        assert traits(after) == traits(before)


def traits(container: Any) -> list[object]:
    stream = container.streams.video[0]
    first = next(container.decode(stream))
    across, down = (first.width * stream.sample_aspect_ratio, first.height)
    shown = (down, across) if first.rotation % 180 else (across, down)
    context = stream.codec_context
    tags = (context.color_primaries, context.color_trc, context.colorspace, context.color_range)
    sounds = [(one.codec_context.layout.name, one.metadata["language"]) for one in container.streams.audio]
    return [shown[0] / shown[1], first.format.name, tags, sounds]


@pytest.mark.slow
@pytest.mark.parametrize("pixel_format", ["rgba", "rgb24"])
def test_rgb_is_cut_in_usual_colours(tmp_path: Path, pixel_format: str) -> None:
    image = np.full((96, 160, 4), (200, 30, 60, 255), np.uint8)
    path = tmp_path / "title.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, pixel_format
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgba").reformat(format=pixel_format)))
        container.mux(stream.encode(None))
    clip = cut_clip(path, 0.2, 0.6, tmp_path / "clip.mp4")
    with av.open(str(clip.path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.pix_fmt, context.colorspace, context.color_range) == ("yuv420p", 1, 1)
    with open_reader(clip.path) as reader:
        shown = next(iter(reader.frames())).upright(160)
    assert shown[48, 40, ::-1].tolist() == pytest.approx([200, 30, 60], abs=6)


@pytest.mark.slow
def test_colours_that_swscale_does_not_know_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "screen.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv444p"
        stream.codec_context.colorspace = 8  # YCgCo
        planes = np.stack([np.full((96, 160), level, np.uint8) for level in (120, 128, 128)])
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv444p")))
        container.mux(stream.encode(None))
    clip = cut_clip(path, 0.2, 0.6, tmp_path / "clip.mp4")
    with open_reader(path) as before, open_reader(clip.path) as after:
        shown = [next(iter(reader.frames())).upright(160)[48, 80].tolist() for reader in (before, after)]
    assert shown[1] == pytest.approx(shown[0], abs=6)


@pytest.mark.slow
@pytest.mark.parametrize("pixel_format", ["yuv422p10le"])
def test_lines_of_colour_are_cut_from_other_formats(tmp_path: Path, pixel_format: str) -> None:
    image = textured(1, 640, 720)
    image[1::2] = image[1::2, :, ::-1]
    path = write_video(tmp_path / "screen.mp4", [image] * 20, pixel_format=pixel_format, options={"crf": "4"})
    assert cut_clip(path, 0.2, 0.6, tmp_path / "clip.mp4").num_frames == 10


@pytest.mark.slow
@pytest.mark.parametrize("height", [96, 90])
def test_fields_stay_fields_where_h264_can_have_them(tmp_path: Path, height: int) -> None:
    options = {"flags": "+ildct+ilme", "top": "1"}
    images = (textured(number, 160, height) for number in range(20))
    path = write_video(tmp_path / "tape.mpg", images, codec="mpeg2video", options=options)
    clip = cut_clip(path, 0.2, 0.6, tmp_path / "clip.mp4")
    with open_reader(path) as before, open_reader(clip.path) as after:
        assert (before.info.is_interlaced, after.info.is_interlaced) == (True, height % 4 == 0)
        assert (clip.num_frames, after.info.frame_rate) == (10, 25.0)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(17, 33)])
def test_odd_sizes_keep_every_pixel_at_its_place(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    image = cv2.resize(textured(1), size, interpolation=cv2.INTER_AREA)
    path = write_video(tmp_path / "strip.avi", [image] * 20, codec="rawvideo")
    clip = cut_clip(path, 0.2, 0.6, tmp_path / "clip.mp4")
    assert clip.num_frames == 10
    with av.open(str(path)) as before, av.open(str(clip.path)) as after:
        old, new = (next(one.decode(video=0)).to_ndarray(format="gray") for one in (before, after))
    assert new.shape == (height + 1, width + width % 2)
    assert np.abs(new[:height, :width].astype(int) - old).mean() < 6
    assert np.abs(new[-1].astype(int) - new[-2]).mean() < 6


@pytest.mark.slow
def test_still_picture_is_cut_where_it_is_asked_for(tmp_path: Path) -> None:
    path = write_video(tmp_path / "slides.mp4", marked(4), times=[0.0, 10.0, 20.0, 20.04])
    clip, found = cut(path, 4.0, 16.0, "exact", tmp_path)
    assert (clip.start_seconds, clip.end_seconds) == (4.0, 16.0)
    assert found == [(0.0, 0), (pytest.approx(6.0), 1)]


@pytest.mark.slow
def test_sound_whose_channels_have_no_places_is_encoded(tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        container.start_encoding()
        for image in marked(50):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        block = av.AudioFrame.from_ndarray(np.full((1, 96_000), 9000, np.int16), format="s16", layout="mono")
        block.sample_rate, block.pts, block.time_base = 48_000, 0, Fraction(1, 48_000)
        container.mux([*stream.encode(None), *sound.encode(block)])
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.layout.name == "1 channels"
    clip, _ = cut(path, 0.5, 1.5, "exact", tmp_path)
    with av.open(str(clip.path)) as container:
        assert container.streams.audio[0].codec_context.layout.name == "mono"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layout", "channel", "expected"),
    [
        ("film.mkv", "5.1(side)", 4, ("5.1", "BL")),
        ("film.mkv", "6.1", 0, ("7.1", "FL")),
    ],
)
def test_channels_stay_at_their_places(
    tmp_path: Path, name: str, layout: str, channel: int, expected: tuple[str, str]
) -> None:
    path = write_surround(tmp_path / name, channel, "flac" if name.endswith("mkv") else "pcm_s16le", layout)
    clip = cut_clip(path, 0.5, 1.5, tmp_path / "clip.mp4", mode="exact")
    with av.open(str(clip.path)) as container:
        found = container.streams.audio[0].codec_context.layout
        blocks = [block for one in container.decode(audio=0) for block in AudioResampler("flt", found).resample(one)]
    loudness = np.abs(np.concatenate([block.to_ndarray().reshape(-1, found.nb_channels) for block in blocks])).mean(
        axis=0
    )
    loud = [found.channels[place].name for place in np.flatnonzero(loudness > 0.01)]
    assert (found.name, *loud) == expected


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_sound_of_another_programme_is_left_out(tmp_path: Path, mode: ClipMode) -> None:
    path = write_programmes(tmp_path / "two.ts", tone(4), tone(4))
    clip = cut_clip(path, 1.0, 2.0, tmp_path / f"clip{suffix_of(path, mode)}", mode=mode)
    with av.open(str(clip.path)) as container:
        assert len(container.streams.audio) == 1


@pytest.mark.slow
def test_raw_dv_is_cut_at_its_own_rate(tmp_path: Path) -> None:
    tape = write_video(tmp_path / "tape.avi", (textured(n, 720, 576) for n in range(50)), codec="dvvideo")
    path = tmp_path / "tape.dv"
    with av.open(str(tape)) as before, av.open(str(path), "w") as container:
        picture = container.add_stream_from_template(before.streams.video[0])
        sound = container.add_stream("pcm_s16le", rate=48_000, layout="stereo")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 192_000), np.int16), "s16", "stereo")
        block.sample_rate, block.pts, block.time_base = 48_000, 0, Fraction(1, 48_000)
        packets = sound.encode(block)
        for packet in before.demux(video=0):
            packet.stream = picture
            packets += [packet] if packet.size else []
        container.mux(packets)
    clip = cut_clip(path, 0.4, 1.2, tmp_path / "clip.mp4", mode="exact")
    with av.open(str(clip.path)) as container:
        assert (clip.num_frames, container.streams.video[0].average_rate) == (20, 25)


# ---- what can't be cut


def refusal(error: pytest.ExceptionInfo[AppError]) -> str:
    assert all(error_text(error.value, language) for language in LANGUAGES)
    return error.value.key


@pytest.mark.parametrize("times", [(2.0, 2.0), (3.0, 2.0), (-1.0, 2.0), (-1.0, None)])
def test_empty_range_is_refused_before_the_video_is_read(folder: Path, times: tuple[float, float | None]) -> None:
    path = folder / "not_a_video.mp4"
    path.write_bytes(b"nothing")
    with pytest.raises(ConfigError) as error:
        cut_clip(path, *times, folder / "no.mp4")
    assert refusal(error) == "clip_range_empty"


@pytest.mark.parametrize(("name", "mode"), [("clip.avi", "fast"), ("clip.webm", "exact"), ("clip", "exact")])
def test_endings_that_no_clip_has_are_refused(tmp_path: Path, name: str, mode: ClipMode) -> None:
    path = write_video(tmp_path / "video.mp4", marked(2))
    with pytest.raises(ConfigError) as error:
        cut_clip(path, 0.0, 1.0, tmp_path / name, mode=mode)
    assert refusal(error) == "clip_ending"


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_range_behind_the_end_names_the_end(folder: Path, tmp_path: Path, mode: ClipMode) -> None:
    with pytest.raises(VideoError) as error:
        cut(video(folder), 4.9, 9.0, mode, tmp_path)
    assert refusal(error) == "clip_behind_end" and error.value.values["end"] == "00:04.800"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_copy_of_joined_recordings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "joined.ts"
    part = write_video(tmp_path / "part.ts", (solid((90, 90, number)) for number in range(50)), options=X264)
    path.write_bytes(2 * part.read_bytes())
    with pytest.raises(VideoError) as error:
        cut_clip(path, 2.5, 3.0, tmp_path / "clip.mkv", mode="fast")
    assert refusal(error) == "clip_clock_restarts"
    clip = cut_clip(path, 2.5, 3.0, tmp_path / "clip.mp4", mode="exact")
    assert (clip.start_seconds, clip.num_frames) == (pytest.approx(2.48, abs=0.001), 13)


@pytest.mark.slow
def test_nothing_is_left_of_a_clip_that_failed(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "clips"
    target.mkdir()
    with pytest.raises(StorageError) as unwritten:
        cut_clip(video(folder), 0.0, 1.0, target / "clip.mp4" / "in a file that is none.mp4" / ("x" * 300 + ".mp4"))
    assert refusal(unwritten) == "clip_not_written"
    with pytest.raises(VideoError) as silent:
        cut_clip(write_sound(tmp_path / "song.mp4"), 0.0, 1.0, target / "clip.mp4")
    assert refusal(silent) == "video_audio_only"
    assert not [path for path in target.rglob("*") if path.is_file()]


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the size of files as a full disk would")
def test_full_disk_is_said_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "framelens.cli.main", "clip", str(video(folder)), "--from", "0"]
    words += ["--language", "en", "--quiet"]
    # without bytecode, which the limit would cut off, too
    command = (
        f"ulimit -f 4; PYTHONDONTWRITEBYTECODE=1 exec {shlex.join([*words, '--output', str(tmp_path / 'clip.mp4')])}"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 5 and "clip.mp4" in done.stderr, done.stderr
    assert not [*tmp_path.glob("*.mp4"), *tmp_path.glob(".*.part")]


@pytest.mark.slow
def test_clip_can_be_cancelled(folder: Path, tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        cut(video(folder), 0.0, 4.0, "exact", tmp_path, cancel=cancel)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("times", "is_right"),
    [
        ((0.0, 0.04, 0.08), True),
        ((0.001, 0.041, 0.081), True),  # containers round
        ((0.0, 0.08), True),  # one is damaged
        ((0.0, 0.05, 0.08), True),  # an outlier that was corrected
        ((0.0, 0.02, 0.05, 0.08), False),
        ((0.0, 0.04), False),
        ((0.04, 0.08), False),
        ((0.0, 0.04, 0.08, 0.12), False),
        ((), False),
    ],
)
def test_clip_with_other_times_is_none(times: tuple[float, ...], is_right: bool) -> None:
    assert ClipPlan(1.0, 1.0, 1.12, (0.0, 0.04, 0.08)).fits(times) == is_right


def test_names_of_clips_fit_their_folder(tmp_path: Path) -> None:
    name = clip_name(Path("长" * 200 + ".mkv"), "fast", 62.5, 3600.0, tmp_path)
    assert name.endswith("_01-02.500_1-00-00.000.mkv") and len(name.encode()) <= 255
    assert clip_name(Path("a.avi"), "exact", 0.0, 1.0, tmp_path) == "a_00-00.000_00-01.000.mp4"
    assert [suffix_of(Path(f"a{one}"), "fast") for one in (".MOV", ".avi", ".webm")] == [".mov", ".mkv", ".webm"]
