"""Domain values and events of FrameLens, from a video file to a report.

Everything here is frozen, imports only our other values, and has units in its names. All time ranges are half-open,
[start, end). All times are seconds from the first displayed frame of the video track, taken from the container's
presentation timestamps. A repr shows shapes and sizes, never pixels.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from framelens.core.corrections import Authorship, Correction, in_force
from framelens.core.evidence import Moments
from framelens.core.links import Link
from framelens.core.units import counted, rounded_time

Device = Literal["gpu", "cpu"]
"""What a local model computes on."""
Language = Literal["zh", "en"]
AnswerMode = Literal["messages", "text", "none"]
AnswerState = Literal["complete", "stopped", "failed"]
BoundaryType = Literal["cut", "dissolve", "fade", "wipe", "page"]
StretchType = Literal["black", "frozen", "flashing", "silent", "skipped"]
Reason = Literal["first", "shot", "change", "even", "last", "interval", "codec", "asked"]
Strategy = Literal["auto", "uniform", "every", "scenes", "codec", "times"]
Pace = Literal["auto", "fast", "full"]


UNKNOWN_PATH = Path("not-on-this-machine")
"""Path of the video of an imported report: a path in a foreign file must not be opened."""
_BROWSER_CONTAINERS = frozenset({"mp4", "webm"})
"""In FFmpeg's names of containers, such as "mov,mp4,m4a,3gp,3g2,mj2": those that Chromium plays."""


def _positive(owner: object, **values: float) -> None:
    for name, value in values.items():
        if value < 0:
            raise ValueError(f"{type(owner).__name__}.{name} is {value}; it cannot be negative")


UNMAPPED_RANGE = "Dolby Vision profile 5"
"""The dynamic range of videos whose colours can't be restored."""


MOST_CHANNELS = 64
"""Channels of a sound track; FFmpeg names the places of fewer."""


@dataclass(frozen=True)
class AudioTrack:
    """A sound track of a video: its channels, and the samples a second of each."""

    num_channels: int
    sample_rate: int

    def __post_init__(self) -> None:
        if not 1 <= self.num_channels <= MOST_CHANNELS:
            raise ValueError(f"num_channels is {self.num_channels}; it must be between 1 and {MOST_CHANNELS}")
        _positive(self, sample_rate=self.sample_rate)


