"""Options of an extraction, one value from the request to the decoder worker."""

from dataclasses import dataclass, field
from math import ceil, sqrt

from framelens.core.domain import Selection, VideoInfo

MAX_SIDE = 1280
"""Default for the longer side of a keyframe, in pixels: as large as a model or a page makes use of."""
MOST_THUMBNAILS = 720
"""Thumbnails of a video, at most: one in 2 s of 24 minutes, one in 10 s of 2 hours."""
THUMBNAIL_SIDE = 256
"""Longer side of thumbnails in pixels, in which a person or a sign is recognised and small writing is not."""
_WHOLE = Selection()
_MAY_OPEN = ("auto", "uniform")
_SETTLES_SECONDS = 3.0
"""Time after which the survey has decided on everything that began: a cut, the best frame after it, a stable segment, a
dissolve."""


_FEWEST_ADAPTED = 8
_ADAPTED_PER_ROOT, _MOST_PER_ROOT = 1.5, 4.5
"""Frames added to one for each shot, and maximum number of frames, both times the square root of the seconds: 12 and 35
for a minute, 90 and 270 for an hour."""


def most_adapted(seconds: float) -> int:
    """Return the maximum number of frames chosen automatically from a video of this length."""
    return max(_FEWEST_ADAPTED, ceil(_MOST_PER_ROOT * sqrt(max(0.0, seconds))))


def adapted_frames(seconds: float, num_shots: int, most: int) -> int:
    """Return how many frames to choose automatically: one for each shot, and more for a longer video.

    Args:
        seconds: Length of the video or range.
        num_shots: Number of its shots.
        most: Upper limit.
    """
    frames = num_shots + ceil(_ADAPTED_PER_ROOT * sqrt(max(0.0, seconds)))
    return min(most, most_adapted(seconds), max(_FEWEST_ADAPTED, frames))


@dataclass(frozen=True)
class Opening:
    """First `seconds` of the range, of which at most `frames` keyframes are chosen as soon as they were read."""

    seconds: float
    frames: int

    def __post_init__(self) -> None:
        if not self.seconds > 0 or self.frames < 1:
            raise ValueError(f"an opening of {self.seconds} s with {self.frames} frames; more than 0 and 1 are needed")

    @property
    def settled_seconds(self) -> float:
        """Return the time in seconds at which everything in the opening has been decided."""
        return self.seconds + _SETTLES_SECONDS


@dataclass(frozen=True)
class ExtractOptions:
    """Options of an extraction.

    Attributes:
        frames: Keyframes to choose, at most.
        adapts: Choose as many of them as the length and the shots suggest; for the strategy "auto".
        selection: How they are chosen, and from which range. Frames and times count from the start of the video all the
            same.
        opening: For the strategies "auto" and "uniform": yield the keyframes of the opening in an OpeningChosen while
            the rest is still being read, unless the video ends before or shows nothing there. They count among the
            `frames`.
        max_side: The longer side of the JPEGs, in pixels, at most.
        read_text: Read the text on the screen.

    Raises:
        ValueError: The options contradict each other.
    """

    frames: int
    selection: Selection = _WHOLE
    adapts: bool = field(default=False, kw_only=True)
    opening: Opening | None = None
    max_side: int = MAX_SIDE
    read_text: bool = True

    def most_of(self, video: VideoInfo) -> int:
        """Return the maximum number of frames chosen from a video or range."""
        seconds = video.duration_seconds_from_header
        return min(self.frames, most_adapted(seconds)) if self.adapts and seconds else self.frames

    def __post_init__(self) -> None:
        if self.frames < 1 or self.max_side < 16:
            raise ValueError(f"frames is {self.frames} and max_side {self.max_side}; at least 1 and 16 are needed")
        if self.opening and (self.opening.frames > self.frames or self.selection.strategy not in _MAY_OPEN):
            strategy = self.selection.strategy
            raise ValueError(f"{self.opening} does not go with {self.frames} frames and strategy {strategy!r}")
