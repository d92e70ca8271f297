"""Exact clips: pictures and sound of the range, decoded and encoded again.

Every picture keeps its time, also at a variable frame rate. Colours are 4:2:0 with eight bits, as usual for H.264, or
ten for HDR; orientation, fields, colour tags and the aspect of pixels are the video's. Cropped edges are left out, and
transparent pixels are white.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from heapq import merge
from math import inf
from operator import itemgetter
from typing import Any

import av
import av.error
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from framelens.core.domain import Cue, VideoInfo
from framelens.core.errors import DecodeError, VideoError
from framelens.core.images import cells_of
from framelens.core.units import clock
from framelens.plugins.editing.clips.captions import CaptionDrawer
from framelens.plugins.editing.clips.container import ClipContainer, known_sound
from framelens.plugins.editing.clips.messages import Canvas, ClipPictures, ClipProgress, ClipRequest
from framelens.plugins.editing.clips.sound import SoundTrack
from framelens.plugins.editing.timeline.rates import timecode_at
from framelens.video.files import printable_path
from framelens.video.keyframes.strategies import rounding_of
from framelens.video.limits import move_on
from framelens.video.readers import open_reader
from framelens.video.readers.base import Image, Picture, as_image, held_end, reformatted, samples, scaled, with_tags_of
from framelens.video.readers.geometry import UPRIGHT, filtered
from framelens.video.readers.picture import AvPicture, on_white
from framelens.video.readers.pyav import frame_rate_of, open_video
from framelens.video.readers.tone_mapping import HDR_TRANSFERS, OWN_MATRICES
from framelens.video.readers.transparency import has_alpha
from framelens.video.remux.written_file import WrittenBytes
from framelens.video.seeking import AccurateSeeker, InaccurateSeekError

_ENCODERS = {
    "libx264": {"preset": "fast", "crf": "18"},
    "libopenh264": {"qmin": "10", "qmax": "24"},
    "mpeg4": {"qmin": "2", "qmax": "4"},
}
"""Encoders in the order in which they are tried, with options for a quality at which no difference is seen."""
_MOST_UNITS = 1_000_000
"""Parts of a second; a finer clock is rounded to microseconds."""
_WHOLE_SECONDS = 0.1
"""A picture at an edge of the range is kept whole if no more of it is outside."""
_CANVAS_UNIT, _CANVAS_RATE = Fraction(1, 90_000), Fraction(60)
"""Clock and highest usual rate of fitted clips, so that the parts of a reel have the same parameters."""
_CANVAS_COLOURS = {"color_range": 1, "color_primaries": 1, "color_trc": 1, "colorspace": 1}
"""Range of television, and primaries, transfer and matrix of BT.709."""
_LINES_OF_FIELDS = 4
"""The height of interlaced 4:2:0 is a multiple of it: two lines of colour in each of two fields."""
_HDR_FORMAT = "yuv420p10le"
_HDR_WHITES = {16: 0.58, 18: 0.75}
"""Signal of white at 203 cd/m², by transfer: PQ and HLG (ITU-R BT.2408, table 1)."""
_MOST_OF_ASPECT = 10_000
"""The largest number below the line of a pixel aspect."""
_SAME_SHAPE = 0.01
"""Pictures that are wider by less are of the same shape: odd sizes and rounded aspects are off by that. Not tuned."""
_FULL_RANGE = 2
"""AVCOL_RANGE_JPEG of FFmpeg."""
Timed = tuple[float, "Packet[Any]"]


@dataclass(frozen=True)
class _Shown:
    """A picture and for how long it is shown."""

    picture: AvPicture
    seconds: float


def encoded(info: VideoInfo, request: ClipRequest) -> Iterator[WrittenBytes | ClipProgress | ClipPictures]:
    """Yield the bytes of the clip, how far it is, and its pictures.

    Raises:
        VideoError: The range is behind the end of the file, there is no encoder, or the container refuses a
            stream.
        DecodeError: The pictures of the range can't be decoded.
    """
    pictures = _shown(info, request)
    first = next(pictures)
    container, stream = open_video(info.path)
    with container, ClipContainer(request.format, printable_path(info.name)) as clip:
        track = _Track(info, request, clip, stream, first)
        is_fitted = request.canvas is not None
        sounds = [
            SoundTrack(info, clip.container, one, is_fitted=is_fitted)
            for one in _sound_sources(container, stream, request.canvas)
        ]
        clip.begin()
        end = _end_of(request) + _WHOLE_SECONDS  # the last picture may be shown until then
        ready = [one.packets(track.start_seconds, end) for one in sounds]
        for time, packet in merge(track.packets(pictures), *ready, key=itemgetter(0)):
            # Packets are in order, so that by then the end of the pictures is known.
            if packet.stream.type == "audio" and time >= track.end_seconds - track.start_seconds:
                if track.is_done:
                    break
                continue
            for piece in clip.add(packet):
                yield piece
                yield ClipProgress(track.end_seconds)
        yield from clip.rest()
    yield track.result()


def _sound_sources(
    container: InputContainer, video: VideoStream, canvas: Canvas | None
) -> Sequence[AudioStream | None]:
    found = known_sound(container, video)
    if canvas is None:
        return found
    return (found[:1] or [None]) if canvas.has_sound else []


# ---- pictures


def _shown(info: VideoInfo, request: ClipRequest) -> Iterator[_Shown]:
    """Yield the pictures of the range, each with its length; the first picture is shown at the start of the range."""
    before: AvPicture | None = None
    pictures = _pictures(info, request.start_seconds)
    while True:
        try:
            picture = next(pictures)
        except StopIteration as ended:
            sound_seconds = ended.value
            break
        if before is not None:
            yield _Shown(before, picture.time_seconds - before.time_seconds)
        if before is not None and picture.time_seconds >= _end_of(request) - rounding_of(info.frame_rate):
            return
        before = picture
    if before is None:
        raise DecodeError("clip_without_pictures", name=printable_path(info.name))
    end = held_end(before.time_seconds + before.duration_seconds, sound_seconds)
    if end <= request.start_seconds:
        raise VideoError("clip_behind_end", name=printable_path(info.name), end=clock(end))
    yield _Shown(before, end - before.time_seconds)


def _pictures(info: VideoInfo, start_seconds: float) -> Generator[AvPicture, None, float]:
    """Yield the picture shown at a time and all later pictures, after a seek that can be trusted or from the start.

    Returns:
        When the sound ends, until which the last picture is shown.
    """
    has_begun = False
    try:
        with AccurateSeeker(info) as seeker:
            first = seeker.at(start_seconds)
            for picture in seeker.pictures_from(first.time_seconds):
                move_on()
                has_begun = True
                assert isinstance(picture, AvPicture)
                yield picture
            return seeker.sound_seconds
    except (InaccurateSeekError, av.error.FFmpegError):
        if has_begun:
            raise DecodeError("clip_without_pictures", name=printable_path(info.name)) from None
    held: AvPicture | None = None
    with open_reader(info.path) as reader:
        for picture in reader.frames():
            move_on()
            if not isinstance(picture, AvPicture):
                raise DecodeError("clip_without_pictures", name=printable_path(info.name))
            if picture.time_seconds > start_seconds + rounding_of(info.frame_rate):
                if held is not None:
                    yield held
                    held = None
                yield picture
            else:
                held = picture
        sound_seconds = reader.held_until_seconds
    if held is not None:
        yield held
    return sound_seconds


class _Track:
    """Pictures of a clip while they are encoded."""

    def __init__(
        self, info: VideoInfo, request: ClipRequest, clip: ClipContainer, source: VideoStream, first: _Shown
    ) -> None:
        frame = first.picture.frame
        self._first, self._end = first, _end_of(request)
        begins, asked = first.picture.time_seconds, request.start_seconds
        self.start_seconds = asked if asked - begins > _WHOLE_SECONDS else begins  # a picture that is shown for long
        self.end_seconds = self.start_seconds
        self._canvas, self.is_done = request.canvas, False
        self._is_rgb = _is_rgb(first.picture)
        if self._canvas:
            self._size = self._shown_size = (self._canvas.width, self._canvas.height)
            self._aspect = Fraction(1)
            self._format, unit = "yuv420p", _CANVAS_UNIT
        else:
            self._shown_size = first.picture.presentation.crop_of(frame).size(frame.width, frame.height)
            self._aspect = Fraction(first.picture.presentation.aspects.of(frame)).limit_denominator(_MOST_OF_ASPECT)
            width, height = self._shown_size
            self._size = (width + width % 2, height + height % 2)
            self._format = "yuv420p" if self._is_rgb else _format_of(frame, source)
            unit = source.time_base or _CANVAS_UNIT
        self._unit = unit if unit.denominator <= _MOST_UNITS and unit.numerator else Fraction(1, _MOST_UNITS)
        self._lengths: dict[int, int] = {}
        self._levels: tuple[bytes, bytes] = (b"", b"")
        self._captions = self._captions_of(request.cues, source)
        self._stream = self._opened(info, clip, source)

    def _captions_of(self, cues: Sequence[Cue], source: VideoStream) -> CaptionDrawer | None:
        if not cues:
            return None
        if self._canvas:
            return CaptionDrawer(cues, self._size, UPRIGHT, Fraction(1), is_full=False)
        is_full = self._format.startswith("yuvj") or source.codec_context.color_range == _FULL_RANGE
        return CaptionDrawer(cues, self._size, self._first.picture.orientation, self._aspect, is_full=is_full)

    def _opened(self, info: VideoInfo, clip: ClipContainer, source: VideoStream) -> VideoStream:
        encoder = next((name for name in _ENCODERS if _has(name)), None)
        if encoder is None:
            raise VideoError("clip_without_encoder", name=printable_path(info.name))
        rate = _CANVAS_RATE if self._canvas else frame_rate_of(source) or Fraction(25)
        stream = clip.container.add_stream(encoder, rate=rate, options=dict(_ENCODERS[encoder]))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = self._size
        stream.pix_fmt = self._format
        context, given = stream.codec_context, source.codec_context
        context.time_base = self._unit
        for name, new in _CANVAS_COLOURS.items():
            setattr(context, name, new if self._canvas or self._is_rgb else getattr(given, name))
        if self._canvas:
            return stream
        if info.is_interlaced and not self._is_rgb and self._size[1] % _LINES_OF_FIELDS == 0:
            context.flags |= Flags.interlaced_dct.value | Flags.interlaced_me.value
        stream.sample_aspect_ratio = self._aspect
        if (orientation := self._first.picture.orientation) != UPRIGHT:
            stream.set_display_matrix(orientation.matrix)
        stream.metadata.update({key: value for key, value in source.metadata.items() if key == "language"})
        if begins := timecode_at(info, self.start_seconds):
            stream.metadata["timecode"] = begins
        return stream

    def packets(self, rest: Iterator[_Shown]) -> Iterator[Timed]:
        """Encode the first picture and the others; yield the packets, each with its time in the clip."""
        shown: _Shown | None = self._first
        first_levels = last_levels = b""
        while shown is not None:
            following = next(rest, None)
            begins = max(0.0, shown.picture.time_seconds - self.start_seconds)
            ends = shown.picture.time_seconds + shown.seconds
            if following is None:
                ends = self._end if ends - self._end > _WHOLE_SECONDS else ends
            self.end_seconds = ends
            frame = self._converted(shown.picture, round(begins / self._unit))
            if following is None or not first_levels:
                drawn = self._drawn(shown.picture, frame)
                last_levels = levels_of(drawn, self._size)
                first_levels = first_levels or last_levels
            self._lengths[frame.pts or 0] = max(1, round((ends - self.start_seconds) / self._unit) - (frame.pts or 0))
            yield from self._timed(self._stream.encode(frame))
            shown = following
        self._levels, self.is_done = (first_levels, last_levels), True
        yield from self._timed(self._stream.encode(None))

    def _drawn(self, picture: AvPicture, frame: VideoFrame) -> AvPicture:
        """Return the picture that the clip should have: the video's own unless something was drawn or converted.

        Sharp patterns of colour differ in other formats, where a level is the mean of other lines.
        """
        is_fitted = self._canvas or self._size != self._inside(picture)
        if is_fitted or self._is_rgb or picture.frame.format.name != self._format:
            return AvPicture(frame, picture.index, picture.time_seconds, picture.duration_seconds)
        return replace(picture, frame=frame) if self._captions else picture

    def _converted(self, picture: AvPicture, pts: int) -> VideoFrame:
        if self._canvas:
            made = _fitted(picture, self._size)
        else:
            frame = picture.frame
            if self._is_rgb:
                image = on_white(frame, picture.presentation.alpha_of(frame))
                frame = VideoFrame.from_ndarray(image, "bgr24")
            frame = picture.presentation.crop_of(frame).cut_frame(frame)
            size = self._inside(picture)
            made = _in_canvas_colours(frame, size) if self._is_rgb else frame.reformat(*size, self._format)
            if self._format == _HDR_FORMAT and (alpha := picture.presentation.alpha_of(picture.frame)) is not None:
                _whiten(made, picture.presentation.crop_of(picture.frame).cut(alpha))
            made = _evened(made) if size == self._shown_size else with_tags_of(made, _framed(made, self._size))
        if self._captions:
            made = self._captions.drawn(made, max(picture.time_seconds, self.start_seconds))
        made.pts, made.time_base, made.pict_type = pts, self._unit, PictureType.NONE
        return made

    def _inside(self, picture: AvPicture) -> tuple[int, int]:
        """Return the (width, height) that a picture has in the frames of the clip.

        Where a recording has come to pictures of another shape, as when a programme in 4:3 ends, these are as large as
        fits.
        """
        width, height = picture.presentation.crop_of(picture.frame).size(picture.frame.width, picture.frame.height)
        across, down = self._shown_size
        wider = width * picture.presentation.aspects.of(picture.frame) / height * down / (across * float(self._aspect))
        if abs(wider - 1) < _SAME_SHAPE:
            return self._shown_size
        return _even(across * min(1.0, wider)), _even(down / max(1.0, wider))

    def _timed(self, packets: list[Packet[Any]]) -> Iterator[Timed]:
        for packet in packets:
            packet.duration = self._lengths.get(packet.pts or 0, packet.duration or 0)
            yield float((packet.dts or 0) * packet.time_base), packet

    def result(self) -> ClipPictures:
        """Return the pictures that were written."""
        times = tuple(float(pts * self._unit) for pts in sorted(self._lengths))
        return ClipPictures(self.start_seconds, self.end_seconds, times, *self._levels)


def levels_of(picture: Picture, size: tuple[int, int] | None = None) -> bytes:
    """Return the levels by which a picture is compared with a clip's, whose (width, height) is `size` or its own."""
    assert isinstance(picture, AvPicture)
    cells = cells_of(size or (picture.frame.width, picture.frame.height))
    return b"".join(scaled(plane, cells).tobytes() for plane in picture.levels())