@dataclass(frozen=True)
class VideoInfo:
    """Metadata found by the probe, which decodes a frame as a proof.

    `width` and `height` measure the displayed picture (cropped, with square pixels, rotated). It is mirrored left to
    right if `is_mirrored`, and then rotated clockwise. `start_seconds` is the container time of the first displayed
    frame; it is 0.0 on the time axis of everything else. `player_start_seconds` is when a player shows that frame:
    players count from the start of the container, where the sound may begin earlier. `has_guessed_times` is true if the
    container has no presentation times, so that times follow from the order of the frames. `timecode` is the first
    frame's, "10:00:00:00", or "" if it is missing. `audio_tracks` is empty if the tracks are missing or unknown.
    `is_interlaced` is the flag of the first frame, which may lie. `dynamic_range` names an HDR format with its colours,
    "HDR10 (PQ, BT.2020)", and is "" for SDR.
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
    has_subtitle_tracks: bool = True  # True if unknown
    player_start_seconds: float = 0.0
    has_guessed_times: bool = False
    timecode: str = ""
    is_mirrored: bool = False
    is_interlaced: bool = False
    dynamic_range: str = ""
    audio_tracks: tuple[AudioTrack, ...] = ()

    def __repr__(self) -> str:
        return f"VideoInfo({self.name!r}, {self.width}x{self.height}, {self.codec})"

    def __post_init__(self) -> None:
        _positive(self, size_bytes=self.size_bytes, width=self.width, height=self.height)

    @property
    def is_tone_mapped(self) -> bool:
        """Return whether the video is in HDR, and its pictures are mapped to SDR."""
        return self.dynamic_range not in ("", UNMAPPED_RANGE)

    def player_seconds(self, seconds: float) -> float:
        """Return when a player shows the picture at `seconds`, for files that are played with the video."""
        return max(0.0, rounded_time(seconds + self.player_start_seconds))

    @property
    def megapixels(self) -> float:
        """Return the megapixels of a picture."""
        return self.width * self.height / 1e6

    @property
    def browser_start_seconds(self) -> float:
        """Return when a browser shows the first frame.

        In the containers that Chromium plays, it counts from the container's time 0; in others as players do.
        """
        is_played = not set(self.container.split(",")).isdisjoint(_BROWSER_CONTAINERS)
        return max(0.0, self.start_seconds if is_played else self.player_start_seconds)

    @property
    def content_key(self) -> str:
        """Return a key by which a copy of the file is recognized, and which is known long before its SHA-256.

        Different videos that share it by chance are answered by the same engine, and nothing else.
        """
        shape = (self.size_bytes, self.container, self.codec, self.width, self.height)
        length = (self.duration_seconds_from_header, self.frame_rate, self.num_frames_from_header, self.start_seconds)
        return " ".join(map(str, (*shape, *length)))


@dataclass(frozen=True)
class Shot:
    """A run of frames between two boundaries, [start_seconds, end_seconds), numbered from 1."""

    number: int
    start_seconds: float
    end_seconds: float

    def __post_init__(self) -> None:
        if self.end_seconds < self.start_seconds:
            raise ValueError(f"Shot {self.number} ends at {self.end_seconds} before it starts at {self.start_seconds}")


_BEYOND, _BEYOND_DISSOLVE_SECONDS = 0.125, 0.07
"""Share of its length by which a transition exceeds its reading at each end: a reading spans shares of 0.1 to 0.9. Of a
dissolve the whole range is known, within a sample of the survey."""


@dataclass(frozen=True)
class Boundary:
    """A transition between two shots, [start_seconds, end_seconds).

    A cut has no length. A page begins with its first change, as when somebody begins to type, and is whole at the end.
    """

    start_seconds: float
    end_seconds: float
    type: BoundaryType

    @property
    def time_seconds(self) -> float:
        """Return the time of a new page's first frame, and the middle of any other transition."""
        return self.start_seconds if self.type == "page" else (self.start_seconds + self.end_seconds) / 2

    @property
    def mixed_seconds(self) -> tuple[float, float]:
        """Return start and end of the pictures that mix both shots, or a part of a page; they are equal for a cut."""
        if self.type == "page":
            return self.start_seconds, self.end_seconds
        length = self.end_seconds - self.start_seconds
        beyond = _BEYOND_DISSOLVE_SECONDS if self.type == "dissolve" else _BEYOND * length
        return self.start_seconds - beyond, self.end_seconds + beyond


