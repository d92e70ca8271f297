"""The values and events that travel through FrameLens, from a video file to a report.

Everything here is frozen, imports nothing of ours, and names its units. All time ranges are half-open,
[start, end). All times are seconds counted from the first displayed frame of the video track, taken from the
container's presentation timestamps. A repr shows shapes and sizes, never pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

Language = Literal["zh", "en"]
AnswerMode = Literal["messages", "text", "none"]
BoundaryType = Literal["cut", "dissolve", "fade", "wipe"]
StretchType = Literal["black", "frozen", "flashing"]
Reason = Literal["first", "shot", "change", "even", "last", "interval", "codec", "asked"]
Strategy = Literal["auto", "uniform", "every", "scenes", "codec", "times"]


NOWHERE = Path("not-on-this-machine")
"""The path of a video of which only a report is here: what a file from elsewhere names must not be opened."""


def _positive(owner: object, **values: float) -> None:
    for name, value in values.items():
        if value < 0:
            raise ValueError(f"{type(owner).__name__}.{name} is {value}; it cannot be negative")


def clock(seconds: float) -> str:
    """A time as people read it: "mm:ss.mmm", or "h:mm:ss.mmm" from an hour on, rounded to the millisecond."""
    total, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(total, 60)
    hours, minute = divmod(minutes, 60)
    tail = f"{minute:02d}:{second:02d}.{milliseconds:03d}"
    return f"{hours}:{tail}" if hours else tail


@dataclass(frozen=True)
class VideoInfo:
    """What the probe found, proved by decoding one frame.

    `width` and `height` are those of the picture as shown (rotation and sample aspect ratio applied).
    `start_seconds` is the container time of the first displayed frame; it is 0.0 on the time axis of everything else.
    """

    path: Path
    name: str
    size_bytes: int
    container: str
    codec: str
    pixel_format: str
    width: int
    height: int
    rotation_degrees: int
    duration_seconds_from_header: float | None
    frame_rate: float | None
    num_frames_from_header: int | None
    start_seconds: float
    has_audio: bool
    has_subtitle_tracks: bool = True  # where nobody has looked there may be some

    def __post_init__(self) -> None:
        _positive(self, size_bytes=self.size_bytes, width=self.width, height=self.height)


@dataclass(frozen=True)
class Shot:
    """A run of frames between two cuts: [start_seconds, end_seconds), numbered from 1."""

    number: int
    start_seconds: float
    end_seconds: float

    def __post_init__(self) -> None:
        if self.end_seconds < self.start_seconds:
            raise ValueError(f"Shot {self.number} ends at {self.end_seconds} before it starts at {self.start_seconds}")


@dataclass(frozen=True)
class Boundary:
    """Where one shot becomes the next: the transition fills [start_seconds, end_seconds); a cut has no length.

    A cut stands at the time of the first frame of the new shot.
    """

    start_seconds: float
    end_seconds: float
    type: BoundaryType


@dataclass(frozen=True)
class Keyframe:
    """One chosen frame. `number` counts from 1 in time order and is what the model cites.

    `frame_index` is the frame's 0-based place in display order; `jpeg` holds the picture, turned upright.
    """

    number: int
    frame_index: int
    time_seconds: float
    reason: Reason
    shot: int
    width: int
    height: int
    jpeg: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _positive(self, number=self.number, frame_index=self.frame_index, time_seconds=self.time_seconds)

    @cached_property
    def jpeg_sha256(self) -> str:
        """In hex digits; worked out once, since a large picture takes a millisecond."""
        return hashlib.sha256(self.jpeg).hexdigest()

    def numbered(self, number: int) -> Keyframe:
        return replace(self, number=number)


@dataclass(frozen=True)
class Selection:
    """How keyframes are chosen, and from which range [start_seconds, end_seconds) of the video.

    "auto" looks for what happens; "uniform" divides the range evenly; "every" takes a frame each `every_seconds`;
    "scenes" the first frame of each shot; "codec" the frames the codec stored whole; "times" those on show at
    `times_seconds`.
    """

    strategy: Strategy = "auto"
    every_seconds: float | None = None
    times_seconds: tuple[float, ...] = ()
    start_seconds: float = 0.0
    end_seconds: float | None = None

    def __post_init__(self) -> None:
        _positive(self, start_seconds=self.start_seconds, times_seconds=min(self.times_seconds, default=0.0))
        if (self.strategy == "every") != (self.every_seconds is not None and self.every_seconds > 0):
            raise ValueError(f"strategy {self.strategy!r} does not go with every_seconds {self.every_seconds}")
        if (self.strategy == "times") != bool(self.times_seconds):
            raise ValueError(f"strategy {self.strategy!r} does not go with {len(self.times_seconds)} times")
        if self.end_seconds is not None and self.end_seconds <= self.start_seconds:
            raise ValueError(f"the range ends at {self.end_seconds}, not after its start {self.start_seconds}")


@dataclass(frozen=True)
class ScreenText:
    """A line of text read from the picture. `box` is (left, top, right, bottom) as fractions of the frame, 0..1."""

    text: str
    confidence: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class ColourArea:
    """A main colour of the frame: its name (a key of the colour names in i18n), sRGB, share of the picture, and place.

    `place` is one of the nine cells "top-left" … "bottom-right", or "all" where it is spread over the whole frame.
    """

    name: str
    rgb: tuple[int, int, int]
    share: float
    place: str


@dataclass(frozen=True)
class FrameFacts:
    """What was measured on one keyframe, without a model.

    brightness: mean luma, 0 (black) … 1 (white). sharpness: variance of the Laplacian of the luma in 8-bit units,
    at the size that facts are measured at. motion: mean absolute luma difference to the keyframe before, 0 … 1,
    None for the first.
    """

    number: int
    texts: tuple[ScreenText, ...]
    colours: tuple[ColourArea, ...]
    brightness: float
    sharpness: float
    motion: float | None


@dataclass(frozen=True)
class Notice:
    """Something the reader must be told: an i18n key under `table` with its values. `level` orders them."""

    key: str
    values: Mapping[str, NoticeValue] = field(default_factory=dict)
    level: Literal["info", "warning", "error"] = "warning"
    table: Literal["notice", "error"] = "notice"


NoticeValue = str | int | float | Notice


@dataclass(frozen=True)
class Measures:
    """What was measured along the video, a value for each step of `step_seconds` from `start_seconds` on.

    All tuples have the same length.
    change: the most that arrived anew at once in the step, 0 … 1 of what is unusual in this video. motion: mean
    absolute luma difference a second, 0 … 1. brightness: mean luma, 0 … 1. sharpness: variance of the Laplacian of the
    luma in 8-bit units, at the size that the survey looks at. colourfulness: 0 (grey) … about 1.
    """

    step_seconds: float
    change: tuple[float, ...]
    motion: tuple[float, ...]
    brightness: tuple[float, ...]
    sharpness: tuple[float, ...]
    colourfulness: tuple[float, ...]
    start_seconds: float = 0.0


@dataclass(frozen=True)
class Stretch:
    """[start_seconds, end_seconds) in which the picture is black, does not move at all, or flashes."""

    start_seconds: float
    end_seconds: float
    type: StretchType


@dataclass(frozen=True)
class DecodeSummary:
    """What the decoding pass really read. `readable_seconds` is the end of the last frame that could be decoded."""

    frames_decoded: int
    readable_seconds: float
    is_variable_frame_rate: bool
    reader: str
    shots: tuple[Shot, ...]
    boundaries: tuple[Boundary, ...] = ()
    notices: tuple[Notice, ...] = ()
    measures: Measures | None = None
    stretches: tuple[Stretch, ...] = ()


@dataclass(frozen=True)
class EngineInfo:
    """The engine that answered. `sees` is None until it has been proven one way or the other."""

    kind: Literal["vllm", "transformers", "remote"]
    model: str
    base_url: str
    version: str = ""
    max_model_len: int | None = None
    sees: bool | None = None


@dataclass(frozen=True)
class Usage:
    """Tokens of one or more requests, as counted by the engine."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.prompt_tokens + other.prompt_tokens, self.completion_tokens + other.completion_tokens)


