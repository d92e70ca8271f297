"""Plan of a clip: the frames that it will have, by the times of the frames of its video."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

from framelens import VideoError
from framelens.plugin.files import printable_path
from framelens.plugin.processes import TimedVideo
from framelens.plugin.texts import clock

ClipMode = Literal["fast", "exact"]
SAME_TIME_SECONDS = 0.0015
"""Between the time of a frame and that in the clip: containers round to a millisecond, and both ends do."""
_OPEN_SECONDS = 30.0
"""How much sooner than at the last key frame a copy may begin where that one isn't closed: Chromium stops at those."""
_WHOLE_SECONDS = 0.1
"""A frame at an edge of the range is kept whole if no more of it is outside."""


@dataclass(frozen=True)
class ClipPlan:
    """Frames of a clip; times in seconds from the first frame of the video.

    Attributes:
        first_seconds: When its first frame begins in the video.
        start_seconds: Where the clip begins: with that frame, or within it if it is shown for long.
        end_seconds: Where its last frame ends.
        times_seconds: When each frame begins, from the start of the clip.
        num_packets: For a copy, how many packets from its first frame on it is made of.
        unshown: For a copy, places of those that aren't shown: they need frames before its first frame.
    """

    first_seconds: float
    start_seconds: float
    end_seconds: float
    times_seconds: tuple[float, ...]
    num_packets: int = 0
    unshown: tuple[int, ...] = ()

    @property
    def length_seconds(self) -> float:
        """Return how long the clip is."""
        return self.end_seconds - self.start_seconds

    @property
    def limit_seconds(self) -> float:
        """Return a length behind the last frame of the clip and before the next frame of the video."""
        return self.length_seconds - min(0.001, (self.length_seconds - self.times_seconds[-1]) / 2)

    def fits(self, times_seconds: Sequence[float]) -> bool:
        """Return whether frames, as a clip has them, are these: the first and the last, and as many, or none but these.

        A frame between them may be missing, where the video is damaged or a packet holds no frame of its own. Of as
        many, one may be at another time, which this product takes for an outlier and corrects.
        """
        if not times_seconds:
            return False
        edges = zip((times_seconds[0], times_seconds[-1]), (self.times_seconds[0], self.times_seconds[-1]), strict=True)
        if any(abs(time - planned) > SAME_TIME_SECONDS for time, planned in edges):
            return False
        return len(times_seconds) == len(self.times_seconds) or all(map(self._is_planned, times_seconds))

    def _is_planned(self, seconds: float) -> bool:
        index = bisect_right(self.times_seconds, seconds + SAME_TIME_SECONDS) - 1
        return index >= 0 and seconds - self.times_seconds[index] <= SAME_TIME_SECONDS


def exact_plan(video: TimedVideo, start_seconds: float, end_seconds: float | None) -> ClipPlan:
    """Return the frames from the one that is shown at the start to the last that begins before the end.

    Raises:
        VideoError: "clip_behind_end".
    """
    rounding, shown = video.rounding_seconds, sorted(video.frames.shown_seconds)
    first = max(0, bisect_right(shown, start_seconds + rounding) - 1)
    _check_start(video, start_seconds)
    asked_end = inf if end_seconds is None else end_seconds
    behind = next((index for index in range(first + 1, len(shown)) if shown[index] >= asked_end - rounding), len(shown))
    end = shown[behind] if behind < len(shown) else video.frames.end_seconds
    start = start_seconds if start_seconds - shown[first] > _WHOLE_SECONDS else shown[first]
    end = asked_end if end - asked_end > _WHOLE_SECONDS else end
    return ClipPlan(shown[first], start, end, tuple(max(0.0, time - start) for time in shown[first:behind]))


def fast_plan(video: TimedVideo, start_seconds: float, end_seconds: float | None) -> ClipPlan:
    """Return the frames from the last key frame before the start to the last that one of the range is predicted from.

    Raises:
        VideoError: The frames have no times, the clock starts again, or the range is behind the end, or before all key
            frames.
    """
    name, frames = printable_path(video.info.name), video.frames
    if video.info.has_guessed_times:
        raise VideoError("clip_without_times", name=name)
    if frames.has_restarted:
        raise VideoError("clip_clock_restarts", name=name)
    rounding = video.rounding_seconds
    _check_start(video, start_seconds)
    key = _key(video, start_seconds + rounding)
    if key is None:
        raise VideoError("clip_without_key_frame", name=name)
    first, later = frames.shown_seconds[key], frames.shown_seconds[key:]
    num = _num_needed(later, inf if end_seconds is None else end_seconds - rounding)
    times = tuple(time - first for time in sorted(later[:num]) if time >= first)
    end = min((time for time in later[num:] if time >= first), default=frames.end_seconds)
    if num == len(later) and end_seconds is not None:  # the last frame, while the sound lasts
        end = min(end, max(end_seconds, first + times[-1] + _frame_seconds(video)))
    unshown = tuple(index for index, time in enumerate(later[:num]) if time < first)
    return ClipPlan(first, first, end, times, num, unshown)


def _key(video: TimedVideo, latest_seconds: float) -> int | None:
    """Return the place of the last key frame that isn't later: a closed one, unless that is much earlier."""
    frames = video.frames

    def latest(keys: Sequence[int]) -> int | None:
        seconds = frames.shown_seconds.__getitem__
        places = (key for key in keys if -video.rounding_seconds <= seconds(key) <= latest_seconds)
        return max(places, key=seconds, default=None)

    key, closed = latest(frames.keys), latest(frames.closed)
    if key is None or closed is None:
        return key
    is_near = frames.shown_seconds[key] - frames.shown_seconds[closed] <= _OPEN_SECONDS
    return closed if is_near else key


def _num_needed(shown: Sequence[float], end_seconds: float) -> int:
    """Return how many frames, in the order of decoding, have those before `end_seconds` and all between them."""
    num = max(1, max((index for index, time in enumerate(shown) if time < end_seconds), default=0) + 1)
    latest, earliest_later = max(shown[:num]), [*shown, inf]
    for index in range(len(shown) - 1, -1, -1):
        earliest_later[index] = min(earliest_later[index], earliest_later[index + 1])
    while num < len(shown) and latest > earliest_later[num]:
        latest = max(latest, shown[num])
        num += 1
    return num


def _check_start(video: TimedVideo, start_seconds: float) -> None:
    if not video.has_frame_after(start_seconds):
        values = {"name": printable_path(video.info.name), "end": clock(video.frames.end_seconds)}
        raise VideoError("clip_behind_end", **values)


def _frame_seconds(video: TimedVideo) -> float:
    return 1 / (video.info.frame_rate or 25)
