"""Reader of a range of a video, which counts frames and seconds from the first frame of the range.

`placed` maps what a survey finds in the range to the time axis of the whole video. The reader also records which frames
the codec stored whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, TypeVar, cast

from framelens.core.domain import Boundary, DecodeSummary, Keyframe, Notice, Shot, Stretch
from framelens.core.errors import VideoError
from framelens.core.events import KeyframeFound, OpeningChosen, SurveyProgress, VideoEvent
from framelens.core.units import clock
from framelens.video.files import printable_path
from framelens.video.keyframes.strategies import LONG_SECONDS, Span, SurveyResult, Thumbnails, rounding_of
from framelens.video.limits import move_on
from framelens.video.readers.base import FrameReader, Image, Picture, WrappedReader, held_end

_Part = TypeVar("_Part", Shot, Boundary, Stretch)
_DIGITS = 9
"""Mapped times are rounded to the nanosecond, so that they show no error of floating-point addition."""


def _with(picture: Picture, **changes: float) -> Picture:
    return cast(Picture, replace(cast(Any, picture), **changes))


class Clip(WrappedReader):
    """FrameReader over [start, end) of `reader`.

    A range that begins while a still picture is shown begins with that frame.

    `first` and `last` are (index, seconds) of the range's frames on the time axis of the whole video, `whole_frames`
    the seconds of those that the codec stored whole, and `damaged` the parts whose frames show damage; all but `first`
    grow with iteration.

    Raises:
        VideoError: The range contains no frame.
    """

    def __init__(self, reader: FrameReader, start_seconds: float, end_seconds: float | None) -> None:
        super().__init__(reader)
        self._rounding = rounding_of(reader.info.frame_rate)
        self._end = float("inf") if end_seconds is None else end_seconds
        self._pictures = reader.frames()
        self._is_at_end = False
        self._waiting = self._seek(start_seconds)
        self._head = self._waiting[0]
        self.first = self.last = (self._head.index, self._head.time_seconds)
        self.whole_frames: list[float] = []
        self.damaged: list[Span] = []
        self.info = replace(reader.info, duration_seconds_from_header=self._length(end_seconds))

    @property
    def declared_seconds(self) -> float | None:
        """Return the reader's declared end, or None if the range ends before the file, which then isn't truncated."""
        return self._reader.declared_seconds if self._end == float("inf") else None

    @property
    def tail(self) -> tuple[int, float]:
        """Return the reader's tail, (0, 0.0) if the range ends before the file."""
        return self._reader.tail if self._end == float("inf") else (0, 0.0)

    @property
    def held_until_seconds(self) -> float:
        """Return until when the last frame is shown: to the end of the range if it isn't the last of the video."""
        end = self._reader.held_until_seconds if self._is_at_end else self._end
        return min(end, self._end) - self.first[1]

    @property
    def edges(self) -> tuple[tuple[int, float], ...]:
        """Return the (index, seconds) that a seek in the file must find before its results are trusted.

        Where damaged parts were skipped, packets no longer give the number of frames before a time, and no seek is
        trusted.
        """
        return ((-1, 0.0),) if self.num_damaged else (self.first, self.last)

    def result(self, decode: DecodeSummary, damaged: Sequence[Span]) -> SurveyResult:
        """Return the results of the finished survey of this clip.

        Args:
            decode: The survey's own summary.
            damaged: Parts that a second decoder did not confirm, on the time axis of the whole video.
        """
        whole_frames = tuple(self.whole_frames)
        return SurveyResult(self.summary(decode), self.first, self.last, whole_frames, self.edges, tuple(damaged))

    def frames(self) -> Iterator[Picture]:
        """Yield the frames of the range, with numbers and times from its first frame."""
        for picture in chain(self._waiting, self._pictures):
            if picture.time_seconds >= self._end - self._rounding:
                return
            if picture.duration_seconds > max(LONG_SECONDS, self._end - picture.time_seconds):
                picture = _with(picture, duration_seconds=self._end - picture.time_seconds)
            self.last = (picture.index, picture.time_seconds)
            self._note_damage(picture)
            if picture.is_whole:
                self.whole_frames.append(picture.time_seconds)
            if self.first == (0, 0.0):  # frames of a whole video keep their place
                yield picture
                continue
            index, seconds = picture.index - self.first[0], picture.time_seconds - self.first[1]
            yield _with(picture, index=index, time_seconds=seconds)
        self._is_at_end = True

    def _note_damage(self, picture: Picture) -> None:
        start, end = self.damaged[-1] if self.damaged else (0.0, 0.0)
        is_open = end == float("inf")
        if picture.is_damaged and not is_open:
            self.damaged.append((picture.time_seconds, float("inf")))
        elif is_open and not picture.is_damaged:
            self.damaged[-1] = (start, picture.time_seconds)

    def passed_over(self, after_seconds: float, before_seconds: float) -> Sequence[tuple[float, Image]]:
        """Return the reader's skipped frames between two times; empty unless the range begins with the video."""
        return self._reader.passed_over(after_seconds, before_seconds) if self.first == (0, 0.0) else ()

    def placed(self, event: VideoEvent | Thumbnails) -> VideoEvent | Thumbnails:
        """Return the event with the frame numbers and seconds of the whole video."""
        match event:
            case SurveyProgress(seconds, _):
                duration = self._reader.info.duration_seconds_from_header
                return SurveyProgress(self._seconds(seconds), duration if self._end == float("inf") else self._end)
            case KeyframeFound(keyframe):
                return KeyframeFound(self._keyframe(keyframe))
            case Thumbnails(keyframes):
                return Thumbnails(self.keyframes(keyframes))
            case OpeningChosen(keyframes):
                return OpeningChosen(self.keyframes(keyframes))
            case _:
                return event

    def _seek(self, start_seconds: float) -> list[Picture]:
        """Return the first frame of the range, or the still picture at its start and the frame after it."""
        shown: Picture | None = None
        for picture in self._pictures:
            move_on()
            if picture.time_seconds >= start_seconds - self._rounding:
                is_long = shown is not None and picture.time_seconds > start_seconds + LONG_SECONDS
                if picture.time_seconds < self._end - self._rounding and not is_long:
                    return [picture]
                if shown is not None:
                    return [shown, picture]
                break
            shown = picture
        reached = 0.0
        if shown is not None:
            reached = held_end(shown.time_seconds + shown.duration_seconds, self._reader.held_until_seconds)
            if start_seconds < reached:
                return [shown]
        name = printable_path(self._reader.info.name)
        raise VideoError("range_without_frames", name=name, start=f"{start_seconds:g}", readable=f"{reached:.3f}")

    def _length(self, end_seconds: float | None) -> float | None:
        end = self._reader.info.duration_seconds_from_header if end_seconds is None else end_seconds
        return None if end is None else max(0.0, end - self.first[1])

    def _seconds(self, seconds: float) -> float:
        return round(seconds + self.first[1], _DIGITS)

    def keyframes(self, keyframes: Sequence[Keyframe]) -> tuple[Keyframe, ...]:
        """Return the keyframes with frame numbers and seconds of the whole video."""
        return tuple(self._keyframe(keyframe) for keyframe in keyframes)

    def _keyframe(self, keyframe: Keyframe) -> Keyframe:
        return replace(
            keyframe,
            frame_index=keyframe.frame_index + self.first[0],
            time_seconds=self._seconds(keyframe.time_seconds),
        )

    def moved(self, parts: Sequence[_Part]) -> tuple[_Part, ...]:
        """Return shots and the like with seconds counted from the start of the whole video."""
        return tuple(
            replace(part, start_seconds=self._seconds(part.start_seconds), end_seconds=self._seconds(part.end_seconds))
            for part in parts
        )

    def summary(self, decode: DecodeSummary) -> DecodeSummary:
        """Return the summary with seconds counted from the start of the whole video."""
        return replace(
            decode,
            readable_seconds=self._seconds(decode.readable_seconds),
            shots=self.moved(decode.shots),
            boundaries=self.moved(decode.boundaries),
            measures=decode.measures and replace(decode.measures, start_seconds=self.first[1]),
            stretches=self.moved(decode.stretches),
            notices=tuple(self._notice(notice, decode) for notice in decode.notices),
        )

    def _notice(self, notice: Notice, decode: DecodeSummary) -> Notice:
        """Return the notice; the readable length counts from the start of the file, wherever the range begins."""
        if notice.key != "truncated":
            return notice
        return replace(
            notice,
            values={**notice.values, "readable": clock(self._seconds(decode.readable_seconds), digits=1, form="m")},
        )