@dataclass(frozen=True)
class Finding:
    """One sentence or line of the model's answer with the numbers of the frames it rests on.

    `issues` names what could not be verified (keys under `unverified.` in i18n); empty means every citation holds.
    `fields` are what the template asks for beside the text, by the field's key: a kind of event, a place, a severity.
    """

    text: str
    frames: tuple[int, ...]
    issues: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """A person or a thing that must be known again later in the video: what it is called, and how it looks."""

    name: str
    look: str


@dataclass(frozen=True)
class Chapter:
    """A part of the video as the model divides it. `first_frame` is the number of the keyframe it begins with; the app
    puts in `start_seconds` and `end_seconds`, which follow one another without a gap.
    """

    title: str
    text: str
    first_frame: int
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Cue:
    """What is said, or written as a subtitle, in [start_seconds, end_seconds)."""

    start_seconds: float
    end_seconds: float
    text: str

    def __post_init__(self) -> None:
        if self.end_seconds < self.start_seconds:
            raise ValueError(f"a cue ends at {self.end_seconds} before it starts at {self.start_seconds}")


@dataclass(frozen=True)
class Transcript:
    """The cues of a video in time order. "subtitles" are a track inside the file or a file beside it, "speech" was
    heard by a model. `label` is the track's language or title, or the model's name.
    """

    source: Literal["subtitles", "speech"]
    label: str
    cues: tuple[Cue, ...]