def _end_of(request: ClipRequest) -> float:
    return inf if request.end_seconds is None else request.end_seconds


def _fitted(picture: AvPicture, size: tuple[int, int]) -> VideoFrame:
    """Return a picture as a frame of this width and height, as large as fits, in 8 bits of BT.709."""
    width, height = size
    image = picture.upright(max(size))
    scale = min(width / image.shape[1], height / image.shape[0])
    inside = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    if inside != (image.shape[1], image.shape[0]):
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        image = as_image(cv2.resize(image, inside, interpolation=way))
    paper = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inside[0]) // 2, (height - inside[1]) // 2
    paper[top : top + inside[1], left : left + inside[0]] = image
    return _in_canvas_colours(VideoFrame.from_ndarray(paper, format="bgr24"), size)


def _in_canvas_colours(frame: VideoFrame, size: tuple[int, int]) -> VideoFrame:
    """Return an RGB frame at this (width, height) in 8 bits of BT.709."""
    matrix, levels = Colorspace.ITU709, ColorRange.MPEG
    return reformatted(frame, size, format="yuv420p", dst_colorspace=matrix, dst_color_range=levels)


def _whiten(frame: VideoFrame, alpha: Image) -> None:
    """Blend an HDR frame with white where its alpha channel, of any size, says that it is transparent."""
    white = round(_HDR_WHITES.get(frame.color_trc, 1.0) * (1023 if frame.color_range == _FULL_RANGE else 876))
    white += 0 if frame.color_range == _FULL_RANGE else 64
    for plane, level in zip(frame.planes, (white, 512, 512), strict=True):
        view = samples(plane, frame)
        share = scaled(alpha, (plane.width, plane.height)) / 255
        np.copyto(view, np.rint(level + (view - level) * share).astype(view.dtype))


