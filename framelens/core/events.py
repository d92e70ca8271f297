"""Events of a run: what the reader of a video and an analysis yield while they work; values are in `domain`.

`value_of` passes the events of such a generator on and returns its value.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from framelens.core.domain import (
    Analysis,
    AnswerMode,
    ChunkResult,
    DecodeSummary,
    EngineInfo,
    FrameFacts,
    Keyframe,
    Layout,
    Notice,
    ReportedConversation,
    Stretch,
    Transcript,
    VideoInfo,
)

P = TypeVar("P")
T = TypeVar("T")


def value_of(progress: Generator[P, None, T], show: Callable[[P], object] = lambda _: None) -> T:
    """Return the value of a generator, and pass what it yields to `show`. It ends in any case."""
    try:
        while True:
            show(next(progress))
    except StopIteration as end:
        value: T = end.value
        return value
    finally:
        progress.close()


# ---- events of the video stages (video.extract yields these) ---------------------------------------------------------


@dataclass(frozen=True)
class Probed:
    """The probe has read the metadata."""

    video: VideoInfo


@dataclass(frozen=True)
class SurveyProgress:
    """The decoder has reached `time_seconds` of `duration_seconds` (None if the header has no duration)."""

    time_seconds: float
    duration_seconds: float | None


@dataclass(frozen=True)
class KeyframeFound:
    """A candidate frame to show while the survey runs; the final choice comes with KeyframesChosen. Its number is 0."""

    keyframe: Keyframe


@dataclass(frozen=True)
class OpeningChosen:
    """The keyframes of the beginning, published while the rest is still being read.

    KeyframesChosen starts with the same frames; only their `shot` and `reason` may differ, when all shots are known.
    """

    keyframes: tuple[Keyframe, ...]


@dataclass(frozen=True)
class KeyframesChosen:
    """The survey has ended, with the final keyframes."""

    keyframes: tuple[Keyframe, ...]
    decode: DecodeSummary


@dataclass(frozen=True)
class FactsMeasured:
    """A keyframe has been measured."""

    facts: FrameFacts


@dataclass(frozen=True)
class SilenceMeasured:
    """The sound has been measured; `stretches` are its silent segments."""

    stretches: tuple[Stretch, ...]


@dataclass(frozen=True)
class Noticed:
    """A message for the reader has come up."""

    notice: Notice


@dataclass(frozen=True)
class HashProgress:
    """So much of a large file has been read for its SHA-256."""

    read_bytes: int
    total_bytes: int

    @property
    def percent(self) -> int:
        """Return the share that was read, 0 to 100; a file may have grown meanwhile."""
        return min(100, 100 * self.read_bytes // self.total_bytes)


VideoEvent = (
    Probed
    | SurveyProgress
    | KeyframeFound
    | OpeningChosen
    | KeyframesChosen
    | FactsMeasured
    | SilenceMeasured
    | Noticed
    | HashProgress
)

# ---- events of the analysis (analysis.pipeline.analyse yields these and the events above) ----------------------------

Stage = Literal["survey", "facts", "engine", "answer", "ask", "summary", "done"]


AnswerStep = Literal["library", "question", "thumbnails", "embeddings", "finder", "votes", "frames", "search", "words"]
"""Steps of the stage "answer": a search, or a choice of frames and the words about them."""


@dataclass(frozen=True)
class StageStarted:
    """A stage has begun; `total` is its number of steps, or None if it can't be counted."""

    stage: Stage
    total: int | None = None


@dataclass(frozen=True)
class EngineProgress:
    """A line about a starting engine: an i18n key under `engine.phase.` with its values."""

    phase: str
    values: dict[str, object] = field(default_factory=dict)


ProgressListener = Callable[[EngineProgress], None]


@dataclass(frozen=True)
class EngineReady:
    """The engine is ready and its image input has been checked."""

    engine: EngineInfo


@dataclass(frozen=True)
class FileHashed:
    """The SHA-256 of the file is known, in hex digits."""

    sha256: str


@dataclass(frozen=True)
class ModeChosen:
    """The mode of requests for a chunk; for mode "text", `reason` says why the pictures are not used."""

    chunk: int
    mode: AnswerMode
    reason: Notice | None = None


@dataclass(frozen=True)
class AnswerDelta:
    """A piece of text of chunk `chunk` (0 is the summary). The whole answer is the sum of its pieces.

    `restart` discards the earlier text of this chunk, which is requested again in another mode.
    """

    chunk: int
    text: str
    restart: bool = False


@dataclass(frozen=True)
class ChunkDone:
    """A request has been answered completely. Intermediate summaries have negative numbers."""

    result: ChunkResult


@dataclass(frozen=True)
class AnswerChanged:
    """There is more of the answer to the question of the request; `answer` is all of it.

    `looked` pictures of `total`, None if that can't be counted, were looked at in this `step`. Once it `is_over`,
    complete or not, it has its pictures, too.
    """

    answer: ReportedConversation
    step: AnswerStep = "question"
    looked: int = 0
    total: int | None = None
    is_over: bool = False


@dataclass(frozen=True)
class Planned:
    """The layout is final, or has changed because a chunk was too large for the engine."""

    layout: Layout


@dataclass(frozen=True)
class HearingProgress:
    """The sound is transcribed up to `reached_seconds` of `end_seconds`; `seconds_left` is None if unknown.

    `share_of_speakers` is how much is done, 0 to 1, once the speakers are separated.
    """

    reached_seconds: float
    end_seconds: float
    seconds_left: float | None = None
    share_of_speakers: float | None = None


@dataclass(frozen=True)
class Heard:
    """The transcript is known; None if there are no subtitles and no speech."""

    transcript: Transcript | None


@dataclass(frozen=True)
class Answered:
    """The report without what it still `lacks`, which follows before Finished."""

    analysis: Analysis
    lacks: Literal["facts", "description"] = "facts"


@dataclass(frozen=True)
class Finished:
    """The analysis is complete."""

    analysis: Analysis


AnalysisEvent = (
    VideoEvent
    | StageStarted
    | EngineProgress
    | EngineReady
    | FileHashed
    | HearingProgress
    | Heard
    | AnswerChanged
    | Planned
    | ModeChosen
    | AnswerDelta
    | ChunkDone
    | Noticed
    | Answered
    | Finished
)
