"""How much of the beginning of a video may be handed on before the rest of it has been read.

A value alone: it loads no decoder. The choice itself is made in app.video.keyframes.extraction and
app.video.keyframes.pipeline.
"""

from __future__ import annotations

from dataclasses import dataclass

_SETTLES_SECONDS = 3.0
"""What began this long ago has been judged: a cut, the best frame after it, the state of a picture, a dissolve."""


@dataclass(frozen=True)
class Opening:
    """At most `frames` keyframes of the first `seconds` of the range are chosen as soon as those have been read."""

    seconds: float
    frames: int

    def __post_init__(self) -> None:
        if not self.seconds > 0 or self.frames < 1:
            raise ValueError(f"an opening of {self.seconds} s with {self.frames} frames; more than 0 and 1 are needed")

    @property
    def settled_seconds(self) -> float:
        """When so much has been read that all that lies in the opening is known for what it is."""
        return self.seconds + _SETTLES_SECONDS
