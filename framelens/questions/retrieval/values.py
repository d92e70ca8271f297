"""Values of the choice of frames for a question, and the event of its progress."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from framelens.core.events import AnswerStep

Kind = Literal["global", "local", "when", "count", "exists", "read", "spoken"]
SEARCHED: tuple[Kind, ...] = ("when", "count", "exists")
"""Kinds that a search for moments answers."""
ScoreName = Literal["text", "embeddings", "votes"]
Outcome = Literal["chosen", "range", "global", "dense", "flat", "unseen", "no_video"]


class PictureEmbedder(Protocol):
    """Model that gives texts and pictures of similar meaning nearby vectors."""

    def of_parts(
        self, parts: Sequence[Mapping[str, object]], *, seconds: float, cancel: threading.Event | None = None
    ) -> list[list[float] | None]:
        """Compute a vector for each part of a chat message, text or picture.

        Args:
            parts: Content parts, such as `{"type": "image_url", …}`.
            seconds: Time limit; parts without an answer by then get None.
            cancel: Ends the requests within 0.1 s of being set.

        Raises:
            AppError: The model can't be asked, or refuses, such as one of texts alone a picture.
            Cancelled: `cancel` was set.
        """


class MomentFinder(Protocol):
    """Model that was trained to say when something happens. What it names is looked at first, and voted on.

    Attributes:
        model: Its name.
    """

    model: str

    def spans(
        self, thing: str, picture: Callable[[float], bytes], start: float, end: float, *, cancel: threading.Event
    ) -> Generator[Looking, None, list[tuple[float, float]]]:
        """Yield the progress, and return the spans in seconds in which the model says that something is visible.

        Args:
            thing: What to look for.
            picture: Returns the JPEG of the frame that is shown at a time in seconds.
            start: First second.
            end: Last second.
            cancel: Ends the requests.

        Raises:
            AppError: The model can't be asked, or the video can't be read.
            Cancelled: `cancel` was set.
        """


@dataclass(frozen=True)
class Sought:
    """What a question asks for.

    Attributes:
        kind: Kind of the question.
        look_for: What must be visible in a picture that answers it, with its article and the most telling first: "a red
            card".
    """

    kind: Kind
    look_for: tuple[str, ...]


@dataclass(frozen=True)
class Quote:
    """A text of a video that matches the question, and the time in seconds that it belongs to."""

    analysis_id: str
    seconds: float
    text: str


@dataclass(frozen=True)
class FrameSelection:
    """How the frames of a question were chosen.

    Attributes:
        kind: Kind of the question.
        look_for: What was looked for.
        outcome: "chosen" by relevance; "range": densely in the range that the user named. The others are the keyframes
            of the analysis: for a "global" question, because they are as "dense" as the candidates, because all scores
            were "flat", because the model is "unseen" to take pictures, because there is "no_video" here any more.
        scores: Scores that were used.
        flat: Scores that were computed and said nothing.
        candidates: Number of candidates.
        voted: Number of them that the model voted on in its time.
        relevant: Number of frames chosen by relevance.
        seconds: Time that it took.
        quotes: Texts that match the question best, which the model is sent with it.
    """

    kind: Kind
    look_for: tuple[str, ...]
    outcome: Outcome
    scores: tuple[ScoreName, ...] = ()
    flat: tuple[ScoreName, ...] = ()
    candidates: int = 0
    voted: int = 0
    relevant: int = 0
    seconds: float = 0.0
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True)
class Looking:
    """Progress of the choice of frames: `done` of `total` in this step; a total of 0 is unknown."""

    step: AnswerStep
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class FrameCandidate:
    """A frame that may be sent with a question.

    Attributes:
        analysis_id: Analysis of its video.
        time_seconds: Decoder time.
        shot: Number of its shot.
        jpeg: Small picture, or the keyframe's picture.
        is_keyframe: Whether it is a keyframe of the analysis.
    """

    analysis_id: str
    time_seconds: float
    shot: int
    jpeg: bytes
    is_keyframe: bool


@dataclass(frozen=True)
class ChosenFrame:
    """A frame for a question; `jpeg` is its picture, b"" for a keyframe of the analysis."""

    analysis_id: str
    time_seconds: float
    jpeg: bytes