@dataclass(frozen=True)
class Keyframe:
    """A chosen frame.

    Attributes:
        number: Number from 1 in time order, which the model cites.
        frame_index: 0-based position in display order.
        jpeg: The upright picture.
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
        """Return the hash of the picture in hex digits; cached, since a large picture takes a millisecond."""
        return hashlib.sha256(self.jpeg).hexdigest()


def times_of(frames: Iterable[Keyframe]) -> dict[int, float]:
    """Map frame numbers to seconds."""
    return {frame.number: frame.time_seconds for frame in frames}


@dataclass(frozen=True)
class Selection:
    """Strategy for choosing keyframes, and the range [start_seconds, end_seconds) of the video.

    "auto" looks for events; "uniform" divides the range evenly; "every" takes a frame each `every_seconds`; "scenes"
    takes the first clear frame of each shot; "codec" the codec's intra-coded frames; "times" the frames displayed at
    `times_seconds`.

    The pace is how much of the video the survey decodes: "full", or "fast" where its packets say that nothing happens
    in parts of it; "auto" is fast for a long video most of which is still. With `limit_seconds` the survey decodes what
    its packets say most of, until the time is over.
    """

    strategy: Strategy = "auto"
    every_seconds: float | None = None
    times_seconds: tuple[float, ...] = ()
    start_seconds: float = 0.0
    end_seconds: float | None = None
    pace: Pace = "auto"
    limit_seconds: float | None = None

    def __post_init__(self) -> None:
        _positive(self, start_seconds=self.start_seconds, times_seconds=min(self.times_seconds, default=0.0))
        if (self.strategy == "every") != (self.every_seconds is not None and self.every_seconds > 0):
            raise ValueError(f"strategy {self.strategy!r} does not go with every_seconds {self.every_seconds}")
        if (self.strategy == "times") != bool(self.times_seconds):
            raise ValueError(f"strategy {self.strategy!r} does not go with {len(self.times_seconds)} times")
        if self.limit_seconds is not None and not self.limit_seconds > 0:
            raise ValueError(f"the time limit {self.limit_seconds} is not above 0")
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
    """A main colour of the frame.

    Attributes:
        name: Key of the colour names in i18n.
        rgb: The colour in sRGB.
        share: Share of the picture, 0 to 1.
        place: One of the nine cells "top-left" … "bottom-right", or "all" if it is spread over the whole frame.
    """

    name: str
    rgb: tuple[int, int, int]
    share: float
    place: str


@dataclass(frozen=True)
class FrameFacts:
    """Measurements on a keyframe, without a model.

    Attributes:
        brightness: Mean luma, 0 (black) … 1 (white).
        sharpness: Variance of the Laplacian of the luma in 8-bit units, at the size that facts are measured at.
        motion: Mean absolute luma difference to the previous keyframe, 0 … 1; None for the first.
    """

    number: int
    texts: tuple[ScreenText, ...]
    colours: tuple[ColourArea, ...]
    brightness: float
    sharpness: float
    motion: float | None


@dataclass(frozen=True)
class Notice:
    """A message for the reader: an i18n key under `table` with its values. `level` orders messages."""

    key: str
    values: Mapping[str, NoticeValue] = field(default_factory=dict)
    level: Literal["info", "warning", "error"] = "warning"
    table: Literal["notice", "error", "condition"] = "notice"


NoticeValue = str | int | float | Notice


def notice_values(values: Mapping[str, object]) -> dict[str, NoticeValue]:
    """Return the values of an error as values of a notice."""
    return {name: value if isinstance(value, NoticeValue) else str(value) for name, value in values.items()}


@dataclass(frozen=True)
class Measures:
    """Measurements along the video, a value for each step of `step_seconds` from `start_seconds` on.

    All tuples have the same length.

    Attributes:
        change: Largest novelty at a moment of the step, 0 … 1, relative to what is unusual in this video.
        motion: Mean absolute luma difference per second, 0 … 1.
        brightness: Mean luma, 0 … 1.
        sharpness: Variance of the Laplacian of the luma in 8-bit units, at the size of the survey.
        colourfulness: 0 (grey) … about 1.
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
    """A segment [start_seconds, end_seconds) in which the picture is black, frozen or flashing, or the sound silent.

    There was no time to look at a "skipped" one, except at single pictures.
    """

    start_seconds: float
    end_seconds: float
    type: StretchType


@dataclass(frozen=True)
class DecodeSummary:
    """Results of the decoding pass.

    `readable_seconds` is the end of the decodable part: the end of the last frame, which is held as long as the sound
    lasts; `held_seconds` of it come after the frame's own duration. `is_deinterlaced` if a picture that was shown had
    combing, which was removed; `is_composited` if a picture had transparent parts, which are shown white.
    `decoded_share` of the packets were decoded, less than 1 after a survey at the fast pace.
    """

    frames_decoded: int
    readable_seconds: float
    is_variable_frame_rate: bool
    reader: str
    shots: tuple[Shot, ...]
    boundaries: tuple[Boundary, ...] = ()
    notices: tuple[Notice, ...] = ()
    measures: Measures | None = None
    stretches: tuple[Stretch, ...] = ()
    held_seconds: float = 0.0
    is_deinterlaced: bool = False
    is_composited: bool = False
    decoded_share: float = 1.0

    def with_silence(self, silent: Sequence[Stretch]) -> DecodeSummary:
        """Return the summary with these silent segments instead of its own."""
        others = (stretch for stretch in self.stretches if stretch.type != "silent")
        return replace(self, stretches=tuple(sorted((*others, *silent), key=lambda stretch: stretch.start_seconds)))

    def __repr__(self) -> str:
        counts = f"{counted(self.frames_decoded, 'frame')}, {counted(len(self.shots), 'shot')}"
        return f"DecodeSummary({counts}, {self.readable_seconds:.2f} s)"


