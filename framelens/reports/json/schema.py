"""Forms of the JSON reports. The JSON Schema of the analysis is docs/reference/report.schema.json.

Texts for people (`text`, `name`, `reason_text`) are in the report's `language` and only for reading: the importer uses
keys and values. All `…_seconds` of the video count from its first frame.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from framelens.core.corrections import MOST_CORRECTIONS, Authorship, Correction
from framelens.core.domain import (
    AnswerMode,
    AnswerState,
    AudioTrack,
    Chapter,
    ColourArea,
    Language,
    Measures,
    Outcome,
    Reason,
    ReportedSearch,
    ScreenText,
    Selection,
    Shot,
    Stretch,
    Subject,
    Usage,
)
from framelens.core.links import Link
from framelens.core.outline import NoPages, OutlinePage
from framelens.reports.content.footage import LightChange

FORMAT_VERSION: Final = 4
"""Increased when a field changes its meaning or is removed, not when a field is added. Since 4, people may have written
what was the model's alone."""
READABLE_VERSIONS: Final = (3, FORMAT_VERSION)


class NoticeForm(Struct, frozen=True):
    """A message for the reader. `values` fill the text of `key`; a value may be a notice itself."""

    key: str
    level: Literal["info", "warning", "error"]
    text: str
    table: Literal["notice", "error"] = "notice"
    values: dict[str, str | int | float | NoticeForm] = {}


class BoundaryForm(Struct, frozen=True):
    """A boundary between two shots. `time_seconds` is the middle of a gradual transition; a cut has no length.

    Of a page (a slide, a screen, a document) it is the time of the first frame, and at `end_seconds` the page is whole.
    """

    time_seconds: float
    start_seconds: float
    end_seconds: float
    type: Literal["cut", "dissolve", "fade", "wipe", "page"]


class SourceForm(Struct, frozen=True):
    """The video file: values from its header and from decoding it.

    The first frame is at `start_seconds` on the time axis of the container, and a player shows it at
    `player_start_seconds`. With `has_guessed_times` the container gives no times of frames, and theirs follow from the
    order of the frames. `timecode` is the first frame's, or empty. `readable_seconds` includes `held_seconds`
    after the end of the last frame, in which it is still shown because the sound is longer. A picture is mirrored left
    to right if `is_mirrored`, then rotated clockwise. `is_interlaced` is the flag of the first frame;
    `dynamic_range` names an HDR format with its colours, and is empty for SDR.
    `is_deinterlaced` if combing was measured in the pictures shown, and removed; `is_composited` if they had
    transparent parts, which are shown white. `decoded_share` is less than 1 after a survey at the fast pace.
    `audio_tracks` is empty without tracks or if they are unknown.
    """

    name: str
    sha256: str
    size_bytes: int
    container: str
    codec: str
    pixel_format: str
    width: int
    height: int
    rotation_degrees: int
    frame_rate: float | None
    is_variable_frame_rate: bool
    duration_seconds_from_header: float | None
    readable_seconds: float
    frames_decoded: int
    num_frames_from_header: int | None
    start_seconds: float
    has_audio: bool
    reader: str
    player_start_seconds: float = 0.0
    has_guessed_times: bool = False
    timecode: str = ""
    held_seconds: float = 0.0
    is_mirrored: bool = False
    is_interlaced: bool = False
    dynamic_range: str = ""
    is_deinterlaced: bool = False
    is_composited: bool = False
    decoded_share: float = 1.0
    audio_tracks: tuple[AudioTrack, ...] = ()


class RequestForm(Struct, frozen=True):
    """Options of the analysis."""

    frames: int
    side: int | None
    template: str
    question: str
    language: Language
    use_model: bool
    selection: Selection
    adapts: bool = False


class WordedForm(Struct, frozen=True):
    """A key with its text."""

    key: str
    text: str


class CueForm(Struct, frozen=True):
    """Speech or a subtitle in [start_seconds, end_seconds)."""

    start_seconds: float
    end_seconds: float
    text: str
    speaker: Annotated[int | UnsetType, Meta(description="Number of the speaker, counted from 1; 0 is unknown.")] = (
        UNSET
    )


class TranscriptForm(Struct, frozen=True):
    """The cues of the video in time order."""

    source: Literal["subtitles", "speech"]
    label: str
    cues: tuple[CueForm, ...]
    speakers: Annotated[
        tuple[str, ...] | UnsetType,
        Meta(
            description="Name of each speaker that a person has given, or an empty text; two with one name are the"
            " same person."
        ),
    ] = UNSET
    speakers_guessed: Annotated[bool | UnsetType, Meta(description="Whether their number is a guess.")] = UNSET


class FieldForm(Struct, frozen=True):
    """A field that findings have beside their text."""

    key: str
    name: str


class FieldValueForm(FieldForm, frozen=True):
    """The value of a field in a finding."""

    value: str


