"""Values that the API receives and sends; FastAPI checks requests by them and writes the OpenAPI document from them."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from framelens import AppError, FrameRef, Pace, Strategy, Turn, error_text, notice_text
from framelens import Language as LanguageCode
from framelens.plugin import t
from framelens.plugin.analyses import MOST_FRAMES, MOST_QUESTION, MOST_SPEAKERS, AnswerState, JobSnapshot, State
from framelens.plugin.api import status_of
from framelens.plugin.links import typed_link
from framelens.plugin.reports import ReportedConversation
from framelens.plugin.speech import LONGEST_NAME, SpeakerSummary
from framelens.plugin.storage import LibraryEntry, build
from framelens.plugin.texts import clock, stage_text
from framelens.plugins.server import webhooks
from framelens.plugins.server.api_records import DeliveryRow, WebhookRow
from framelens.plugins.server.submissions import FetchState

JobState = Literal["fetching", State]
_MOST_URL, _MOST_WEBHOOK, _MOST_PATH, _MOST_NAME, _MOST_SUBTITLES = 4096, 2048, 4096, 200, 16
_TYPED = BeforeValidator(lambda value: typed_link(value) if isinstance(value, str) else value)
Seconds = Annotated[float, Field(ge=0, le=1e7)]
Language = Annotated[LanguageCode | None, Field(description="By default that of Accept-Language.")]

_STATUS = {
    "api_no_keys": 401,
    "api_key_wrong": 401,
    "api_rate": 429,
    "api_jobs": 429,
    "api_body_too_large": 413,
    "api_body_slow": 408,
    "api_content_type": 415,
    "api_body_wrong": 422,
    "api_upload_type": 415,
    "api_method": 405,
    "url_none_allowed": 403,
    "url_not_allowed": 403,
    "address_private": 403,
    "webhook_unknown": 404,
}
"""Status of errors that other routes don't have."""


class Strict(BaseModel):
    """A request; a field that doesn't exist, or a value of another JSON type, is refused, not ignored or converted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _whole_numbers(cls, data: object) -> object:
        """Take 8.0 for 8, as JSON does."""
        if not isinstance(data, dict):
            return data
        return {
            name: int(value) if isinstance(value, float) and value.is_integer() else value
            for name, value in data.items()
        }


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description='"urn:framelens:error:" and the key.')
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What is wrong and what to do, in the language of Accept-Language (en or zh).")
    key: str = Field(description="Key of the error, the same in all languages.")


class NewUpload(Strict):
    """A file that will be uploaded."""

    name: Annotated[str, Field(min_length=1, max_length=_MOST_NAME, examples=["door.mp4"])]
    size_bytes: Annotated[int, Field(ge=1, lt=10**18)]


class UploadState(BaseModel):
    """An upload, complete when all bytes have arrived."""

    id: str
    name: str
    size_bytes: int
    received_bytes: int


class UploadSource(Strict):
    """A complete upload."""

    type: Literal["upload"]
    id: Annotated[str, Field(max_length=64, description="Id of the upload; with tus, the last part of its address.")]


class PathSource(Strict):
    """A file on the server, in a folder of FRAMELENS_INPUT_DIRS."""

    type: Literal["path"]
    path: Annotated[str, Field(min_length=1, max_length=_MOST_PATH)]


class UrlSource(Strict):
    """A file that the server fetches, below an address of source_urls in FRAMELENS_NETWORK."""

    type: Literal["url"]
    url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=_MOST_URL,
            pattern=r"^https?://",
            examples=["https://media.example.com/videos/door.mp4"],
        ),
        _TYPED,
    ]


class NewJob(Strict):
    """A video to analyse, and how."""

    source: Annotated[UploadSource | PathSource | UrlSource, Field(discriminator="type")]
    name: Annotated[
        str, Field(max_length=_MOST_NAME, description="Name of the video; by default that of the file.")
    ] = ""
    subtitles: Annotated[
        list[Annotated[str, Field(max_length=64)]],
        Field(
            max_length=_MOST_SUBTITLES, description="Ids of complete uploads of subtitle files, put beside the video."
        ),
    ] = []
    template: Annotated[str, Field(max_length=64, description="Key of a template; see GET /.")] = ""
    question: Annotated[str, Field(max_length=MOST_QUESTION)] = ""
    language: Language = None
    use_model: Annotated[bool, Field(description="Ask a model; otherwise the report has measurements only.")] = True
    frames: Annotated[int, Field(ge=1, le=MOST_FRAMES, description="By default as many as suit.")] | None = None
    strategy: Strategy | None = None
    every_seconds: Annotated[float, Field(gt=0, le=1e7)] | None = None
    times_seconds: Annotated[list[Seconds], Field(max_length=MOST_FRAMES)] = []
    start_seconds: Seconds = 0.0
    end_seconds: Seconds | None = None
    pace: Annotated[Pace, Field(description="fast leaves out what the packets show to be still.")] = "auto"
    time_limit_seconds: Annotated[
        float | None, Field(gt=0, le=1e7, description="Most time for looking through the video.")
    ] = None
    speakers: Annotated[int, Field(ge=0, le=MOST_SPEAKERS, description="0 guesses their number.")] | None = None
    force: Annotated[bool, Field(description="Analyse even if the same was done before.")] = False


class SpeakerNames(Strict):
    """Names for speakers, by their letters; an empty text removes the name."""

    names: dict[Annotated[str, Field(pattern="^[A-Z]$")], Annotated[str, Field(max_length=LONGEST_NAME)]] = Field(
        min_length=1, examples=[{"A": "Anna"}], json_schema_extra={"additionalProperties": False}
    )


class Speaker(BaseModel):
    """A speaker of a report; two speakers with the same name are the same person."""

    letter: str = Field(description='"A" is the first to speak.')
    name: str = Field(description="The name that a person has given; empty for none.")
    num_cues: int = Field(description="Number of passages.")
    seconds: float = Field(description="Their length.")
    first_seconds: float = Field(description="Start of the first passage.")


class SpeakerList(BaseModel):
    """The speakers of a report."""

    speakers: list[Speaker] = Field(description="In the order of their letters.")

    @classmethod
    def of(cls, speakers: Sequence[SpeakerSummary]) -> SpeakerList:
        """Build the value of the speakers of a report."""
        return cls(speakers=[build(Speaker, speaker) for speaker in speakers])


class FoundMoment(BaseModel):
    """A part of the video in which something is visible."""

    start_seconds: float
    end_seconds: float
    is_certain: bool


class JobAnswer(BaseModel):
    """The answer to a job's question, if it has a question; the text is a model's."""

    conversation: str = Field(description="Id of the conversation that it began.")
    state: AnswerState = Field(description='"stopped" also while it is written.')
    text: str
    moments: list[FoundMoment] = Field(description="What a search has found, for a question after times or a number.")

    @classmethod
    def of(cls, answer: ReportedConversation) -> JobAnswer:
        """Build the value of a job's answer."""
        turn = answer.answers[0]
        intervals = (interval for search in turn.searches for interval in search.moments.intervals)
        moments = [
            FoundMoment(
                start_seconds=interval.first.time_seconds,
                end_seconds=interval.end_seconds,
                is_certain=not interval.issues,
            )
            for interval in intervals
        ]
        return cls(conversation=answer.id, state=turn.state, text=turn.answer, moments=moments)


