"""Films for clips: every picture carries its number, and a click sounds when every twentieth picture begins.

FFmpeg's own command makes them, so that neither PyAV's encoder nor its muxer makes the films that are cut.
"""

from __future__ import annotations

import subprocess
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from tests.marked import marked, number_of, uneven_times
from tests.media import write_video

COUNT, RATE = 250, 25
CLICK_EVERY = 20
"""Pictures from one click to the next."""
SAMPLES = 48_000
_CLICK_SECONDS = 0.02
_X264 = ("-c:v", "libx264", "-preset", "medium", "-g", "24", "-pix_fmt", "yuv420p")
_X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-tag:v", "hvc1")
_VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "40", "-b:v", "300k")
_AV1 = ("-c:v", "libsvtav1", "-preset", "12", "-g", "40", "-svtav1-params", "lp=1")
_AAC, _OPUS = ("-c:a", "aac", "-b:a", "128k"), ("-c:a", "libopus", "-b:a", "96k")


@dataclass(frozen=True)
class Film:
    """A kind of film.

    Attributes:
        name: Its file.
        options: Of FFmpeg.
        is_uneven: The pictures are at uneven times.
        num_tracks: Number of sound tracks.
        source: Film that is copied with these options; "" encodes the pictures.
        plays: Whether Chromium plays a copy of it.
    """

    name: str
    options: Sequence[str]
    is_uneven: bool = False
    num_tracks: int = 1
    source: str = ""
    plays: bool = False


FILMS = (
    Film("h264-closed.mp4", (*_X264, "-bf", "0", *_AAC), plays=True),
    Film("h264-b.mp4", (*_X264, "-bf", "3", *_AAC), plays=True),
    Film("h264-open.mkv", (*_X264, "-bf", "3", "-x264-params", "open-gop=1:scenecut=0", *_AAC), plays=True),
    Film("h264-uneven.mp4", (*_X264, "-bf", "3", *_AAC), is_uneven=True, plays=True),
    Film("h264-silent.mp4", (*_X264, "-bf", "2"), num_tracks=0, plays=True),
    Film("h264-two-tracks.mkv", (*_X264, "-bf", "2", *_AAC), num_tracks=2, plays=True),
    Film("h264-late.ts", (*_X264, "-bf", "2", *_AAC)),
    Film("h264-offset.mkv", (*_X264, "-bf", "2", *_AAC, "-output_ts_offset", "5"), plays=True),
    Film("h264-edits.mp4", ("-c", "copy"), source="h264-b.mp4", plays=True),
    Film("h264-turned.mp4", ("-c", "copy", "-metadata:s:v:0", "rotate=90"), source="h264-b.mp4", plays=True),
    Film("hevc-closed.mp4", (*_X265, "-x265-params", "keyint=24:open-gop=0:bframes=3:log-level=1", *_AAC)),
    Film("hevc-open.mkv", (*_X265, "-x265-params", "keyint=24:open-gop=1:bframes=3:log-level=1", *_AAC)),
    Film("vp9.webm", (*_VP9, *_OPUS), plays=True),
    Film("vp9-uneven.mkv", (*_VP9, *_OPUS), is_uneven=True, plays=True),
    Film("av1.mp4", (*_AV1, *_AAC), plays=True),
    Film("av1.webm", (*_AV1, *_OPUS), plays=True),
    Film("mpeg4.avi", ("-c:v", "mpeg4", "-g", "12", "-q:v", "3", "-c:a", "libmp3lame")),
    Film("mpeg4-b.mp4", ("-c:v", "mpeg4", "-g", "12", "-bf", "2", "-q:v", "3", *_AAC)),
    Film("mjpeg.mov", ("-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p", "-c:a", "pcm_s16le")),
    Film("mjpeg.avi", ("-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p", "-c:a", "pcm_s16le")),
)
_BEFORE_INPUT = {"h264-edits.mp4": ("-ss", "1.3")}