def _even(number: float) -> int:
    return max(2, round(number / 2) * 2)


def _framed(frame: VideoFrame, size: tuple[int, int]) -> VideoFrame:
    """Return a frame in the middle of a black frame of this (width, height)."""
    left, top = ((one - inside) // 4 * 2 for one, inside in zip(size, (frame.width, frame.height), strict=True))
    return filtered(frame, ("pad", f"{size[0]}:{size[1]}:{left}:{top}"))


def _evened(frame: VideoFrame) -> VideoFrame:
    """Return a frame with less colour than light at an even size: an odd side gets its last pixels once more.

    Every other pixel stays where it is. Colours of the last pair are there already.
    """
    width, height = frame.width, frame.height
    if not (width % 2 or height % 2):
        return frame
    light, *colours = (samples(plane, frame) for plane in frame.planes)
    light = np.pad(light, ((0, height % 2), (0, width % 2)), mode="edge")
    planes = np.concatenate([light.ravel(), *(one.ravel() for one in colours)]).reshape(-1, light.shape[1])
    return with_tags_of(frame, VideoFrame.from_ndarray(planes, format=frame.format.name))


def _is_rgb(picture: AvPicture) -> bool:
    """Return whether pictures are encoded from RGB.

    That holds for RGB itself, for a matrix that swscale doesn't know, such as YCgCo, and if pixels may be transparent.
    """
    frame, form = picture.frame, picture.frame.format
    may_be_clear = has_alpha(frame) and not picture.presentation.is_opaque
    is_other = form.is_rgb or form.has_palette or may_be_clear
    return frame.colorspace in OWN_MATRICES or (is_other and frame.color_trc not in HDR_TRANSFERS)


def _format_of(frame: VideoFrame, source: VideoStream) -> str:
    if source.codec_context.color_trc in HDR_TRANSFERS:
        return _HDR_FORMAT
    return "yuvj420p" if frame.format.name.startswith("yuvj") else "yuv420p"


def _has(name: str) -> bool:
    try:
        av.codec.Codec(name, "w")
    except ValueError:
        return False
    return True