class Job(BaseModel):
    """An analysis and how far it is."""

    id: str
    name: str
    state: JobState
    created: str
    template: str
    question: str
    language: LanguageCode
    is_over: bool = Field(description="Whether it neither waits nor runs.")
    has_report: bool
    doing: str = Field(description="What it does at the moment, in words.")
    stage: str | None = None
    step: int = 0
    total: int | None = None
    eta_seconds: float | None = Field(default=None, description="Estimated time left of the stage.")
    received_bytes: int | None = Field(default=None, description="Of a video that is fetched.")
    size_bytes: int | None = Field(default=None, description="Of a video that is fetched, if it is known.")
    answer: JobAnswer | None = Field(default=None, description="To its question.")
    error: Problem | None = None

    @classmethod
    def of(cls, job: JobSnapshot) -> Job:
        """Build the value of a job of the queue."""
        progress = job.progress
        return build(
            cls,
            job,
            job.request,
            *(() if job.is_over else (progress,)),
            has_report=job.analysis is not None,
            doing=_doing(job),
            answer=JobAnswer.of(progress.answer) if progress.answer and progress.answer.answers else None,
            error=problem_of(job.error) if job.error else None,
        )

    @classmethod
    def fetched(cls, fetch: FetchState) -> Job:
        """Build the value of a job whose video is not there yet."""
        is_fetching = fetch.state == "fetching"
        return build(
            cls,
            fetch.submission.request,
            fetch if is_fetching else None,
            id=fetch.id,
            name=fetch.submission.name or fetch.submission.source.value.partition("?")[0],
            state=fetch.state,
            created=fetch.created,
            is_over=not is_fetching,
            has_report=False,
            doing=t("api.fetching") if is_fetching else t(f"library.state.{fetch.state}"),
            error=problem_of(fetch.error) if fetch.error else None,
        )


class JobEntry(BaseModel):
    """An analysis in a list."""

    id: str
    name: str
    state: State
    created: str
    seconds: float | None = Field(description="Length of the video.")
    template: str
    title: str
    question: str
    language: str
    model: str
    frames: int
    findings: int
    tags: list[str]

    @classmethod
    def of(cls, entry: LibraryEntry, state: State) -> JobEntry:
        """Build the value of an entry of the library."""
        return build(cls, entry, state=state, frames=entry.num_frames, findings=entry.num_findings)