@dataclass(frozen=True)
class EngineInfo:
    """The engine that answered. `sees` is None until vision has been proved or disproved."""

    kind: Literal["vllm", "transformers", "remote"]
    model: str
    base_url: str
    version: str = ""
    max_model_len: int | None = None
    sees: bool | None = None


@dataclass(frozen=True)
class Usage:
    """Tokens of requests, as counted by the engine."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.prompt_tokens + other.prompt_tokens, self.completion_tokens + other.completion_tokens)


@dataclass(frozen=True)
class Finding:
    """A sentence or line of the model's answer with the numbers of the frames that it cites.

    Attributes:
        issues: What could not be verified (keys under `unverified.` in i18n); empty if every citation holds.
        fields: Further values that the template asks for, by key: a kind of event, a place, a severity.
        person: Who wrote it instead of the model, None for the model's words.
    """

    text: str
    frames: tuple[int, ...]
    issues: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    person: Authorship | None = None


@dataclass(frozen=True)
class Subject:
    """A person or a thing that must be recognised later in the video: its name and its look."""

    name: str
    look: str


@dataclass(frozen=True)
class Chapter:
    """A chapter of the video by the model.

    `first_frame` is the number of its first keyframe; `start_seconds` and `end_seconds` are set by the app, without
    gaps. `person` says who wrote its texts instead of the model, if somebody did.
    """

    title: str
    text: str
    first_frame: int
    start_seconds: float
    end_seconds: float
    person: Authorship | None = None


@dataclass(frozen=True)
class Cue:
    """Speech or a subtitle in [start_seconds, end_seconds); `speaker` counts from 1, 0 is unknown."""

    start_seconds: float
    end_seconds: float
    text: str
    speaker: int = 0

    def __post_init__(self) -> None:
        if self.end_seconds < self.start_seconds:
            raise ValueError(f"a cue ends at {self.end_seconds} before it starts at {self.start_seconds}")


@dataclass(frozen=True)
class Transcript:
    """The cues of a video in time order.

    Attributes:
        source: "subtitles" for a track inside the file or a file next to it, "speech" for a speech model.
        label: Language or title of the track, or name of the model.
        speakers: Name of each speaker, "" where no name was given; two speakers with the same name are the same person.
        speakers_guessed: Whether their number is a guess.
    """

    source: Literal["subtitles", "speech"]
    label: str
    cues: tuple[Cue, ...]
    speakers: tuple[str, ...] = ()
    speakers_guessed: bool = False

    def with_names(self, names: Sequence[str]) -> Transcript:
        """Return the transcript with as many names as it has speakers, else unchanged."""
        return replace(self, speakers=tuple(names)) if len(names) == len(self.speakers) else self


@dataclass(frozen=True)
class SpeakerTurn:
    """A speaker, counted from 1, speaks in [start_seconds, end_seconds)."""

    start_seconds: float
    end_seconds: float
    speaker: int


@dataclass(frozen=True)
class SoundPiece:
    """Audio of [start_seconds, end_seconds) as a WAV file: 16 kHz, one channel, 16 bit.

    A shorter piece is padded with silence to one second.
    """

    start_seconds: float
    end_seconds: float
    wav: bytes = field(repr=False)


@dataclass(frozen=True)
class Spoken:
    """Transcript of a piece that ends at `end_seconds`; `num_dropped` segments were hallucinations."""

    end_seconds: float
    cues: tuple[Cue, ...]
    num_dropped: int = 0


SpeechSpans = tuple[tuple[float, float], ...]
"""Starts and ends in seconds of the speech in a recording, in time order, without overlaps."""


def speech_between(spans: SpeechSpans, start_seconds: float, end_seconds: float) -> SpeechSpans:
    """Return the part of the speech that lies in [start_seconds, end_seconds)."""
    first = bisect_right(spans, start_seconds, key=lambda span: span[1])
    last = bisect_left(spans, end_seconds, key=lambda span: span[0])
    return tuple((max(first, start_seconds), min(other, end_seconds)) for first, other in spans[first:last])


def seconds_of(spans: SpeechSpans) -> float:
    """Return the seconds of all speech."""
    return sum(end - start for start, end in spans)


Outcome = Literal["done", "incomplete", "without_model", "model_failed", "no_usable_answer"]
"""What a finished analysis is: "incomplete" if the description or the answer broke off and the rest can be used;
"without_model" if no model was to be asked; "model_failed" if one was, but has answered nothing, so that there are only
measurements; "no_usable_answer" if nothing that it wrote can be used."""
BREAKS = frozenset(("repeats", "reasoned", "cut", "empty", "broke_off"))
"""Troubles (keys under `trouble.` in i18n) that make a whole answer unusable."""


@dataclass(frozen=True)
class ChunkResult:
    """The answer to a request over a run of keyframes, with the request.

    The summary of several chunks is a ChunkResult numbered 0 without findings. A request about the whole video also
    gives `title`, `chapters` and, in reports of earlier versions on a question, `reply`.

    Attributes:
        number: Number of its first frame, which identifies and orders chunks.
        findings: Statements about single frames.
        overview: Statements about the whole run.
        subjects: Persons and things that must be recognised later.
        fallback: Why the pictures were not used, if mode is "text" although there were frames.
        troubles: Problems of the final answer (keys under `trouble.` in i18n).
        attempts: Number of attempts.
        usage: Tokens of all attempts.
        seconds: Time of all attempts.
        prompt: The text of the final request.
        key: Digest of what the answer depends on (frames, question, settings); a resumed run reuses a result only if
            its key is the same.
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
    recalled: bool = False  # a cached answer of the same model to the same request; no tokens were used
    subjects: tuple[Subject, ...] = ()
    title: str = ""
    chapters: tuple[Chapter, ...] = ()
    reply: tuple[Finding, ...] = ()
    troubles: tuple[str, ...] = ()
    attempts: int = 1
    key: str = ""

    def __repr__(self) -> str:
        counts = f"{counted(len(self.frames), 'frame')}, {counted(len(self.findings), 'finding')}"
        return f"ChunkResult({self.number}, {counts})"

    @property
    def is_chunk(self) -> bool:
        """Return whether it answers a request about frames; a summary and what merges answers don't."""
        return self.number > 0

    @property
    def settings(self) -> str:
        """Return the digest of the settings that the answer depends on; only answers with the same share a report."""
        return self.key.partition(".")[0]

    @property
    def is_broken(self) -> bool:
        """Return whether the answer repeats itself, is cut off, unfinished or empty; it then gives no headline."""
        return not BREAKS.isdisjoint(self.troubles)

    @property
    def is_unfinished(self) -> bool:
        """Return whether the engine failed within the answer, so that a resumed run asks again."""
        return "broke_off" in self.troubles

    @property
    def is_usable(self) -> bool:
        """Return whether the answer says something: a cut-off answer may, an answer that repeats itself doesn't."""
        if not self.is_broken:
            return True
        return "repeats" not in self.troubles and bool(self.findings or self.overview or self.reply or self.chapters)


