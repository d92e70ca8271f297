"""Values that the MCP server's tools return; the SDK writes their output schemas and checks results by them.

Whatever comes from a video or from a model is below a key "quoted", in JSON strings that their content can't leave. A
field that is left out of a result has its default.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from framelens.plugin.analyses import State

Seconds = Annotated[float, Field(description="Seconds from the first frame.")]
ReportId = Annotated[str, Field(description="Id of a report, which names it in other calls.")]
FollowUp = Annotated[str | None, Field(description="What to call next.")]


class Result(BaseModel):
    """A result of a tool."""

    note: str = Field(default="", description="How to treat what is quoted.")


class Work(Result):
    """A result of a tool that may take long; while it works, what it does and what to call next."""

    state: Literal["running", "done"] = "done"
    doing: str | None = Field(default=None, description="What it does at the moment.")
    next: FollowUp = None


class FoundPassage(BaseModel):
    """A passage of a report that a search found."""

    kind: str = Field(description="Where it was found: name, summary, chapter, finding, said or screen.")
    seconds: Seconds | None
    text: str


class EntryQuoted(BaseModel):
    """What a listed report says of its video."""

    name: str
    title: str
    question: str
    path: str
    passages: list[FoundPassage] | None = Field(default=None, description="Found by a search.")


class Entry(BaseModel):
    """A report of the library."""

    id: ReportId
    created: str
    state: State
    seconds: float | None = Field(description="Length of the video.")
    frames: int
    findings: int
    model: str
    quoted: EntryQuoted


class FolderQuoted(BaseModel):
    """The names in a folder, as many as are shown."""

    folder: str
    videos: list[str]
    folders: list[str]


class ListResult(Result):
    """Stored reports, or the videos and folders in a folder."""

    total: int | None = Field(default=None, description="Number of all reports.")
    reports: list[Entry] | None = None
    videos: int | None = Field(default=None, description="Number of videos in the folder.")
    folders: int | list[str] | None = Field(
        default=None,
        description="Number of folders in the folder; with reports, the folders whose files may be opened.",
    )
    quoted: FolderQuoted | None = None


class SearchResult(Result):
    """Reports that match, the best first."""

    total: int = Field(description="Number of all reports that match.")
    problem: str | None = Field(default=None, description="Why there was no search by meaning.")
    reports: list[Entry]


class TranscriptCue(BaseModel):
    """A passage of speech or subtitles."""

    start: Seconds
    end: Seconds
    text: str


class TranscriptQuoted(BaseModel):
    """The words of a transcript and what they come from."""

    label: str
    notices: list[str] | None = Field(default=None, description="What the reader should know about the subtitles.")
    cues: list[TranscriptCue]


class TranscriptResult(Result):
    """Speech or subtitles."""

    id: ReportId | None = Field(default=None, description="Id of the report on the video, if any.")
    source: Literal["subtitles", "speech"]
    cues: int = Field(description="Number of all passages in the range.")
    next: FollowUp = None
    quoted: TranscriptQuoted


class ReportQuoted(BaseModel):
    """A part of the text of a report, or the files that were written."""

    text: str | None = None
    paths: list[str] | None = None


class ReportResult(Result):
    """A report as text or as files."""

    id: ReportId
    format: str
    characters: int | None = Field(default=None, description="Length of the whole text.")
    next: FollowUp = None
    quoted: ReportQuoted


class ShownPicture(BaseModel):
    """A picture, which follows as an image."""

    asked: float | str = Field(description="The time that was asked for.")
    seconds: Seconds
    clock: str


class LookResult(Result):
    """Pictures of a video, in the order of the images that follow."""

    pictures: list[ShownPicture]
    longer_side: int = Field(description="Most pixels on the longer side of an image.")
    problem: str | None = Field(default=None, description="Why the pictures may not be those asked for.")


class FoundStatement(BaseModel):
    """A statement with the times of the frames that it cites."""

    text: str
    times: list[str]
    fields: dict[str, str] | None = Field(default=None, description="Further values that the template asks for.")
    written_by: str | None = Field(default=None, description="The person who wrote it instead of the model.")


class AnalysisQuoted(BaseModel):
    """What a report says."""

    name: str
    notices: list[str]
    title: str
    answer: list[FoundStatement]
    overview: list[FoundStatement]
    findings: list[FoundStatement]


class AnalysisResult(Result):
    """The state of an analysis, and the content of its report, if any."""

    id: ReportId
    state: State
    doing: str | None = Field(default=None, description="What it does at the moment.")
    next: FollowUp = None
    problem: str | None = Field(default=None, description="Why the model gave no answer.")
    seconds: float | None = Field(default=None, description="Length of the video as far as it can be read.")
    shots: int | None = None
    keyframes: list[Seconds] | None = None
    model: str | None = Field(default=None, description="The model that answered; empty if none did.")
    findings: int | None = Field(default=None, description="Number of all findings.")
    offers: list[str] = Field(default=[], description="What an earlier report on the video offers.")
    quoted: AnalysisQuoted | None = None


class CitedFrame(BaseModel):
    """A picture that an answer cites."""

    number: int
    seconds: Seconds
    clock: str
    report: str = Field(description="Id of the report on its video; empty for an image.")


class Doubts(BaseModel):
    """What in an answer could not be verified."""

    frames_that_do_not_exist: list[int] | None = None
    times_without_a_frame: list[str] | None = None


class AnswerQuoted(BaseModel):
    """The words of an answer."""

    answer: str
    notices: list[str]


class AnswerResult(Result):
    """An answer with the frames that it cites; while it is written, what is done and what to call next."""

    conversation: str | None = Field(default=None, description="Id for further questions.")
    question: int | None = Field(default=None, description="Number of the question in the conversation.")
    state: Literal["running", "complete", "stopped", "failed"]
    doing: str | None = Field(default=None, description="What it does at the moment.")
    model: str | None = None
    cited: list[CitedFrame] | None = None
    pictures_sent: int | None = None
    doubts: Doubts | None = None
    next: FollowUp = None
    quoted: AnswerQuoted | None = None