def make(film: Film, folder: Path) -> Path:
    """Make a film, and the film it is copied from, unless it is there. Return its file."""
    path = folder / film.name
    if path.exists():
        return path
    if film.source:
        inputs = ["-i", str(make(next(one for one in FILMS if one.name == film.source), folder))]
    else:
        times = uneven_times(COUNT) if film.is_uneven else even_times()
        inputs = ["-i", str(_pictures(folder, times, is_uneven=film.is_uneven))]
        for track in range(film.num_tracks):
            inputs += ["-i", str(_clicks(folder / f"clicks{track}-{film.is_uneven}.wav", times, 0.2 * track))]
        for number in range(film.num_tracks + 1):
            inputs += ["-map", str(number)]
    timing = () if film.source else ("-fps_mode", "passthrough", "-enc_time_base", "-1")
    words = [*_BEFORE_INPUT.get(film.name, ()), *inputs, *timing]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *words, *film.options, str(path)], check=True, capture_output=True)
    return path


def even_times() -> list[float]:
    """Return the times of the pictures at a constant rate."""
    return [number / RATE for number in range(COUNT)]


def _pictures(folder: Path, times: Sequence[float], *, is_uneven: bool) -> Path:
    path = folder / f"pictures-{is_uneven}.mkv"
    return path if path.exists() else write_video(path, marked(COUNT), codec="ffv1", times=times)


def _clicks(path: Path, times: Sequence[float], later_seconds: float) -> Path:
    """Write a click for the start of every twentieth picture."""
    sound = np.zeros(int((times[-1] + 0.04) * SAMPLES), np.int16)
    tone = np.sin(np.arange(int(_CLICK_SECONDS * SAMPLES)) * 2 * np.pi * 1000 / SAMPLES)
    click = (24_000 * tone).astype(np.int16)
    for seconds in times[::CLICK_EVERY]:
        start = round((seconds + later_seconds) * SAMPLES)
        end = min(len(sound), start + len(click))
        sound[start:end] = click[: max(0, end - start)]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLES)
        file.writeframes(sound.tobytes())
    return path


@dataclass(frozen=True)
class Watched:
    """A file as a player shows it.

    Attributes:
        times: When each picture begins, from the first on.
        numbers: What each carries; None where there is no number.
        thumbs: Each in grey, 36 x 64.
        clicks: For each sound track, when clicks begin, from the first picture on.
    """

    times: list[float]
    numbers: list[int | None]
    thumbs: list[NDArray[np.uint8]]
    clicks: list[list[float]]


def watch(path: Path, *, is_marked: bool = True) -> Watched:
    """Decode a file from its start to its end."""
    times, numbers, thumbs = [], [], []
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.best("video")):
            times.append(float((frame.pts or 0) * frame.time_base))
            image = frame.to_ndarray(format="rgb24")
            if is_marked and image.shape[0] > image.shape[1]:  # the exact clip of a film that is shown turned
                image = np.rot90(image, -1)
            numbers.append(number_of(image) if is_marked else None)
            thumbs.append(cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (64, 36), interpolation=cv2.INTER_AREA))
        num_tracks = len(container.streams.audio)
    clicks = [_clicks_of(path, track, times[0]) for track in range(num_tracks if is_marked else 0)]
    return Watched([time - times[0] for time in times], numbers, thumbs, clicks)


def _clicks_of(path: Path, track: int, zero: float) -> list[float]:
    found: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=track):
            levels = np.abs(frame.to_ndarray().astype(np.float32)).max(axis=0)
            levels = levels / 32768 if levels.max(initial=0) > 2 else levels
            start = float((frame.pts or 0) * frame.time_base) - zero
            for place in np.flatnonzero(levels > 0.2):
                seconds = start + place / frame.sample_rate
                if not found or seconds - found[-1] > 2 * _CLICK_SECONDS:
                    found.append(seconds)
    return found
