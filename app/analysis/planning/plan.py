"""Layout of a run's requests: the size of frames, their split into chunks along the shots, and the early opening.

The run and the estimate before it use the same functions; they differ only in what is known of the engine.

The opening of a video is asked about while the rest is still being read, but only if the frames don't fit one request:
otherwise it would cost one more request, and no part would see the whole. The decision rests on the settings alone,
before the engine is ready, so that a resumed run decides the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, inf

from app.core import AnalysisRequest, Keyframe, Layout, VideoInfo
from app.llm.token_count import estimate_frame_tokens
from app.video import Opening

# Longer sides in pixels. 896 keeps small writing readable; at 448 a frame of 16:9 costs about 150 tokens.
SIDES = (896, 640, 448)
_TEXT_TOKENS = 900  # system message, question, form and context of earlier parts: measured 500 to 900
DEFAULT_CONTEXT = 8192  # for an engine that doesn't report its limit; chosen by hand, not tuned
_WITHIN_A_SHOT = 0.25
"""Cost of a border inside a shot, in squares of a part's relative deviation from the mean length. Chosen by hand; not
tuned."""
# The opening: its share of the video, its longest duration, and the shortest video that has one. Chosen by hand; not
# tuned.
_OPENING_SHARE = 0.05
_LONGEST_OPENING_SECONDS = 60.0
_SHORTEST_VIDEO_SECONDS = 180.0
SURELY_ONE_PART = 8
"""Number of frames that always fit one request, so that the video needn't be probed for an opening. Chosen by hand; not
tuned."""


@dataclass(frozen=True)
class RequestCapacity:
    """Capacity of one request.

    Attributes:
        max_model_len: Context length in tokens; None if the engine doesn't report it.
        answer_tokens: Tokens reserved for the answer.
        text_tokens: Tokens of a request without its frames.
        max_pictures: Most pictures of a request; None if unlimited.
    """

    max_model_len: int | None
    answer_tokens: int
    text_tokens: int = _TEXT_TOKENS
    max_pictures: int | None = None

    @property
    def for_frames(self) -> int:
        """Return the tokens left for frames beside text and answer; at least a tenth of the context."""
        context = self.max_model_len or DEFAULT_CONTEXT
        return max(context - min(self.answer_tokens, context // 4) - min(self.text_tokens, context // 3), context // 10)

    def frames(self, tokens_per_frame: float) -> int:
        """Return how many frames of this cost fit; at least one."""
        held = int(self.for_frames // max(tokens_per_frame, 1.0))
        return max(1, min(held, self.max_pictures or held))


@dataclass(frozen=True)
class TokenCounts:
    """Token counts reported by an engine; None for what it doesn't report.

    Attributes:
        frame_tokens: Tokens of a frame with its mark.
        text_tokens: Tokens of a request without its frames.
        max_pictures: Most pictures of a request; None if the engine names no limit.
    """

    frame_tokens: float | None = None
    text_tokens: int | None = None
    max_pictures: int | None = None


def choose_side(request: AnalysisRequest, video: VideoInfo, capacity: RequestCapacity, settled: int | None) -> int:
    """Return the longer side of sent frames in pixels: as requested, else `settled`, else the largest that fits."""
    return request.side or settled or usual_side(video.width, video.height, request.frames, capacity)


def basic_layout(
    request: AnalysisRequest,
    video: VideoInfo,
    capacity: RequestCapacity,
    side: int,
    counted: TokenCounts | None,
    in_flight: Callable[[int], int],
) -> tuple[Layout, RequestCapacity]:
    """Return the layout without its parts, and the actual capacity of a request.

    Args:
        request: Request of the analysis.
        video: Metadata of the video.
        capacity: Capacity of a request by the settings.
        side: Longer side of sent frames, in pixels.
        counted: Counts of the engine; None if it reports none.
        in_flight: in_flight(tokens) returns how many requests of so many tokens the engine runs at the same time.
    """
    counted = counted or TokenCounts()
    cost = counted.frame_tokens or float(estimate_frame_tokens(video.width, video.height, side))
    capacity = replace(
        capacity, text_tokens=counted.text_tokens or capacity.text_tokens, max_pictures=counted.max_pictures
    )
    per_part = min(capacity.frames(cost), request.frames)
    tokens = int(per_part * cost) + capacity.text_tokens + capacity.answer_tokens
    is_exact = counted.frame_tokens is not None
    return Layout(side, per_part, in_flight(tokens), round(cost, 2), is_exact), capacity


def usual_side(width: int, height: int, frames: int, capacity: RequestCapacity) -> int:
    """Return the largest of SIDES at which one request holds all frames, else the smallest."""
    fitting = (side for side in SIDES if capacity.frames(estimate_frame_tokens(width, height, side)) >= frames)
    return next(fitting, SIDES[-1])


def lay_out(layout: Layout, frames: Sequence[Keyframe], *, opening: int = 0) -> Layout:
    """Return `layout` with its parts filled; no part mixes the first `opening` frames with others."""
    parts = [*split(frames[:opening], layout.per_part), *split(frames[opening:], layout.per_part)]
    return replace(layout, parts=tuple(tuple(frame.number for frame in part) for part in parts))


def group_parts(costs: Sequence[int], capacity: int) -> list[range]:
    """Group neighbouring parts to be joined by one request.

    Args:
        costs: Tokens of each part.
        capacity: Most tokens of a group.

    Returns:
        Ranges of indexes. A group has at least two parts, even beyond `capacity`, so that each round is shorter.
    """
    starts, filled = [0], 0
    for place, cost in enumerate(costs):
        if place - starts[-1] >= 2 and filled + cost > capacity:
            starts.append(place)
            filled = 0
        filled += cost
    return [range(start, end) for start, end in pairwise([*starts, len(costs)])]


def refine(layout: Layout, frames: Sequence[Keyframe], finished: Sequence[Sequence[int]], per_part: int) -> Layout:
    """Return `layout` with at most `per_part` frames in each unfinished part; finished parts are unchanged."""
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
    """Split `frames` into the fewest parts of at most `per_part` frames and nearly equal length.

    Borders move to a change of shot if that makes the lengths only slightly less equal.
    """
    number = ceil(len(frames) / per_part)
    if number < 2:
        return [frames] if frames else []
    mean = len(frames) / number

    def cost(start: int, end: int) -> float:
        within = end < len(frames) and frames[end - 1].shot == frames[end].shot
        return ((end - start - mean) / mean) ** 2 + (_WITHIN_A_SHOT if within else 0.0)

    # best[parts][end]: the least cost of splitting frames[:end] into so many parts, and the start of the last one.
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for _ in range(number):
        row: dict[int, tuple[float, int]] = {}
        for start, (partial, _) in best[-1].items():
            for end in range(start + 1, min(start + per_part, len(frames)) + 1):
                total = partial + cost(start, end)
                if total < row.get(end, (inf, 0))[0]:
                    row[end] = (total, start)
        best.append(row)
    edges = [len(frames)]
    for row in reversed(best[1:]):
        edges.append(row[edges[-1]][1])
    edges.reverse()
    return [frames[start:end] for start, end in pairwise(edges)]


def choose_opening(
    video: VideoInfo, request: AnalysisRequest, capacity: RequestCapacity, side: int | None
) -> Opening | None:
    """Return the opening to ask about early; None if all frames are sent at once."""
    if request.frames <= SURELY_ONE_PART:
        return None
    start, end = request.selection.start_seconds, request.selection.end_seconds or video.duration_seconds_from_header
    duration = (end or 0.0) - start
    if duration < _SHORTEST_VIDEO_SECONDS or request.selection.strategy not in ("auto", "uniform"):
        return None
    held = capacity.frames(estimate_frame_tokens(video.width, video.height, request.side or side or SIDES[-1]))
    if request.frames <= held:
        return None
    seconds = min(_OPENING_SHARE * duration, _LONGEST_OPENING_SECONDS)
    frames = ceil(request.frames * seconds / duration)  # no more: the rest of the video would lack them
    return Opening(seconds, min(frames, held))
