"""From seconds to frames and timecodes, as editing rooms count them (SMPTE ST 12-1).

Rates are whole numbers, or those of NTSC, which are 1000/1001 of one. Where 29.97 or 59.94 frames are shown a second,
timecodes drop numbers, so that an hour of timecode is an hour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from app.domain import DecodeSummary, VideoInfo

_NTSC = (15, 24, 30, 48, 60, 90, 96, 120, 240)
_MOST, _UNKNOWN = 240, 25
_CLOSE = 0.001
"""How far a constant rate may be from a nominal one, as a share: headers give 23.976, 23.98 and 24000/1001 alike."""


@dataclass(frozen=True)
class Rate:
    """`timebase` frames a second, or 1000/1001 of that."""

    timebase: int
    is_ntsc: bool = False

    @property
    def a_second(self) -> Fraction:
        return Fraction(self.timebase * 1000, 1001) if self.is_ntsc else Fraction(self.timebase)

    @property
    def drops(self) -> bool:
        """Whether timecodes leave numbers out."""
        return self.is_ntsc and self.timebase in (30, 60)

    def frame(self, seconds: float) -> int:
        """The frame at this time, counted from 0; at a constant rate that is its index in the video."""
        return round(seconds * float(self.a_second))

    def __str__(self) -> str:
        return f"{float(self.a_second):.3f}".rstrip("0").rstrip(".")


def rate_of(video: VideoInfo, decode: DecodeSummary) -> Rate:
    """The nominal rate next to that of the video: what was found in its header, or else what was counted."""
    counted = decode.frames_decoded / decode.readable_seconds if decode.readable_seconds > 0 else 0.0
    given = next((rate for rate in (video.frame_rate, counted) if rate and math.isfinite(rate)), _UNKNOWN)
    wanted = min(max(given, 1.0), _MOST)
    near = [Rate(base, ntsc) for base in (math.floor(wanted), math.ceil(wanted)) for ntsc in (False, base in _NTSC)]
    return min(near, key=lambda rate: abs(float(rate.a_second) - wanted))


def is_exact(rate: Rate, video: VideoInfo, decode: DecodeSummary) -> bool:
    """Whether the video really has that rate, from beginning to end."""
    if decode.is_variable_frame_rate or not video.frame_rate:
        return False
    return abs(video.frame_rate / float(rate.a_second) - 1) < _CLOSE


def timecode(frame: int, rate: Rate) -> str:
    """ "01:00:00:00", or "01:00:00;00" where numbers are dropped: the first ones of each minute but every tenth."""
    if rate.drops:
        dropped = rate.timebase // 15
        ten_minutes, a_minute = rate.timebase * 600 - 9 * dropped, rate.timebase * 60 - dropped
        tens, rest = divmod(frame, ten_minutes)
        frame += 9 * dropped * tens + dropped * max(0, (rest - dropped) // a_minute)
    seconds, number = divmod(frame, rate.timebase)
    clock = f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{clock}{';' if rate.drops else ':'}{number:02d}"


def first_frame(rate: Rate) -> int:
    """The frame that is called 01:00:00:00, with which timelines begin by custom."""
    dropped = 6 * 9 * (rate.timebase // 15) if rate.drops else 0
    return 3600 * rate.timebase - dropped