class FindingForm(Struct, frozen=True):
    """A statement of the model, or of the `person` who wrote it instead, with the model's words as `original`.

    `times_seconds` are the times of the cited `frames`. If `verified` is false, `issues` gives the reasons.
    """

    text: str
    frames: tuple[int, ...]
    times_seconds: tuple[float, ...]
    fields: tuple[FieldValueForm, ...]
    verified: bool
    issues: tuple[WordedForm, ...]
    person: Authorship | None = None


class AnswerForm(Struct, frozen=True):
    """A request and its answer. `number` is the first frame of a part, 0 for the summary, negative for a join."""

    number: int
    frames: tuple[int, ...]
    mode: AnswerMode
    fallback: NoticeForm | None
    answer: str
    findings: tuple[FindingForm, ...]
    title: str | None
    overview: tuple[FindingForm, ...]
    chapters: tuple[Chapter, ...]
    reply: tuple[FindingForm, ...]
    subjects: tuple[Subject, ...]
    prompt: str
    finish_reason: str
    troubles: tuple[WordedForm, ...]
    attempts: int
    usage: Usage
    recalled: bool
    seconds: float
    digest: str


class ChunkForm(AnswerForm, frozen=True):
    """The answer for part `part`, counted from 1, which covers [start_seconds, end_seconds) of the video."""

    part: int
    start_seconds: float
    end_seconds: float


class FactsForm(Struct, frozen=True):
    """Measurements of a frame."""

    texts: tuple[ScreenText, ...]
    colours: tuple[ColourArea, ...]
    brightness: float
    sharpness: float
    motion: float | None


class KeyframeForm(Struct, frozen=True):
    """A keyframe. `findings` cite this frame alone. `picture` is a JPEG as a data URL, or null if left out."""

    number: int
    time_seconds: float
    frame_index: int
    shot: int
    reason: Reason
    reason_text: str
    width: int
    height: int
    findings: tuple[str, ...]
    facts: FactsForm | None
    picture: str | None = None


class PlannedForm(Struct, frozen=True):
    """A planned part of the video, sent in one request."""

    part: int
    frames: tuple[int, ...]
    start_seconds: float
    end_seconds: float
    is_answered: bool


class LayoutForm(Struct, frozen=True):
    """Distribution of the frames over requests."""

    side: int
    per_part: int
    in_flight: int
    tokens_per_frame: float
    is_exact: bool
    parts: tuple[PlannedForm, ...]


class EngineForm(Struct, frozen=True):
    """The engine that answered, without its address."""

    kind: Literal["vllm", "transformers", "remote"]
    model: str
    version: str
    max_model_len: int | None
    sees: bool | None


class ConversationPictureForm(Struct, frozen=True):
    """A frame of a video or an image of the user. `number` is what answers cite.

    `keyframe` is the number of the report's keyframe that it is, or null. `video` is the name of another video that it
    is from, `name` the file name of an image. `picture` is a JPEG as a data URL, or null for a keyframe or if left out.
    """

    number: int
    time_seconds: float
    keyframe: int | None
    video: str
    name: str
    picture: str | None = None


class LineForm(Struct, frozen=True):
    """A line of an answer, with the pictures that a person's text cites, and what could not be verified in it."""

    text: str
    frames: tuple[int, ...]
    issues: tuple[str, ...]
    person: Authorship | None


class ConversationAnswerForm(Struct, frozen=True):
    """A question and its answer, which is text of a model. `versions` counts the versions of the question.

    `images`, `cited`, `pictures` and `described` are numbers of pictures: the images that the user attached, those that
    the answer cites, those that the model was sent, and those that it was sent as measured facts in words. No picture
    has `unknown_frames`, and no picture that it cites has `own_times`. `searches` are what was looked for in a video.
    If people changed lines of the answer, `lines` are all of its lines, and say who wrote them.
    """

    question: str
    created: str
    answer: str
    state: AnswerState
    versions: int
    reasoning: str
    why: NoticeForm | None
    notices: tuple[NoticeForm, ...]
    images: tuple[int, ...]
    cited: tuple[int, ...]
    unknown_frames: tuple[int, ...]
    own_times: tuple[str, ...]
    mode: AnswerMode
    pictures: tuple[int, ...]
    described: tuple[int, ...]
    searches: tuple[ReportedSearch, ...]
    model: str
    usage: Usage
    seconds: float
    settings: dict[str, str | int | float | None]
    lines: tuple[LineForm, ...] = ()


class ConversationForm(Struct, frozen=True):
    """A conversation about the video: its shown branch, with the names of other `videos` that it is about."""

    id: str
    name: str
    created: str
    language: Language
    answers: tuple[ConversationAnswerForm, ...]
    videos: tuple[str, ...]
    pictures: tuple[ConversationPictureForm, ...]


class OutlineForm(Struct, frozen=True):
    """The pages of the video (slides, screens, documents), and the lines that are on every page.

    They follow from the texts of the keyframes and are computed again from them. `reason` says why there are no pages.
    """

    pages: tuple[OutlinePage, ...]
    standing: tuple[str, ...]
    reason: NoPages


class ActivityForm(Struct, frozen=True):
    """A stretch in which something moves, most of all at `peak_seconds`; `keyframe` is the number of its picture."""

    start_seconds: float
    end_seconds: float
    peak_seconds: float
    keyframe: int | None