class JobList(BaseModel):
    """Analyses, the newest first."""

    total: int = Field(description="Number of jobs that match, whatever offset and limit.")
    jobs: list[JobEntry]
    fetching: list[Job] = Field(description="Submitted jobs whose video is being fetched or could not be.")


class NewQuestion(Strict):
    """A question about an analysed video, or over all reports."""

    question: Annotated[str, Field(min_length=1, max_length=MOST_QUESTION)]
    conversation: Annotated[
        str, Field(max_length=64, description="Conversation to continue; by default a new conversation.")
    ] = ""
    language: Language = None
    use_model: Annotated[
        bool, Field(description="Ask a model; without it, text on the screen and speech answer what they can.")
    ] = True
    wait_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=600,
            description="How long the answer is waited for. Leaving meanwhile ends it.",
        ),
    ] = 300.0


class Citation(BaseModel):
    """A picture that an answer cites."""

    number: int
    seconds: float
    clock: str
    job: str

    @classmethod
    def of(cls, frame: FrameRef) -> Citation:
        """Build the value of a cited picture."""
        seconds = frame.time_seconds
        return build(cls, frame, seconds=seconds, clock=clock(seconds), job=frame.analysis_id)


class Answer(BaseModel):
    """A question and its answer, which is text of a model: show it as nothing else."""

    number: int
    question: str
    state: Literal["running", "complete", "stopped", "failed"]
    text: str
    cited: list[Citation]
    unknown_frames: list[int] = Field(description="Cited numbers that no picture has.")
    own_times: list[str] = Field(description="Times without a cited frame that has them.")
    notices: list[str] = Field(
        description="What the reader should know, and why it was stopped or failed, in the conversation's language."
    )
    model: str

    @classmethod
    def of(cls, turn: Turn, spoken: LanguageCode, *, is_running: bool) -> Answer:
        """Build the value of a turn of a conversation in this language."""
        notices = [] if is_running else [notice_text(notice, spoken) for notice in (turn.why, *turn.notices) if notice]
        return build(
            cls,
            turn,
            state="running" if is_running else turn.state,
            text=turn.answer,
            cited=[Citation.of(frame) for frame in turn.cited],
            notices=notices,
        )


class ConversationState(BaseModel):
    """A conversation on its current branch; the last answer may still be written."""

    id: str
    name: str
    jobs: list[str]
    library: bool = Field(description="Whether its questions are over all reports.")
    created: str
    answers: list[Answer]


class NewWebhook(Strict):
    """An address that is informed when a job of the key has ended."""

    url: Annotated[str, Field(min_length=1, max_length=_MOST_WEBHOOK, pattern=r"^https?://"), _TYPED]


class Delivery(BaseModel):
    """A message to a webhook."""

    id: str = Field(description="Value of the header webhook-id.")
    job: str
    state: Literal["waiting", "delivered", "failed"]
    attempts: int
    error: str | None = Field(description="Why the last attempt failed.")

    @classmethod
    def of(cls, row: DeliveryRow) -> Delivery:
        """Build the value of a stored message."""
        error = webhooks.error_of(row)
        text = error_text(error) if error else None
        return build(cls, row, job=row.job_id, error=text)


class Webhook(BaseModel):
    """A webhook and the newest messages to it."""

    id: str
    url: str
    created: str
    deliveries: list[Delivery] = []

    @classmethod
    def of(cls, row: WebhookRow, deliveries: list[DeliveryRow]) -> Webhook:
        """Build the value of a stored webhook."""
        return cls(
            id=row.id, url=row.url, created=row.created, deliveries=[Delivery.of(delivery) for delivery in deliveries]
        )


class WebhookCreated(Webhook):
    """A new webhook with the secret that signs its messages, which is shown only here."""

    secret: str


class About(BaseModel):
    """What this server offers."""

    version: str
    templates: list[str]
    reports: list[str]


def problem_of(error: AppError) -> Problem:
    """Build the value of an error in the language of the context.

    A request that doesn't fit the document is 422. A request that fits it, but not this server or another of the
    request's fields, is 409 unless there is a better status; so are an upload for which the disk has no room, and bytes
    beyond its end.
    """
    status = _STATUS.get(error.key) or status_of(error)
    if status == HTTPStatus.BAD_REQUEST or error.key in ("disk_full", "upload_too_long"):
        status = HTTPStatus.CONFLICT
    return Problem(
        type=f"urn:framelens:error:{error.key}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=error_text(error),
        key=error.key,
    )


def _doing(job: JobSnapshot) -> str:
    """Return what an analysis does at the moment, in a few words."""
    return (not job.is_over and stage_text(job.progress)) or t(f"library.state.{job.state}")
