"""Options of an extraction, one value from the request to the decoder worker."""

from dataclasses import dataclass

from app.core import Selection

MAX_SIDE = 1280
"""Default for the longer side of a keyframe, in pixels: as large as a model or a page makes use of."""
THUMBNAIL_SIDE = 256
"""Longer side of thumbnails in pixels, in which a person or a sign is recognised and small writing is not. Chosen by
hand; not tuned."""
_WHOLE = Selection()
_MAY_OPEN = ("auto", "uniform")
_SETTLES_SECONDS = 3.0
"""Time after which the survey has decided on everything that began: a cut, the best frame after it, a stable segment, a
dissolve. Chosen by hand; not tuned."""


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
    opening: Opening | None = None
    max_side: int = MAX_SIDE
    read_text: bool = True

    def __post_init__(self) -> None:
        if self.frames < 1 or self.max_side < 16:
            raise ValueError(f"frames is {self.frames} and max_side {self.max_side}; at least 1 and 16 are needed")
        if self.opening and (self.opening.frames > self.frames or self.selection.strategy not in _MAY_OPEN):
            strategy = self.selection.strategy
            raise ValueError(f"{self.opening} does not go with {self.frames} frames and strategy {strategy!r}")