class FootageForm(Struct, frozen=True):
    """Type of the video: a film has shots, a camera shows one place or is a single take.

    Times are exact to a step of `measures`.
    """

    type: Literal["film", "camera"]
    activities: tuple[ActivityForm, ...]
    lights: tuple[LightChange, ...]


class OriginalForm(Struct, frozen=True):
    """What the model wrote in the answer with this number, before people changed it."""

    number: int
    findings: tuple[FindingForm, ...]
    overview: tuple[FindingForm, ...]
    reply: tuple[FindingForm, ...]
    chapters: tuple[Chapter, ...]


class CorrectionsForm(Struct, frozen=True):
    """What people changed. The rest of the report agrees with the `log`, and `originals` are the model's words.

    `title` and `note`, to the reader, are people's, and so are the statements in `added`. `answers` are the
    model's answers in which people changed lines. The items of `unmatched` corrections are no longer in the report.
    """

    log: Annotated[tuple[Correction, ...], Meta(max_length=MOST_CORRECTIONS)]
    originals: tuple[OriginalForm, ...]
    title: FindingForm | None
    note: FindingForm | None
    answers: tuple[ConversationAnswerForm, ...]
    added: tuple[FindingForm, ...]
    unmatched: tuple[int, ...]


class ReportForm(Struct, frozen=True, kw_only=True):
    """A whole analysis of a video. Missing values are null or empty.

    Only `conversations`, `corrections`, `link` and `offers` may be left out. A transcript whose speakers weren't
    separated says nothing of them. Reports of earlier versions have no `state` and no `footage`.
    """

    format: Literal["framelens-report"] = "framelens-report"
    format_version: Literal[4] = FORMAT_VERSION
    id: str
    created: str
    language: Language
    ai_label: Annotated[
        str, Meta(description="Statement that a model generated the texts, with its name; empty if none did.")
    ]
    aigc: Annotated[
        dict[str, str] | None, Meta(description="The same statement for machines, in the fields of GB 45438-2025.")
    ]
    state: Annotated[
        Outcome | UnsetType,
        Meta(
            description='"incomplete" if the description or the answer broke off; "without_model" if no model was to be'
            ' asked; "model_failed" if one was and has answered nothing; "no_usable_answer" if nothing that it wrote'
            " can be used, which a notice says, too."
        ),
    ] = UNSET
    mode: AnswerMode
    notices: tuple[NoticeForm, ...]
    title: str | None
    reply: tuple[FindingForm, ...]
    overview: tuple[FindingForm, ...]
    chapters: tuple[Chapter, ...]
    outline: OutlineForm | UnsetType = UNSET
    source: SourceForm
    request: RequestForm
    shots: tuple[Shot, ...]
    boundaries: tuple[BoundaryForm, ...]
    measures: Measures | None
    stretches: tuple[Stretch, ...]
    footage: FootageForm | UnsetType = UNSET
    keyframes: tuple[KeyframeForm, ...]
    transcript: TranscriptForm | None
    fields: tuple[FieldForm, ...]
    chunks: tuple[ChunkForm, ...]
    joins: tuple[AnswerForm, ...]
    summary: AnswerForm | None
    layout: LayoutForm | None
    conditions: dict[str, str]
    engine: EngineForm | None
    usage: Usage
    seconds_by_stage: dict[str, float]
    framelens_version: str
    answer: Annotated[
        ConversationForm | None,
        Meta(
            description="The answer to the question of the request: a conversation of one question and answer, with the"
            " frames and moments that prove it. Reports of earlier versions answered it in `reply`."
        ),
    ] = None
    conversations: tuple[ConversationForm, ...] | UnsetType = UNSET
    link: Annotated[
        Link | UnsetType | None,
        Meta(
            description="Where the video was fetched from: the address without what signs it, title and uploader if its"
            " page names them, and when it was fetched, in UTC. Left out for a video that was no link."
        ),
    ] = UNSET
    corrections: Annotated[
        CorrectionsForm | UnsetType | None,
        Meta(description="What people changed in the report. Left out if they changed nothing."),
    ] = UNSET
    offers: Annotated[
        tuple[dict[str, str | int], ...] | UnsetType,
        Meta(
            description="What an earlier report on the video offers: its id (`report`), how many of its corrections fit"
            " (`fitting`), and the `command` that takes them over. Only in what `framelens analyse --json` prints."
        ),
    ] = UNSET


class ChosenForm(Struct, frozen=True):
    """A chosen frame."""

    number: int
    time_seconds: float
    frame_index: int
    reason: Reason
    reason_text: str
    shot: int
    width: int
    height: int


class KeyframesForm(Struct, frozen=True, kw_only=True):
    """Keyframes of a video. `reused` is true if the video was not decoded for them."""

    format_version: int = 1
    source: SourceForm
    keyframes: tuple[ChosenForm, ...]
    shots: tuple[Shot, ...]
    boundaries: tuple[BoundaryForm, ...]
    measures: Measures | None
    stretches: tuple[Stretch, ...]
    notices: tuple[NoticeForm, ...]
    reused: bool