@dataclass(frozen=True)
class Layout:
    """Distribution of the frames over requests.

    Attributes:
        side: Longer side of a sent frame in pixels.
        parts: Numbers of the frames of each request, in time order; at most `per_part` in each.
        in_flight: Number of concurrent requests.
        tokens_per_frame: Cost of a frame in a request.
        is_exact: Whether the engine itself has counted that cost.
    """

    side: int
    per_part: int
    in_flight: int
    tokens_per_frame: float
    is_exact: bool
    parts: tuple[tuple[int, ...], ...] = ()


MOST_FRAMES = 256
"""Limit of keyframes in an analysis."""
MOST_SPEAKERS = 26
"""Limit of people whose speech is separated; each has a letter."""


@dataclass(frozen=True)
class AnalysisRequest:
    """The user's request.

    Attributes:
        template: Key of a template.
        frames: Maximum number of keyframes.
        adapts: Choose as many of them as the length and the shots of the video suggest, and as a request holds.
        selection: How they are chosen, and from which range of the video.
        side: Longer side of sent frames in pixels; None for the setting, or, if that isn't set, for a size that fits a
            request.
        subtitles: Subtitle file to use before subtitles in the video and next to it.
        speakers: Number of people whose speech is separated, 0 to guess it; None doesn't separate them.
        describes: Describe the video even if a search answers the question.
    """

    path: Path
    frames: int = 8
    adapts: bool = field(default=False, kw_only=True)
    describes: bool = field(default=False, kw_only=True)
    template: str = "describe"
    question: str = ""
    language: Language = "en"
    use_model: bool = True
    selection: Selection = Selection()
    side: int | None = None
    subtitles: Path | None = None
    speakers: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= (self.speakers or 0) <= MOST_SPEAKERS:
            raise ValueError(f"speakers is {self.speakers}; it must be between 0 and {MOST_SPEAKERS}")
        if not 1 <= self.frames <= MOST_FRAMES:
            raise ValueError(f"frames is {self.frames}; it must be between 1 and {MOST_FRAMES}")
        if self.side is not None and self.side < 1:
            raise ValueError(f"side is {self.side}; it must be a number of pixels")


