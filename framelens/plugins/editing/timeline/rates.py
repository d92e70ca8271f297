"""Frame rates of timelines, and timecodes at them.

Rates are whole numbers or the NTSC rates, 1000/1001 of a whole number. At 29.97 and 59.94 frames per second timecodes
are drop-frame: numbers are skipped, so that an hour of timecode is an hour.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from framelens import DecodeSummary, VideoInfo

_NTSC = (15, 24, 30, 48, 60, 90, 96, 120, 240)
_MOST, _UNKNOWN = 240, 25  # the highest rate, and the rate of a video without a known rate
_CLOSE = 0.001
"""Largest relative error of a constant rate against its nominal rate: headers give 23.976, 23.98 or 24000/1001."""


@dataclass(frozen=True)
class Rate:
    """A nominal frame rate: `timebase` frames per second, or 1000/1001 of that for NTSC."""

    timebase: int
    is_ntsc: bool = False

    @property
    def frames_per_second(self) -> Fraction:
        """Return the exact rate."""
        return Fraction(self.timebase * 1000, 1001) if self.is_ntsc else Fraction(self.timebase)

    @property
    def can_drop(self) -> bool:
        """Return whether the timecode of media may be drop-frame, also where several frames share a number.

        Cameras of phones number the frames so at exactly 30 frames per second, too.
        """
        return self.timebase % 30 == 0

    @property
    def drops(self) -> bool:
        """Return whether the timecodes of a timeline are drop-frame."""
        return self.is_ntsc and self.timebase in (30, 60)

    def frame(self, seconds: float) -> int:
        """Return the frame at a time, counted from 0; at a constant rate its index in the video."""
        return round(seconds * float(self.frames_per_second))

    def __str__(self) -> str:
        return f"{float(self.frames_per_second):.3f}".rstrip("0").rstrip(".")


def rate_of(video: VideoInfo, decode: DecodeSummary) -> Rate:
    """Return the nominal rate closest to the video's, from its header or else from the decoded frames."""
    counted = decode.frames_decoded / decode.readable_seconds if decode.readable_seconds > 0 else 0.0
    frames_per_second = next((rate for rate in (video.frame_rate, counted) if rate and math.isfinite(rate)), _UNKNOWN)
    return _nominal(frames_per_second)


def _nominal(frames_per_second: float) -> Rate:
    clamped = min(max(frames_per_second, 1.0), _MOST)
    near = [Rate(base, ntsc) for base in (math.floor(clamped), math.ceil(clamped)) for ntsc in (False, base in _NTSC)]
    return min(near, key=lambda rate: abs(float(rate.frames_per_second) - clamped))


def is_exact(rate: Rate, video: VideoInfo, decode: DecodeSummary) -> bool:
    """Return whether the video has a constant rate that matches the nominal rate."""
    if decode.is_variable_frame_rate or not video.frame_rate:
        return False
    return abs(video.frame_rate / float(rate.frames_per_second) - 1) < _CLOSE


def timecode(frame: int, rate: Rate, *, drops: bool | None = None) -> str:
    """Format a frame number as "01:00:00:00", or as "01:00:00;00" if the timecode drops numbers.

    Drop-frame timecode skips the first numbers of every minute except each tenth. Without `drops` the rate decides.
    """
    drops = rate.drops if drops is None else drops
    if drops:
        dropped = rate.timebase // 15
        ten_minutes, a_minute = rate.timebase * 600 - 9 * dropped, rate.timebase * 60 - dropped
        tens, rest = divmod(frame, ten_minutes)
        frame += 9 * dropped * tens + dropped * max(0, (rest - dropped) // a_minute)
    seconds, number = divmod(frame, rate.timebase)
    clock = f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{clock}{';' if drops else ':'}{number:02d}"


@dataclass(frozen=True)
class MediaStart:
    """Number of the first frame of the media file, by its own timecode; 0 without a timecode."""

    frame: int
    drops: bool


def media_start(video: VideoInfo, rate: Rate) -> MediaStart:
    """Return where the timecode of the video begins at this rate."""
    if not video.timecode:
        return MediaStart(0, rate.drops)
    drops = rate.can_drop and ";" in video.timecode
    hours, minutes, seconds, number = map(int, re.split("[:;]", video.timecode))
    minutes += 60 * hours
    skipped = rate.timebase // 15 * (minutes - minutes // 10) if drops else 0
    return MediaStart((60 * minutes + seconds) * rate.timebase + number - skipped, drops)


def first_frame(rate: Rate) -> int:
    """Return the frame number of 01:00:00:00, with which timelines begin by convention."""
    dropped = 6 * 9 * (rate.timebase // 15) if rate.drops else 0
    return 3600 * rate.timebase - dropped


def timecode_at(video: VideoInfo, seconds: float) -> str:
    """Return the timecode of the picture that begins at a time; "" where the video has no timecode or frame rate."""
    if not (video.timecode and video.frame_rate and math.isfinite(video.frame_rate)):
        return ""
    rate = _nominal(video.frame_rate)
    start = media_start(video, rate)
    return timecode(start.frame + rate.frame(seconds), rate, drops=start.drops)
