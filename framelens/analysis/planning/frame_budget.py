"""Frame budget: how many frames are chosen, how many of them a request to the model holds, and how large they are.

The user gives a number, or one of two markers: as many as suit the video, or as many as one request holds. The first is
`framelens.video.keyframes.options.adapted_frames`, which the decoder asks once it has counted the shots, within the
limit that `sized` sets. The second follows from the context of the engine and the tokens of a frame.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil

from framelens.core.domain import MOST_FRAMES, AnalysisRequest, Keyframe, Strategy, VideoInfo
from framelens.core.errors import ConfigError
from framelens.llm.token_estimate import estimate_frame_tokens
from framelens.video.keyframes.options import most_adapted

FIT, AUTO = 0, -1
"""Markers for as many frames as a request to the model holds, and for as many as suit the video."""
KEYFRAMES = 16
"""Default number of frames without a model."""
SIDES = (896, 640, 448)
"""Longer sides of sent frames in pixels. 896 keeps small writing readable; at 448 a frame of 16:9 costs about 150
tokens."""
DEFAULT_CONTEXT = 8192
"""Tokens, for an engine that doesn't report its limit."""
SURELY_ONE_PART = 8
"""Number of frames that always fit a single request, so that the video needn't be probed for an opening."""
_TEXT_TOKENS = 900
"""System message, question, form and context of earlier parts: measured 500 to 900."""
_SECONDS_A_REQUEST = 300.0
"""Length of video for which an automatic number of frames fills a request."""

# ---- the number that is wanted


def parse_frames(text: str) -> int:
    """Parse a number of frames, 1 to 256, "auto" as AUTO, or "fit" as FIT.

    Raises:
        ConfigError: The text is anything else.
    """
    if text in ("auto", "fit"):
        return AUTO if text == "auto" else FIT
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= MOST_FRAMES:
        raise ConfigError("frames_wrong", given=text, most=MOST_FRAMES)
    return number


def frame_limit(frames: int | None, strategy: Strategy, usual: int, fit: Callable[[], int]) -> tuple[int, bool]:
    """Return the maximum number of frames, and whether only as many of them are chosen as suit the video.

    Args:
        frames: The given number, FIT, AUTO, or None for the default.
        strategy: The chosen strategy.
        usual: Default number, for strategies that don't set the number themselves; AUTO or a number.
        fit: Returns the number for FIT.
    """
    if frames is None:
        frames = usual if is_budgeted(strategy) else MOST_FRAMES
    if frames == AUTO:
        return MOST_FRAMES, is_budgeted(strategy)
    return (fit() if frames == FIT else frames), False


def is_budgeted(strategy: Strategy) -> bool:
    """Return True if the strategy uses its whole budget of frames; for others the number is an upper limit."""
    return strategy in ("auto", "uniform")


# ---- the number that fits


@dataclass(frozen=True)
class RequestCapacity:
    """Capacity of a request.

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
        """Return the tokens left for frames after text and answer; at least a tenth of the context."""
        context = self.max_model_len or DEFAULT_CONTEXT
        return max(context - min(self.answer_tokens, context // 4) - min(self.text_tokens, context // 3), context // 10)

    def frames(self, tokens_per_frame: float) -> int:
        """Return how many frames of this cost fit; at least one."""
        held = int(self.for_frames // max(tokens_per_frame, 1.0))
        return max(1, min(held, self.max_pictures or held))


def held_frames(request: AnalysisRequest, video: VideoInfo, capacity: RequestCapacity, side: int | None) -> int:
    """Estimate how many frames a request holds, at the smallest size if no size is set."""
    return capacity.frames(estimate_frame_tokens(video.width, video.height, request.side or side or SIDES[-1]))


def sized(request: AnalysisRequest, video: VideoInfo, capacity: RequestCapacity, side: int | None) -> AnalysisRequest:
    """Return the request with the most frames that its automatic number may reach; any other request is unchanged.

    The limit suits the length of the range; with a model, it is also at most one full request for each five minutes.
    """
    if not request.adapts:
        return request
    seconds = range_seconds(request, video)
    most = min(request.frames, most_adapted(seconds))
    if request.use_model:
        held = held_frames(request, video, capacity, side)
        most = min(most, held * max(1, ceil(seconds / _SECONDS_A_REQUEST)))
    return replace(request, frames=most)


def range_seconds(request: AnalysisRequest, video: VideoInfo) -> float:
    """Return the length of the requested range; 0 if the header lacks the duration."""
    duration, end = video.duration_seconds_from_header, request.selection.end_seconds
    last = min(seconds for seconds in (duration, end) if seconds is not None) if duration or end else 0.0
    return max(0.0, last - request.selection.start_seconds)


def choose_side(request: AnalysisRequest, video: VideoInfo, capacity: RequestCapacity, settled: int | None) -> int:
    """Return the longer side of sent frames in pixels: as requested, else `settled`, else the largest that fits."""
    frames = sized(request, video, capacity, settled).frames
    return request.side or settled or usual_side(video.width, video.height, frames, capacity)


def usual_side(width: int, height: int, frames: int, capacity: RequestCapacity) -> int:
    """Return the largest of SIDES at which a request holds all frames, else the smallest."""
    costs = ((side, estimate_frame_tokens(width, height, side)) for side in SIDES)
    fitting = (side for side, cost in costs if cost <= capacity.for_frames and capacity.frames(cost) >= frames)
    return next(fitting, SIDES[-1])


def frames_and_side(video: VideoInfo, capacity: RequestCapacity) -> tuple[int, int]:
    """Return how many frames of a video suit it and a request, and the longer side in pixels for that many."""
    size = video.width, video.height
    most = min(MOST_FRAMES, most_adapted(video.duration_seconds_from_header or 0.0))
    frames = min(most, capacity.frames(estimate_frame_tokens(*size, SIDES[-1])))
    return frames, usual_side(*size, frames, capacity)


def smaller_side(frame: Keyframe, side: int) -> int | None:
    """Return the largest of SIDES that makes a frame smaller than `side` does, None if no side does."""
    return next((smaller for smaller in SIDES if smaller < min(side, max(frame.width, frame.height))), None)
