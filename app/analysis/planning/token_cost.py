"""Token cost of frames, counted by the engine if it can, and the layout of requests that follows from it.

LangChain is imported only where an engine is connected, which has imported it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

from app.analysis.planning import plan
from app.analysis.planning.plan import RequestCapacity, TokenCounts
from app.core import AnalysisRequest, AppError, Keyframe, Language, Layout, VideoInfo

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from app.analysis.requests.engine_connection import EngineConnection
    from app.analysis.requests.engine_connector import EngineConnector


def base_layout(
    connection: EngineConnection, request: AnalysisRequest, video: VideoInfo, words: Sequence[str]
) -> Layout:
    """Return the layout without its parts.

    Args:
        connection: Engine that counts.
        request: Request of the analysis.
        video: Metadata of the video.
        words: System message and longest question.
    """
    capacity = RequestCapacity(connection.max_model_len, connection.answer_tokens)
    side = plan.choose_side(request, video, capacity, connection.side)
    counted = _counted(connection, video, side, words, request.language)
    return plan.basic_layout(request, video, capacity, side, counted, connection.in_flight)[0]


class TokenCostMeter:
    """Layout before a run, measured by the engine if it is connected; each count is cached."""

    def __init__(self, connector: EngineConnector) -> None:
        self._connector = connector
        self._connection: EngineConnection | None = None
        self._counted: dict[object, TokenCounts | None] = {}
        self._in_flight: dict[int, int] = {}
        self._lock = threading.Lock()

    def __call__(
        self, request: AnalysisRequest, video: VideoInfo, words: tuple[str, str]
    ) -> tuple[Layout, RequestCapacity] | None:
        """Return the layout without its parts and the capacity of a request; None if no engine is available."""
        with self._lock:
            if (connection := self._connector.current()) is None:
                return None
            if self._connection is None or self._connection.chat is not connection.chat:
                self._connection, self._counted, self._in_flight = connection, {}, {}
            capacity = RequestCapacity(connection.max_model_len, connection.answer_tokens)
            side = plan.choose_side(request, video, capacity, connection.side)
            asked = (video.width, video.height, side, words, request.language)
            if asked not in self._counted:
                self._counted[asked] = _counted(connection, video, side, words, request.language)
            return plan.basic_layout(request, video, capacity, side, self._counted[asked], self._in_flight_of)

    def _in_flight_of(self, tokens: int) -> int:
        assert self._connection
        if tokens not in self._in_flight:
            self._in_flight[tokens] = self._connection.in_flight(tokens)
        return self._in_flight[tokens]


def _counted(
    connection: EngineConnection, video: VideoInfo, side: int, words: Sequence[str], language: Language
) -> TokenCounts | None:
    """Let the engine count blank frames of the video's shape; return None if it reports nothing."""
    if connection.sight.sees is False:
        return None
    from app.llm.error_mapping import TooManyPictures

    system, question = words

    def count(frames: int) -> int | None:
        pictures = [_blank(video, side, number) for number in range(1, frames + 1)]
        counted = connection.count(_messages(pictures, question, system, language, side))
        return counted.count if counted else None

    limit = None
    try:
        one = count(1)
        try:
            three = count(3)
        except TooManyPictures as too_many:
            three, limit = None, too_many.limit
    except AppError:  # the request itself will report what is wrong
        return None
    if one is None or three is None:
        return None if limit is None else TokenCounts(max_pictures=limit)
    cost = (three - one) / 2
    return TokenCounts(cost, round(one - cost))


def _messages(
    frames: Sequence[Keyframe], question: str, system: str, language: Language, side: int
) -> list[BaseMessage]:
    from app.llm import messages

    url = partial(messages.data_url, side=side)
    return messages.with_pictures(frames, question, system=system, language=language, url=url)


def _blank(video: VideoInfo, side: int, number: int) -> Keyframe:
    """Build a frame of the video's shape with the longest possible mark."""
    from PIL import Image

    scale = min(1.0, side / max(video.width, video.height, 1))
    width, height = max(1, round(video.width * scale)), max(1, round(video.height * scale))
    buffer = BytesIO()
    Image.new("RGB", (width, height), (60 + number, 90, 120)).save(buffer, "JPEG")
    return Keyframe(200 + number, number, 35_999.0 + number, "even", 1, width, height, buffer.getvalue())