@dataclass(frozen=True)
class SoundPiece:
    """The sound of [start_seconds, end_seconds) as a WAV file: 16 kHz, one channel, 16 bit. Of a short piece the file
    goes on in silence up to a second.
    """

    start_seconds: float
    end_seconds: float
    wav: bytes = field(repr=False)


BREAKS = frozenset(("repeats", "cut", "empty"))
"""Troubles (keys under `trouble.` in i18n) with which an answer is not usable as a whole."""


@dataclass(frozen=True)
class ChunkResult:
    """The answer to one request over a run of keyframes, complete with how it was asked.

    `findings` are about single frames, `overview` is about the whole run. The summary of several chunks is a
    ChunkResult numbered 0 without findings. `subjects` are who and what must be known again. A request about the whole
    video also gives `title`, `chapters` and, where a question was asked, `reply`.
    `fallback` is the Notice that says why pictures were not seen, when mode is "text" although frames were there.
    `troubles` names what was wrong with the answer to the end (keys under `trouble.` in i18n); `attempts` counts how
    often it was asked. `usage` and `seconds` are those of all attempts; `prompt` is what this answer was given to, in
    words.
    `number` is that of its first frame, by which parts are told apart and ordered. `key` is a digest of what the answer
    rests on (frames, question, settings): a result is taken over into a resumed run only where that is the same.
    """

    number: int
    frames: tuple[int, ...]
    mode: AnswerMode
    answer: str
    findings: tuple[Finding, ...]
    overview: tuple[Finding, ...]
    prompt: str
    finish_reason: str
    usage: Usage
    seconds: float
    fallback: Notice | None = None
    recalled: bool = False  # the same model gave this answer to the same request before; no token was spent now
    subjects: tuple[Subject, ...] = ()
    title: str = ""
    chapters: tuple[Chapter, ...] = ()
    reply: tuple[Finding, ...] = ()
    troubles: tuple[str, ...] = ()
    attempts: int = 1
    key: str = ""

    @property
    def is_broken(self) -> bool:
        """Whether it repeats itself, was cut off, or is empty: no headline is taken from it."""
        return not BREAKS.isdisjoint(self.troubles)


