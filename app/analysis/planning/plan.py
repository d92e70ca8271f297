"""Lays the keyframes out over requests that fit the model's context, along the shots, and chooses their size.

The run and the forecast before it use the same functions: they differ in what is known of the engine alone.

Only where the frames will not fit one request: cutting those that do would cost a request more and a part's view of the
whole. It is decided before the engine is there, from settings alone, so that a resumed run decides the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, inf

from app.core.domain import AnalysisRequest, Keyframe, Layout, VideoInfo
from app.llm.token_count import estimate_frame_tokens
from app.video import Opening

# Longer sides in pixels. 896 keeps small writing readable; at 448 a frame of 16:9 costs about 150 tokens.
SIDES = (896, 640, 448)
_TEXT_TOKENS = 900  # system message, question, form and what is carried forward, measured 500 to 900
DEFAULT_CONTEXT = 8192  # where an engine does not tell its limit
_WITHIN_A_SHOT = 0.25
"""What a border inside a shot costs, in squares of the share that a part differs from the mean length."""
_SHARE = 0.05
_LONGEST_SECONDS = 60.0
_SHORTEST_VIDEO_SECONDS = 180.0
SURELY_ONE_PART = 8
"""So few frames are asked about at once; no video needs to be looked into to know that."""


@dataclass(frozen=True)
class Room:
    """What one request can hold. `text_tokens` are those of a request without its frames."""

    max_model_len: int | None
    answer_tokens: int
    text_tokens: int = _TEXT_TOKENS
    max_pictures: int | None = None

    @property
    def for_frames(self) -> int:
        """Tokens left for frames when text and answer have theirs; at least a tenth of the context."""
        context = self.max_model_len or DEFAULT_CONTEXT
        return max(context - min(self.answer_tokens, context // 4) - min(self.text_tokens, context // 3), context // 10)

    def frames(self, tokens_per_frame: float) -> int:
        """How many frames of that cost; one at least."""
        held = int(self.for_frames // max(tokens_per_frame, 1.0))
        return max(1, min(held, self.max_pictures or held))


@dataclass(frozen=True)
class Counted:
    """What an engine has counted: tokens of a frame with its mark, and of a request without its frames; None for what
    it did not tell. `max_pictures` is the most it takes in one request, None where it names no limit.
    """

    frame_tokens: float | None = None
    text_tokens: int | None = None
    max_pictures: int | None = None


def side_of(request: AnalysisRequest, video: VideoInfo, room: Room, settled: int | None) -> int:
    """The longer side of sent frames in pixels: as asked for, else as `settled`, else the largest that fits."""
    return request.side or settled or usual_side(video.width, video.height, request.frames, room)


def basis(
    request: AnalysisRequest,
    video: VideoInfo,
    room: Room,
    side: int,
    counted: Counted | None,
    in_flight: Callable[[int], int],
) -> tuple[Layout, Room]:
    """The layout without its parts, and what one request really holds.

    `counted` is None where the engine told nothing; in_flight(tokens) is how many requests of so many tokens it takes.
    """
    counted = counted or Counted()
    cost = counted.frame_tokens or float(estimate_frame_tokens(video.width, video.height, side))
    room = replace(room, text_tokens=counted.text_tokens or room.text_tokens, max_pictures=counted.max_pictures)
    per_part = min(room.frames(cost), request.frames)
    tokens = int(per_part * cost) + room.text_tokens + room.answer_tokens
    is_exact = counted.frame_tokens is not None
    return Layout(side, per_part, in_flight(tokens), round(cost, 2), is_exact), room


def usual_side(width: int, height: int, frames: int, room: Room) -> int:
    """The largest of SIDES at which one request holds all frames, else the smallest."""
    fitting = (side for side in SIDES if room.frames(estimate_frame_tokens(width, height, side)) >= frames)
    return next(fitting, SIDES[-1])


def lay_out(layout: Layout, frames: Sequence[Keyframe], *, opening: int = 0) -> Layout:
    """`layout` with the parts of these frames; none holds frames of the first `opening` and others."""
    parts = [*split(frames[:opening], layout.per_part), *split(frames[opening:], layout.per_part)]
    return replace(layout, parts=tuple(tuple(frame.number for frame in part) for part in parts))


def groups(costs: Sequence[int], room: int) -> list[range]:
    """Neighbours that are joined by one request, as ranges of places: as many as fit `room` tokens, two at least, so
    that every round of joins gets shorter.
    """
    starts, filled = [0], 0
    for place, cost in enumerate(costs):
        if place - starts[-1] >= 2 and filled + cost > room:
            starts.append(place)
            filled = 0
        filled += cost
    return [range(start, end) for start, end in pairwise([*starts, len(costs)])]


def finer(layout: Layout, frames: Sequence[Keyframe], finished: Sequence[Sequence[int]], per_part: int) -> Layout:
    """`layout` with at most `per_part` frames in each part but the finished ones, which stay as they are."""
    kept = {part[0]: tuple(part) for part in finished}
    parts: list[tuple[int, ...]] = []
    run: list[Keyframe] = []
    held = {number for part in kept.values() for number in part}
    for frame in frames:
        if frame.number not in held:
            run.append(frame)
        elif frame.number in kept:
            parts += [tuple(one.number for one in part) for part in split(run, per_part)]
            parts.append(kept[frame.number])
            run = []
    parts += [tuple(one.number for one in part) for part in split(run, per_part)]
    return replace(layout, per_part=per_part, parts=tuple(parts))


def split(frames: Sequence[Keyframe], per_part: int) -> list[Sequence[Keyframe]]:
    """The fewest parts of at most `per_part` frames, of nearly even length, with their borders between shots where that
    makes them little less even.
    """
    number = ceil(len(frames) / per_part)
    if number < 2:
        return [frames] if frames else []
    mean = len(frames) / number

    def cost(start: int, end: int) -> float:
        within = end < len(frames) and frames[end - 1].shot == frames[end].shot
        return ((end - start - mean) / mean) ** 2 + (_WITHIN_A_SHOT if within else 0.0)

    # best[parts][end]: the least cost of laying out frames[:end] over so many parts, and where the last one starts.
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for _ in range(number):
        row: dict[int, tuple[float, int]] = {}
        for start, (so_far, _) in best[-1].items():
            for end in range(start + 1, min(start + per_part, len(frames)) + 1):
                total = so_far + cost(start, end)
                if total < row.get(end, (inf, 0))[0]:
                    row[end] = (total, start)
        best.append(row)
    edges = [len(frames)]
    for row in reversed(best[1:]):
        edges.append(row[edges[-1]][1])
    edges.reverse()
    return [frames[start:end] for start, end in pairwise(edges)]


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
