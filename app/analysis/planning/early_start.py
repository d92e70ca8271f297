"""Whether the beginning of a video is asked about while the rest is still being read, and how much of it.

Only where the frames will not fit one request: cutting those that do would cost a request more and a part's view of the
whole. It is decided before the engine is there, from settings alone, so that a resumed run decides the same.
"""

from __future__ import annotations

from math import ceil

from app.analysis.planning.plan import SIDES, Room
from app.domain import AnalysisRequest, VideoInfo
from app.llm.token_count import estimate_frame_tokens
from app.video import Opening

_SHARE = 0.05
_LONGEST_SECONDS = 60.0
_SHORTEST_VIDEO_SECONDS = 180.0
SURELY_ONE_PART = 8
"""So few frames are asked about at once; no video needs to be looked into to know that."""


def opening_of(video: VideoInfo, request: AnalysisRequest, room: Room, side: int | None) -> Opening | None:
    """The opening of this video for this request; None where all is asked about at once."""
    if request.frames <= SURELY_ONE_PART:
        return None
    start, end = request.selection.start_seconds, request.selection.end_seconds or video.duration_seconds_from_header
    duration = (end or 0.0) - start
    if duration < _SHORTEST_VIDEO_SECONDS or request.selection.strategy not in ("auto", "uniform"):
        return None
    held = room.frames(estimate_frame_tokens(video.width, video.height, request.side or side or SIDES[-1]))
    if request.frames <= held:
        return None
    seconds = min(_SHARE * duration, _LONGEST_SECONDS)
    frames = ceil(request.frames * seconds / duration)  # more would be missing where more happens
    return Opening(seconds, min(frames, held))