@dataclass(frozen=True)
class ReportedPicture:
    """A picture of a conversation in a report: a frame of a video, or an image of the user.

    Attributes:
        number: Number that answers cite.
        time_seconds: Time in the video; 0 for an image.
        keyframe: Number of the report's keyframe that it is; 0 for any other picture.
        video: Name of the video, if it isn't the report's video.
        name: File name of an image; "" for a frame.
        jpeg: The picture; empty for a keyframe of the report, or if it was left out.
    """

    number: int
    time_seconds: float = 0.0
    keyframe: int = 0
    video: str = ""
    name: str = ""
    jpeg: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class ReportedSearch:
    """Findings of a search for moments before an answer; `video` names the video if it isn't the report's."""

    moments: Moments
    video: str = ""


_BRIEF_TIMES = 3
"""Most times in the short form of an answer."""


@dataclass(frozen=True)
class ReportedAnswer:
    """A question of a conversation with its answer, as a report shows it.

    Attributes:
        versions: How many versions of the question there are; reports have the shown version.
        reasoning: What the model thought first; only in JSON.
        why: Why the answer was stopped or failed.
        images: Numbers of the images that the user attached.
        cited: Numbers of the pictures that the answer cites.
        unknown_frames: Numbers that it cites although no picture has them.
        own_times: Times that it names although no picture that it cites has them.
        mode: Whether pictures were sent.
        pictures: Numbers of the pictures that were sent.
        described: Numbers of the pictures that were described as measured facts in words.
        searches: What was found for it, video by video.
        settings: Settings that the question was asked with, by name.
        lines: Its lines if people have changed some of them, and nothing for the model's words.
    """

    question: str
    created: str
    answer: str
    state: AnswerState
    versions: int = 1
    reasoning: str = ""
    why: Notice | None = None
    notices: tuple[Notice, ...] = ()
    images: tuple[int, ...] = ()
    cited: tuple[int, ...] = ()
    unknown_frames: tuple[int, ...] = ()
    own_times: tuple[str, ...] = ()
    mode: AnswerMode = "none"
    pictures: tuple[int, ...] = ()
    described: tuple[int, ...] = ()
    searches: tuple[ReportedSearch, ...] = ()
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    settings: Mapping[str, str | int | float | None] = field(default_factory=dict)
    lines: tuple[Finding, ...] = ()

    @property
    def is_found(self) -> bool:
        """Return whether a search has answered it, at least in part."""
        return self.state == "complete" and any(search.moments.samples for search in self.searches)

    @property
    def is_usable(self) -> bool:
        """Return whether it says something: it is complete, or a search that was interrupted has found something."""
        is_complete = self.state == "complete" and bool(self.answer.strip() or self.lines)
        return is_complete or any(search.moments.intervals for search in self.searches)

    @property
    def brief(self) -> str:
        """Return its first line, with the times at which a search has found something; "" without a usable answer."""
        if not self.is_usable:
            return ""
        first = next((line.strip() for line in self.answer.splitlines() if line.strip()), "")
        searches = () if self.lines else self.searches
        times = [interval.times for search in searches for interval in search.moments.intervals]
        shown = [*times[:_BRIEF_TIMES], *(["…"] if len(times) > _BRIEF_TIMES else [])]
        return f"{first}{'、'.join(shown)}" if first.endswith("：") else f"{first} {', '.join(shown)}".strip()


@dataclass(frozen=True)
class ReportedConversation:
    """The shown branch of a conversation about the video of a report.

    Attributes:
        videos: Names of the other videos that it is about.
        pictures: Keyframes of the report that were sent, cited pictures and images of the user, each once.
    """

    id: str
    name: str
    created: str
    language: Language
    answers: tuple[ReportedAnswer, ...]
    videos: tuple[str, ...] = ()
    pictures: tuple[ReportedPicture, ...] = ()


