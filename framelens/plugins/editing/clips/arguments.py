"""Arguments of the ffmpeg program for clips: exact, copied, and joined to a reel."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from pathlib import Path

from framelens import VideoInfo
from framelens.plugin.processes import TimedVideo, ffmpeg_input
from framelens.plugins.editing.clips.plan import ClipPlan
from framelens.plugins.editing.timeline.rates import timecode_at

_ENCODER = ("-c:v", "libx264", "-preset", "fast", "-crf", "18")
"""A quality at which no difference is seen."""
_EARLIER_SECONDS = 0.0005
"""Edges lie this much before a frame, so that no rounding of its time leaves it out."""
_DELAY_SECONDS = 0.25
"""By how much a frame is decoded before it is shown, at most; six frames are usual."""
_KBITS_A_CHANNEL = 96
_LAYOUTS = "aformat=channel_layouts=7.1|5.1|5.0|4.0|3.0|stereo|mono"
"""Layouts whose channels AAC names."""
_BT709 = ("-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")
_RGB = ("rgb", "bgr", "gbr", "pal8")
_FROM_RGB = "scale=out_color_matrix=bt709:out_range=tv"
_FROM_HDR = "zscale=t=linear:npl=203,format=gbrpf32le,tonemap=hable:desat=0,zscale=p=bt709:t=bt709:m=bt709:r=tv"
"""White of 203 cd/m² is that of ITU-R BT.2408."""
_LINES_OF_FIELDS = 4
"""The height of interlaced 4:2:0 is a multiple of it: two lines of colour in each of two fields."""


@dataclass(frozen=True)
class Canvas:
    """Format that several videos are fitted to: upright, 8 bits, a stereo track if there is sound.

    Attributes:
        width: Width of the frames, an even number.
        height: Their height.
        has_sound: Whether there is sound; a video without sound gets silence.
    """

    width: int
    height: int
    has_sound: bool


@dataclass(frozen=True)
class Reading:
    """Where a video is read from.

    Attributes:
        seek_seconds: Time of the container to seek to, None for the start of the file.
        before_seconds: How much is read before the first frame of the clip.
    """

    seek_seconds: float | None
    before_seconds: float


def readings(video: TimedVideo, plan: ClipPlan) -> list[Reading]:
    """Return ways to read the first frame: after seeks to earlier and earlier times, and from the start of the file."""
    first = video.info.start_seconds + plan.first_seconds
    whole = Reading(None, first - video.frames.container_start_seconds)
    if video.frames.has_restarted or video.info.has_guessed_times:
        return [whole]
    seeks = (Reading(first - back, back) for back in (0.0, 1.0, 5.0) if back < whole.before_seconds)
    return [*seeks, whole]


def _input(video: TimedVideo, reading: Reading) -> list[str]:
    seek = [] if reading.seek_seconds is None else ["-seek_timestamp", "1", "-ss", _microseconds(reading.seek_seconds)]
    return ffmpeg_input(video.info.path, *seek)


def _microseconds(seconds: float) -> str:
    return f"{floor(seconds * 1e6 + 0.01) / 1e6:.6f}"


def _tags(info: VideoInfo, start_seconds: float) -> list[str]:
    """Return arguments that keep languages and the timecode, but not where and when the video was made."""
    begins = ["-metadata:s:v:0", f"timecode={timecode_at(info, start_seconds)}"]
    return ["-map_metadata:g", "-1", "-map_chapters", "-1", *begins]


def copied(video: TimedVideo, plan: ClipPlan, reading: Reading, form: str) -> list[str]:
    """Return the arguments that copy the planned frames, and the sound beside them."""
    maps = [part for index in (video.frames.video, *video.frames.sounds) for part in ("-map", f"0:{index}")]
    early = []
    if reading.before_seconds:
        edge = reading.before_seconds - _DELAY_SECONDS
        early = ["-ss", f"{edge:.6f}", "-output_ts_offset", f"{-_DELAY_SECONDS:.6f}"]
    drops = [f"gte(n\\,{plan.num_packets})", *(f"eq(n\\,{index})" for index in plan.unshown)]
    return [
        *("-fflags", "+genpts"),
        *_input(video, reading),
        *maps,
        *("-c", "copy", "-copypriorss", "0", *early),
        *("-bsf:v", f"noise=drop={'+'.join(drops)}"),
        *_tags(video.info, plan.start_seconds),
        *("-t", f"{plan.length_seconds:.6f}", "-f", form),
    ]


@dataclass(frozen=True)
class Encoding:
    """How frames are drawn and encoded.

    Attributes:
        canvas: What several videos are fitted to.
        subtitles: The filter that draws subtitles, at times of the clip.
        is_part: The clip becomes part of a reel: the clock is the same for all, and the sound isn't compressed yet.
    """

    canvas: Canvas | None = None
    subtitles: str = ""
    is_part: bool = False


def encoded(video: TimedVideo, plan: ClipPlan, reading: Reading, form: str, encoding: Encoding) -> list[str]:
    """Return the arguments that encode the planned frames, and the sound beside them."""
    canvas, is_part = encoding.canvas, encoding.is_part
    info, shift = video.info, reading.before_seconds + plan.start_seconds - plan.first_seconds
    pictures, sound = [], ["aresample=async=1:first_pts=0", _LAYOUTS]
    if reading.before_seconds:
        pictures.append(f"trim=start={reading.before_seconds - _EARLIER_SECONDS:.6f}")
    if shift > 0:
        pictures.append(f"setpts=max(0\\,round(PTS-{shift:.6f}/TB))")
        sound = [f"atrim=start={shift:.6f}", f"asetpts=PTS-{shift:.6f}/TB", *sound]
    pictures += [*_shape(info, canvas), encoding.subtitles]
    silence = bool(canvas and canvas.has_sound and not video.frames.sounds)
    sounds = [f"0:{index}" for index in video.frames.sounds]
    if canvas:
        sounds = ["1:0"] if silence else sounds[: canvas.has_sound]
    maps = [part for name in (f"0:{video.frames.video}", *sounds) for part in ("-map", name)]
    kbits = _KBITS_A_CHANNEL * max((track.num_channels for track in info.audio_tracks), default=2)
    codec = ["-c:a", "pcm_s16le"] if is_part else ["-c:a", "aac", "-b:a", f"{kbits}k"]
    return [
        *_input(video, reading),
        *(("-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo") if silence else ()),
        *maps,
        *("-vf", ",".join(filter(None, pictures))),
        *("-af", ",".join([*sound, *(["apad"] if is_part else [])])),
        *_ENCODER,
        *_format(info, canvas),
        *("-fps_mode", "passthrough", "-enc_time_base:v", "1:90000" if is_part else "-1"),
        *(("-video_track_timescale", "90000") if is_part else ()),
        *codec,
        *(("-ar", "48000", "-ac", "2") if canvas else ()),
        *_tags(info, plan.start_seconds),
        *("-t", f"{plan.limit_seconds:.6f}", "-f", form),
    ]


def _shape(info: VideoInfo, canvas: Canvas | None) -> list[str]:
    """Return the filters that give frames their size, which is even, and RGB its usual colours."""
    colours = [_FROM_RGB] if _is_rgb(info) else []
    if canvas is None:
        return [*colours, *_even_filters(info), "crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0"]
    scale = min(canvas.width / info.width, canvas.height / info.height)
    inside = f"{max(2, round(info.width * scale))}:{max(2, round(info.height * scale))}"
    mapped = [_FROM_HDR] if info.is_tone_mapped else []
    fitted = f"scale={inside}:out_color_matrix=bt709:out_range=tv"
    return [*mapped, fitted, "setsar=1", f"pad={canvas.width}:{canvas.height}:(ow-iw)/2:(oh-ih)/2"]


def _even_filters(info: VideoInfo) -> list[str]:
    """Return the filters that give a frame of an odd size its last pixels once more."""
    right, bottom = info.width % 2, info.height % 2
    if not (right or bottom):
        return []
    form = "yuv444p10le" if info.dynamic_range else "yuv444p"  # whose colours have as many pixels
    size = "pad=ceil(iw/2)*2:ceil(ih/2)*2"  # the size of frames whose pixels aren't square isn't known
    return [f"format={form}", size, f"fillborders=right={right}:bottom={bottom}"]


def _is_rgb(info: VideoInfo) -> bool:
    return any(name in info.pixel_format for name in _RGB)


def _format(info: VideoInfo, canvas: Canvas | None) -> list[str]:
    if canvas or _is_rgb(info):
        return ["-pix_fmt", "yuv420p", *_BT709]
    form = "yuv420p10le" if info.dynamic_range else "yuvj420p" if info.pixel_format.startswith("yuvj") else "yuv420p"
    has_fields = info.is_interlaced and info.height % _LINES_OF_FIELDS == 0
    return ["-pix_fmt", form, *(("-flags", "+ildct+ilme") if has_fields else ())]


def joined(parts: Path, chapters: Path, form: str) -> list[str]:
    """Return the arguments that join the parts that a list names, with the chapters of a metadata file."""
    return [
        *ffmpeg_input(parts, "-f", "concat"),
        *ffmpeg_input(chapters, "-f", "ffmetadata"),
        *("-map", "0", "-map_metadata:g", "-1", "-map_chapters", "1", "-c:v", "copy"),
        *("-c:a", "aac", "-b:a", f"{2 * _KBITS_A_CHANNEL}k", "-f", form),
    ]
