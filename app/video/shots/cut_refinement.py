"""From cuts that lie between two surveyed frames to the very first frame of the new shot.

Frames that were passed over may lie between the two. Most are known all the same (app.video.readers.disposable_frames);
else only those are decoded, and only where jumping there is cheap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.core.domain import VideoInfo
from app.core.errors import AppError
from app.video.features.frame_signature import Glance, change, glance_at
from app.video.readers.base import Image
from app.video.seeking import Jumper, NotExact

_MOST_FRAMES = 300
_MOST_SHARE = 0.05
"""So many frames, or this share of all, may be decoded for it, whichever is more: seconds at most, and a twentieth of
the work of a long survey."""


@dataclass(frozen=True)
class Between:
    """A cut after the frame `before` and not later than `after`: their index, seconds and looks."""

    before: tuple[int, float, Glance]
    after: tuple[int, float, Glance]


def first_frames(video: VideoInfo, cuts: Sequence[Between], num_frames: int) -> dict[float, float]:
    """For the seconds of `after` of each cut, the seconds of the first frame that shows the new shot, where found."""
    if not cuts:
        return {}
    left = max(_MOST_FRAMES, _MOST_SHARE * num_frames)
    found: dict[float, float] = {}
    try:
        with Jumper(video, rough=True) as jumper:
            jumper.check([cut.after[:2] for cut in cuts])
            for cut in cuts:
                cost = jumper.cost(cut.after[1])
                if cost <= left:
                    left -= cost
                    times = jumper.times_between(cut.before[1], cut.after[1])
                    found[cut.after[1]] = first_of(cut, ((time, jumper.at(time).levels()) for time in times))
    except (NotExact, AppError, OSError):
        pass  # to be read in order only, or gone meanwhile: the times stay those of the frames that were surveyed
    return found


def first_of(cut: Between, between: Iterable[tuple[float, Image]]) -> float:
    """The seconds of the new shot's first frame; `between` are the seconds and levels of the frames passed over."""
    for seconds, levels in between:
        glance = glance_at(levels)
        if change(glance, cut.after[2]) < change(cut.before[2], glance):
            return seconds
    return cut.after[1]