@dataclass(frozen=True)
class Corrections:
    """What people changed in a report (`framelens.core.corrected_report.corrected`).

    Attributes:
        log: All of it, in the order in which it was done.
        originals: The answers of the model that were changed, as it gave them.
        title: The title of a person.
        note: A note to the reader.
        answers: The answers of the model in which lines were changed, as it gave them, in the order of the report.
        added: Statements that people added, by time.
        unmatched: Numbers of the corrections in force whose item is no longer in the report.
    """

    log: tuple[Correction, ...]
    originals: tuple[ChunkResult, ...] = ()
    title: Finding | None = None
    note: Finding | None = None
    answers: tuple[ReportedAnswer, ...] = ()
    added: tuple[Finding, ...] = ()
    unmatched: tuple[int, ...] = ()

    @property
    def lost(self) -> tuple[Correction, ...]:
        """Return the unmatched corrections, without those of a conversation, which may only be shown elsewhere."""
        return tuple(entry for entry in self.log if entry.number in self.unmatched and "." not in entry.key)

    @property
    def authors(self) -> tuple[str, ...]:
        """Return the names of those whose corrections are in force, each once; "" for somebody without a name."""
        return tuple(dict.fromkeys(entry.author for entry in in_force(self.log).values()))


@dataclass(frozen=True, repr=False)
class Analysis:
    """A finished analysis: every report is a pure function of it.

    Attributes:
        summary: Summary of the chunks.
        joins: Intermediate summaries, if there are many chunks.
        conditions: Settings that the answers depend on.
        field_names: Names of the keys of `Finding.fields`.
        answer: The conversation that began with the question of the request, with the answer to it alone; None without
            a question, and before it was asked.
        conversations: Conversations about it that a report has, the oldest first; not stored with it.
        link: Where the video was fetched from; None for any other file.
        corrections: What people changed in the report, with which all of it is in agreement; not stored with it.
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
    answer: ReportedConversation | None = None
    conversations: tuple[ReportedConversation, ...] = ()
    link: Link | None = None
    corrections: Corrections | None = None

    def __repr__(self) -> str:
        counts = f"{counted(len(self.keyframes), 'keyframe')}, {counted(len(self.findings), 'finding')}"
        return f"Analysis({self.video.name!r}, {counts}, id={self.id!r})"

    @property
    def all_conversations(self) -> tuple[ReportedConversation, ...]:
        """Return the answer to the question of the request, if any, and the conversations."""
        return (self.answer, *self.conversations) if self.answer else self.conversations

    def without_conversations(self) -> Analysis:
        """Return the analysis for a report without questions and answers."""
        return replace(self, conversations=()) if self.conversations else self

    def with_results(self, results: Sequence[ChunkResult]) -> Analysis:
        """Return the analysis with these answers, joins included, in the order of their numbers."""
        return replace(
            self,
            chunks=tuple(result for result in results if result.is_chunk),
            summary=next((result for result in results if result.number == 0), None),
            joins=tuple(result for result in results if result.number < 0),
        )

    @property
    def mode(self) -> AnswerMode:
        """Return how the frames reached a model: "messages" only if every chunk was seen as pictures."""
        modes = {chunk.mode for chunk in self.chunks}
        return "none" if not modes else "text" if "text" in modes else "messages"

    @property
    def outcome(self) -> Outcome:
        """Return what the analysis has; of several answers a single usable answer is enough for a report."""
        answer = self.question_answer
        if self.is_answered or any(request.is_usable for request in self.requests):
            is_whole = (answer is None or answer.state == "complete") and not self.description_break
            return "done" if is_whole else "incomplete"
        if self.mode == "none" and answer is None:
            return "model_failed" if self.request.use_model else "without_model"
        return "no_usable_answer"

    @property
    def is_answered(self) -> bool:
        """Return whether the question of the request has a usable answer."""
        return bool(self.question_answer and self.question_answer.is_usable)

    @property
    def question_answer(self) -> ReportedAnswer | None:
        """Return the answer to the question of the request; None if it has no answer."""
        return self.answer.answers[0] if self.answer and self.answer.answers else None

    @property
    def answered_by(self) -> str:
        """Return the model that has answered, or "" without an answer."""
        return self.engine.model if self.engine and (self.requests or self.answer) else ""

    @property
    def models(self) -> tuple[str, ...]:
        """Return the models that wrote the report and its answers."""
        answers = (answer for conversation in self.all_conversations for answer in conversation.answers)
        names = (self.answered_by, *(answer.model for answer in answers if answer.answer))
        return tuple(dict.fromkeys(filter(None, names)))

    @property
    def is_measured_only(self) -> bool:
        """Return whether no model has seen the video, so that all of the report was measured."""
        return not self.models

    @property
    def rests_on_measures(self) -> bool:
        """Return whether only what was measured can be reported: no model has seen the video, or none was usable."""
        return self.is_measured_only or self.outcome == "no_usable_answer"

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return the statements about frames, in the order of the chunks, and those that people added."""
        return (*(finding for chunk in self.chunks for finding in chunk.findings), *self.added)

    @property
    def pictured(self) -> tuple[Keyframe, ...]:
        """Return the keyframes whose picture is there: a person may have left it out, or another program."""
        return tuple(frame for frame in self.keyframes if frame.jpeg)

    @property
    def added(self) -> tuple[Finding, ...]:
        """Return the statements that people added."""
        return self.corrections.added if self.corrections else ()

    @property
    def overview(self) -> tuple[Finding, ...]:
        """Return the statements about the video as a whole."""
        return self.summary.overview if self.summary else tuple(f for chunk in self.chunks for f in chunk.overview)

    @property
    def whole(self) -> ChunkResult | None:
        """Return the answer about the whole video: the summary, or the answer of the only chunk."""
        return self.summary or (self.chunks[0] if len(self.chunks) == 1 else None)

    @property
    def title(self) -> str:
        """Return the headline, "" without one: a person's, or that of an answer that is whole."""
        if self.corrections and self.corrections.title:
            return self.corrections.title.text
        return self.whole.title if self.whole and not self.whole.is_broken else ""

    @property
    def brief(self) -> str:
        """Return what the model says in a few words: to the question, as its headline or in its first statement."""
        if self.outcome not in ("done", "incomplete"):
            return ""
        if self.question_answer and self.is_answered:
            return self.question_answer.brief
        texts = (self.title, *(finding.text for finding in (*self.overview[:1], *self.findings[:1])))
        return next((text.strip() for text in texts if text.strip()), "")

    @property
    def reply(self) -> tuple[Finding, ...]:
        """Return the answer to the question in reports of earlier versions, which a description contained."""
        return self.whole.reply if self.whole else ()

    @property
    def broken_answer(self) -> ChunkResult | None:
        """Return the broken answer about the whole video; without a summary the first, if all are broken."""
        if self.whole:
            return self.whole if self.whole.is_broken else None
        return self.chunks[0] if self.chunks and all(chunk.is_broken for chunk in self.chunks) else None

    @property
    def description_break(self) -> str:
        """Return why the description is incomplete: a key under `report.incomplete` in i18n; "" if it isn't.

        A description that wasn't begun, because a search has answered the question, lacks nothing.
        """
        if broken := self.broken_answer:
            return next(key for key in broken.troubles if key in BREAKS)
        why = self.question_answer.why if self.question_answer else None
        if any(notice.key == "incomplete" and notice.values.get("reason") != why for notice in self.notices):
            return "failed"
        answered = {chunk.number for chunk in self.chunks}
        parts = self.layout.parts if self.layout else ()
        return "stopped" if answered and any(part[0] not in answered for part in parts if part) else ""

    @property
    def requests(self) -> tuple[ChunkResult, ...]:
        """Return all requests in reading order: the chunks, the intermediate summaries, the summary."""
        joins = sorted(self.joins, key=lambda join: -join.number)
        return (*self.chunks, *joins, *((self.summary,) if self.summary else ()))

    @property
    def usage(self) -> Usage:
        """Return the tokens that this analysis used, without cached answers and searches."""
        spent = self.question_answer.usage if self.question_answer else Usage()
        return sum((request.usage for request in self.requests if not request.recalled), spent)