@dataclass(frozen=True)
class Layout:
    """How the frames are laid out over requests. `side`: the longer side of a sent frame in pixels. `parts`: the
    numbers of the frames of each request, in time order; `per_part` at most in each. `in_flight`: requests at the same
    time.
    `tokens_per_frame` is what one frame costs in a request; `is_exact` where the engine itself has counted that.
    """

    side: int
    per_part: int
    in_flight: int
    tokens_per_frame: float
    is_exact: bool
    parts: tuple[tuple[int, ...], ...] = ()


MOST_FRAMES = 256
"""The most keyframes of one analysis."""


@dataclass(frozen=True)
class AnalysisRequest:
    """What the user asked for. `template` is a key of a template; `frames` is the budget, and
    `selection` says how it is spent and on which range of the video. `side` is the longer side of sent frames in
    pixels; None leaves it to the settings, and where they are silent to what fits one request.
    """

    path: Path
    frames: int = 8
    template: str = "describe"
    question: str = ""
    language: Language = "en"
    use_model: bool = True
    selection: Selection = Selection()
    side: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.frames <= MOST_FRAMES:
            raise ValueError(f"frames is {self.frames}; it must be between 1 and {MOST_FRAMES}")
        if self.side is not None and self.side < 1:
            raise ValueError(f"side is {self.side}; it must be a number of pixels")


