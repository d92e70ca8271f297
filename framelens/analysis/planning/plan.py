"""Layout of a run's requests: the size of frames, their split into chunks along the shots, and the early opening.

The run and the estimate before it use the same functions; they differ only in what they know of the engine. The token
cost of a frame is counted by the engine if it can; nothing here imports LangChain, which is loaded once an engine is
connected.

The opening of a video is asked about while the rest is still being read, but only if the frames don't fit one request:
otherwise it would cost a further request, and no part would see the whole. The decision rests on the settings alone,
before the engine is ready, so that a resumed run decides the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from itertools import pairwise
from math import ceil, inf
from typing import TYPE_CHECKING

from framelens.analysis.planning.frame_budget import SURELY_ONE_PART, RequestCapacity, choose_side, held_frames, sized
from framelens.core.domain import AnalysisRequest, Keyframe, Layout, VideoInfo
from framelens.core.errors import AppError, TooManyPictures
from framelens.core.images import fitted_size
from framelens.i18n import in_language
from framelens.llm.token_estimate import estimate_frame_tokens
from framelens.video.keyframes.options import ExtractOptions, Opening

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from framelens.analysis.requests.engine_connection import EngineConnection
    from framelens.analysis.requests.engine_connector import EngineConnector


_WITHIN_A_SHOT = 0.25
"""Cost of a border inside a shot, in squares of a part's relative deviation from the mean length."""
# The opening: its share of the video, its longest duration, and the shortest video that has an opening.
_OPENING_SHARE = 0.05
_LONGEST_OPENING_SECONDS = 60.0
_SHORTEST_VIDEO_SECONDS = 180.0


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
        counted: Counts that the engine reports, or None.
        in_flight: in_flight(tokens) returns how many requests of so many tokens the engine runs at the same time.
    """
    counted = counted or TokenCounts()
    cost = counted.frame_tokens or float(estimate_frame_tokens(video.width, video.height, side))
    capacity = replace(
        capacity, text_tokens=counted.text_tokens or capacity.text_tokens, max_pictures=counted.max_pictures
    )
    per_part = min(capacity.frames(cost), sized(request, video, capacity, side).frames)
    tokens = int(per_part * cost) + capacity.text_tokens + capacity.answer_tokens
    is_exact = counted.frame_tokens is not None
    return Layout(side, per_part, in_flight(tokens), round(cost, 2), is_exact), capacity


def lay_out(layout: Layout, frames: Sequence[Keyframe], *, opening: int = 0) -> Layout:
    """Return `layout` with its parts filled; no part mixes the first `opening` frames with others."""
    parts = [*split(frames[:opening], layout.per_part), *split(frames[opening:], layout.per_part)]
    return replace(layout, parts=tuple(tuple(frame.number for frame in part) for part in parts))


def group_parts(costs: Sequence[int], capacity: int) -> list[range]:
    """Group neighbouring parts to be joined by a request.

    Args:
        costs: Tokens of each part.
        capacity: Most tokens of a group.

    Returns:
        Ranges of indexes. A group has at least two parts, even beyond `capacity`, so that each round is shorter.
    """
    starts, filled = [0], 0
    for index, cost in enumerate(costs):
        if index - starts[-1] >= 2 and filled + cost > capacity:
            starts.append(index)
            filled = 0
        filled += cost
    return [range(start, end) for start, end in pairwise([*starts, len(costs)])]


def refine(layout: Layout, frames: Sequence[Keyframe], finished: Sequence[Sequence[int]], per_part: int) -> Layout:
    """Return `layout` with at most `per_part` frames in each unfinished part; finished parts are unchanged."""
    done = {part[0]: tuple(part) for part in finished}
    parts: list[tuple[int, ...]] = []
    run: list[Keyframe] = []
    held = {number for part in done.values() for number in part}
    for frame in frames:
        if frame.number not in held:
            run.append(frame)
        elif frame.number in done:
            parts += [tuple(picture.number for picture in part) for part in split(run, per_part)]
            parts.append(done[frame.number])
            run = []
    parts += [tuple(picture.number for picture in part) for part in split(run, per_part)]
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

    # best[parts][end]: the least cost of splitting frames[:end] into so many parts, and the start of the last part.
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for _ in range(number):
        row: dict[int, tuple[float, int]] = {}
        for start, (least, _) in best[-1].items():
            for end in range(start + 1, min(start + per_part, len(frames)) + 1):
                total = least + cost(start, end)
                if total < row.get(end, (inf, 0))[0]:
                    row[end] = (total, start)
        best.append(row)
    edges = [len(frames)]
    for row in reversed(best[1:]):
        edges.append(row[edges[-1]][1])
    edges.reverse()
    return [frames[start:end] for start, end in pairwise(edges)]


def extract_options(
    probe: Callable[[], VideoInfo], request: AnalysisRequest, capacity: RequestCapacity, side: int | None
) -> ExtractOptions:
    """Return what to extract for a request, with the opening to ask about early unless all frames are sent at once.

    Probing takes a moment, so it is done only for a request that may have an opening.
    """
    if not request.use_model or request.frames <= SURELY_ONE_PART:
        return ExtractOptions(request.frames, request.selection, adapts=request.adapts)
    video = probe()
    request = sized(request, video, capacity, side)
    opening = _opening(video, request, capacity, side)
    return ExtractOptions(request.frames, request.selection, opening, adapts=request.adapts)


def _opening(video: VideoInfo, request: AnalysisRequest, capacity: RequestCapacity, side: int | None) -> Opening | None:
    if request.frames <= SURELY_ONE_PART or request.question.strip():
        return None  # a question is answered before the description begins, and it needs all frames
    start, end = request.selection.start_seconds, request.selection.end_seconds or video.duration_seconds_from_header
    duration = (end or 0.0) - start
    if duration < _SHORTEST_VIDEO_SECONDS or request.selection.strategy not in ("auto", "uniform"):
        return None
    held = held_frames(request, video, capacity, side)
    if request.frames <= held:
        return None
    seconds = min(_OPENING_SHARE * duration, _LONGEST_OPENING_SECONDS)
    frames = ceil(request.frames * seconds / duration)  # no more: the rest of the video would lack them
    return Opening(seconds, min(frames, held))


def base_layout(
    connection: EngineConnection, request: AnalysisRequest, video: VideoInfo, texts: Sequence[str]
) -> Layout:
    """Return the layout without its parts.

    Args:
        connection: Engine that counts.
        request: Request of the analysis.
        video: Metadata of the video.
        texts: System message and longest question.
    """
    capacity = RequestCapacity(connection.max_model_len, connection.answer_tokens)
    side = choose_side(request, video, capacity, connection.side)
    counted = _count_tokens(connection, request, video, side, texts)
    return basic_layout(request, video, capacity, side, counted, connection.in_flight)[0]


class TokenCostMeter:
    """Layout before a run, measured by the engine if it is connected; each count is cached."""

    def __init__(self, connector: EngineConnector) -> None:
        self._connector = connector
        self._connection: EngineConnection | None = None
        self._counted: dict[object, TokenCounts | None] = {}
        self._in_flight: dict[int, int] = {}
        self._lock = threading.Lock()

    def __call__(
        self, request: AnalysisRequest, video: VideoInfo, texts: tuple[str, str]
    ) -> tuple[Layout, RequestCapacity] | None:
        """Return the layout without its parts and the capacity of a request; None if no engine is available."""
        with self._lock:
            if (connection := self._connector.current()) is None:
                return None
            if self._connection is None or self._connection.chat is not connection.chat:
                self._connection, self._counted, self._in_flight = connection, {}, {}
            capacity = RequestCapacity(connection.max_model_len, connection.answer_tokens)
            side = choose_side(request, video, capacity, connection.side)
            key = (video.width, video.height, side, texts, request.language)
            if key not in self._counted:
                self._counted[key] = _count_tokens(connection, request, video, side, texts)
            return basic_layout(request, video, capacity, side, self._counted[key], self._in_flight_of)

    def _in_flight_of(self, tokens: int) -> int:
        assert self._connection
        if tokens not in self._in_flight:
            self._in_flight[tokens] = self._connection.in_flight(tokens)
        return self._in_flight[tokens]


def _count_tokens(
    connection: EngineConnection, request: AnalysisRequest, video: VideoInfo, side: int, texts: Sequence[str]
) -> TokenCounts | None:
    """Let the engine count blank frames of the video's shape; return None if it reports nothing."""
    if connection.sight.needs_text:
        return None
    system, question = texts

    def count(frames: int) -> int | None:
        pictures = [_blank(video, side, number) for number in range(1, frames + 1)]
        with in_language(request.language):
            counted = connection.count(_messages(connection, pictures, question, system, side))
        return counted.count if counted else None

    limit = None
    try:
        single = count(1)
        try:
            three = count(3)
        except TooManyPictures as too_many:
            three, limit = None, too_many.limit
    except AppError:  # the request itself will report what is wrong
        return None
    if single is None or three is None:
        return None if limit is None else TokenCounts(max_pictures=limit)
    cost = (three - single) / 2
    return TokenCounts(cost, round(single - cost))


def _messages(
    connection: EngineConnection, frames: Sequence[Keyframe], question: str, system: str, side: int
) -> list[BaseMessage]:
    from framelens.llm.messages import data_url

    return connection.messages(frames, question, system=system, url=partial(data_url, side=side))


def _blank(video: VideoInfo, side: int, number: int) -> Keyframe:
    """Build a frame of the video's shape with the longest possible mark."""
    from PIL import Image

    width, height = fitted_size(video.width, video.height, side)
    buffer = BytesIO()
    Image.new("RGB", (width, height), (60 + number, 90, 120)).save(buffer, "JPEG")
    return Keyframe(200 + number, number, 35_999.0 + number, "even", 1, width, height, buffer.getvalue())