@dataclass(frozen=True)
class Analysis:
    """A finished analysis: the source of truth from which every report is a pure function.

    `summary` joins the parts; `joins` are the steps on the way to it where there are many. `conditions` are the
    settings that the answers depend on, and `field_names` what the keys of `Finding.fields` are called.
    """

    id: str
    created: str
    request: AnalysisRequest
    video: VideoInfo
    sha256: str
    decode: DecodeSummary
    keyframes: tuple[Keyframe, ...]
    facts: tuple[FrameFacts, ...]
    chunks: tuple[ChunkResult, ...]
    summary: ChunkResult | None
    engine: EngineInfo | None
    notices: tuple[Notice, ...]
    seconds_by_stage: dict[str, float]
    app_version: str
    layout: Layout | None = None
    joins: tuple[ChunkResult, ...] = ()
    transcript: Transcript | None = None
    conditions: Mapping[str, str] = field(default_factory=dict)
    field_names: Mapping[str, str] = field(default_factory=dict)

    @property
    def mode(self) -> AnswerMode:
        """How the frames reached a model: "messages" only if every chunk was seen as pictures."""
        modes = {chunk.mode for chunk in self.chunks}
        return "none" if not modes else "text" if "text" in modes else "messages"

    @property
    def answered_by(self) -> str:
        """The model that has answered; "" where none has."""
        return self.engine.model if self.engine and self.requests else ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is said of the frames, in the order of the parts."""
        return tuple(finding for chunk in self.chunks for finding in chunk.findings)

    @property
    def overview(self) -> tuple[Finding, ...]:
        """What is said of the video as a whole."""
        return self.summary.overview if self.summary else tuple(f for chunk in self.chunks for f in chunk.overview)

    @property
    def whole(self) -> ChunkResult | None:
        """The answer that is about the whole video: the summary, or that to the only part."""
        return self.summary or (self.chunks[0] if len(self.chunks) == 1 else None)

    @property
    def title(self) -> str:
        """The headline by the model; "" where it gave none, or where its answer repeats itself or was cut off."""
        return self.whole.title if self.whole and not self.whole.is_broken else ""

    @property
    def reply(self) -> tuple[Finding, ...]:
        """The answer to the question."""
        return self.whole.reply if self.whole else ()

    @property
    def broken_answer(self) -> ChunkResult | None:
        """The answer about the whole video where it is not usable; of parts without a summary the first, if none is."""
        if self.whole:
            return self.whole if self.whole.is_broken else None
        return self.chunks[0] if self.chunks and all(chunk.is_broken for chunk in self.chunks) else None

    @property
    def requests(self) -> tuple[ChunkResult, ...]:
        """All requests in the order in which one reads of them: the parts, the joins on the way, the summary."""
        joins = sorted(self.joins, key=lambda join: -join.number)
        return (*self.chunks, *joins, *((self.summary,) if self.summary else ()))

    @property
    def usage(self) -> Usage:
        """What this analysis cost; recalled answers cost nothing."""
        return sum((one.usage for one in self.requests if not one.recalled), Usage())


# ---- events of the video stages (video.extract yields these) ---------------------------------------------------------


@dataclass(frozen=True)
class Probed:
    video: VideoInfo


@dataclass(frozen=True)
class SurveyProgress:
    """The decoder has reached `time_seconds` of `duration_seconds` (None where the header does not tell)."""

    time_seconds: float
    duration_seconds: float | None


@dataclass(frozen=True)
class KeyframeFound:
    """A frame worth showing while the survey runs; the final choice comes with KeyframesChosen. Its number is 0."""

    keyframe: Keyframe


@dataclass(frozen=True)
class OpeningChosen:
    """The keyframes of the beginning, told while the rest is still being read: KeyframesChosen begins with these very
    frames. Only their `shot` and `reason` may be told otherwise then, when all shots are known.
    """

    keyframes: tuple[Keyframe, ...]


@dataclass(frozen=True)
class KeyframesChosen:
    keyframes: tuple[Keyframe, ...]
    decode: DecodeSummary


@dataclass(frozen=True)
class FactsMeasured:
    facts: FrameFacts


@dataclass(frozen=True)
class Noticed:
    notice: Notice


VideoEvent = Probed | SurveyProgress | KeyframeFound | OpeningChosen | KeyframesChosen | FactsMeasured | Noticed

# ---- events of the analysis (analysis.run.analyse yields these beside the ones above) --------------------------------

Stage = Literal["survey", "facts", "engine", "ask", "summary", "done"]


@dataclass(frozen=True)
class StageStarted:
    """A stage begins; `total` is its number of steps, or None where it cannot be counted."""

    stage: Stage
    total: int | None = None


@dataclass(frozen=True)
class EngineProgress:
    """One line about a starting engine: an i18n key under `engine.phase.` with its values."""

    phase: str
    values: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ModeChosen:
    """How chunk `chunk` is asked. For mode "text", `reason` says why the pictures are not used."""

    chunk: int
    mode: AnswerMode
    reason: Notice | None = None


@dataclass(frozen=True)
class AnswerDelta:
    """A piece of text of chunk `chunk` (0 is the summary). The whole answer is the sum of its pieces.

    `restart` true means what was shown of this chunk so far is void (it is being asked again in another mode).
    """

    chunk: int
    text: str
    restart: bool = False


@dataclass(frozen=True)
class ChunkDone:
    """A request is answered to the end. Joins on the way to the summary have numbers below 0."""

    result: ChunkResult


@dataclass(frozen=True)
class Planned:
    """The layout is settled, or settled anew because a part was too much for the engine."""

    layout: Layout


@dataclass(frozen=True)
class Heard:
    """What is said in the video, once it is known; None where there is nothing to read or to hear."""

    transcript: Transcript | None


@dataclass(frozen=True)
class Answered:
    """The report with everything but facts that are still being measured; Finished comes when all of them are there."""

    analysis: Analysis


@dataclass(frozen=True)
class Finished:
    analysis: Analysis


AnalysisEvent = (
    VideoEvent
    | StageStarted
    | EngineProgress
    | Heard
    | Planned
    | ModeChosen
    | AnswerDelta
    | ChunkDone
    | Noticed
    | Answered
    | Finished
)
