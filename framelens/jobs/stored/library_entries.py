"""Library entries made from jobs: a summary, the text in passages, and a thumbnail.

A job is indexed when it ends. Stored jobs that were never indexed, or by an older version, are indexed in a background
thread as soon as the library is opened.
"""

import logging
import threading
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO

from framelens.core.background_task import BackgroundTask
from framelens.core.corrections import in_force
from framelens.core.domain import Analysis, ChunkResult, Finding, Keyframe, times_of
from framelens.core.errors import AppError, Cancelled
from framelens.core.files import readable, single_line, storable
from framelens.core.outline import title_of
from framelens.core.roles import LOCAL_USER, as_user
from framelens.i18n import in_language, sentences, t
from framelens.i18n.formatting import attributed
from framelens.jobs.job_repository import JobRepository
from framelens.jobs.snapshot import JobSnapshot
from framelens.reports.content.document import plain_text
from framelens.reports.content.searches import found_by_search
from framelens.store.library_index import EntrySummary, Kind, LibraryIndex, Passage

log = logging.getLogger(__name__)
_SIDE = 320
"""Longer side of a thumbnail in pixels."""
_NEITHER_BLACK_NOR_WHITE = (0.12, 0.9)
"""Mean brightness of a frame that shows something."""


class Backfill(ABC):
    """A backfill of data derived from jobs. Safe to use from several threads.

    `num_left` is the number of jobs still without the data; the error of `task` is why the last run ended early.
    """

    def __init__(self, name: str) -> None:
        self.task: BackgroundTask[None, None] = BackgroundTask(name)
        self._one_at_a_time = threading.Lock()
        self.num_left = 0

    @abstractmethod
    def _missing(self) -> Sequence[str]:
        """List the ids of the jobs that lack the data."""

    @abstractmethod
    def _make(self, job_id: str) -> None:
        """Make the data for a job. Any exception ends the run."""

    def begin(self) -> None:
        """Start a thread that catches up, unless nothing is missing or such a thread is running."""
        if not self.task.is_running:
            self.num_left = len(self._missing())
            if self.num_left:
                self.task.start(lambda _, cancel: self.catch_up(cancel))

    def catch_up(self, cancel: threading.Event | None = None) -> None:
        """Make all missing data of all users in this thread. Data made before an error stays.

        Raises:
            AppError: The data of a job could not be made; see the subclass.
            Cancelled: `cancel` was set.
        """
        with self._one_at_a_time, as_user(LOCAL_USER):
            missing = self._missing()
            for index, job_id in enumerate(missing):
                self.num_left = len(missing) - index
                if cancel and cancel.is_set():
                    raise Cancelled
                self._make(job_id)
            self.num_left = 0

    def close(self) -> None:
        """Stop after the current job. A server that doesn't answer is waited for at most 10 seconds."""
        self.task.close(timeout_seconds=10)


class SearchIndexer(Backfill):
    """Indexer that keeps the library in step with the jobs of an archive."""

    def __init__(self, repository: JobRepository, library: LibraryIndex) -> None:
        super().__init__("library")
        self._repository = repository
        self._library = library
        self.on_indexed: Callable[[], None] = lambda: None

    def index(self, job: JobSnapshot) -> None:
        """Index the job in its current state. Never raises: an entry can be made again, a job cannot."""
        try:
            self._library.put(job.id, about(job), tuple(passages(job)), cover(job))
            self.on_indexed()
        except Exception:
            log.exception("job %s could not be added to the library", job.id)

    def _missing(self) -> Sequence[str]:
        return self._library.stale()

    def _make(self, job_id: str) -> None:
        try:
            self.index(self._repository.get_stored(job_id))
        except (AppError, ValueError):  # it was deleted meanwhile, or its document is damaged
            log.warning("job %s could not be read for the library", job_id, exc_info=True)


def about(job: JobSnapshot) -> EntrySummary:
    """Build the summary of a job that the library lists."""
    analysis = job.analysis
    length = job.progress.video.duration_seconds_from_header if job.progress.video else None
    return EntrySummary(
        state=job.state,
        seconds=length or (job.progress.decode.readable_seconds if job.progress.decode else None),
        model=analysis.answered_by if analysis else "",
        template=job.request.template,
        language=job.request.language,
        mode=analysis.mode if analysis else "",
        num_frames=len(job.progress.keyframes),
        num_findings=sum(len(part.findings) for part in _parts(job)) + len(analysis.added if analysis else ()),
        sha256=analysis.sha256 if analysis else "",
        path=str(storable(job.request.path)),
        title=single_line(_title(analysis)) if analysis else "",
        question=single_line(job.request.question),
        start_seconds=job.request.selection.start_seconds,
        end_seconds=job.request.selection.end_seconds,
    )


def passages(job: JobSnapshot) -> Iterator[Passage]:
    """Yield all searchable text of a job, starting with the text about the whole video.

    The user's own question is left out: after asking 200 videos for a red car, a search for these words would find all
    of them.
    """
    for text in dict.fromkeys((job.name, readable(job.request.path.name))):
        yield from _passage("name", text, None)
    times, named = times_of(job.progress.keyframes), partial(t, "ui.labelled", job.request.language)
    with in_language(job.request.language):
        answer = tuple(_of_answer(job.analysis))
    yield from answer
    yield from _passage("summary", job.analysis.title if job.analysis else "", None)
    whole = job.analysis.whole if job.analysis else None
    if whole:
        yield from _of_findings("answer", whole.reply, times)
        yield from _of_findings("summary", whole.overview, times)
        for chapter in whole.chapters:
            yield from _passage("chapter", named(label=chapter.title, value=chapter.text), chapter.start_seconds)
    if corrections := job.analysis.corrections if job.analysis else None:
        yield from _of_findings("summary", [corrections.note] if corrections.note else (), times)
        yield from _of_findings("finding", corrections.added, times)
        entries = (entry for entry in in_force(corrections.log).values() if "." in entry.target)  # in conversations
        for entry in entries:
            yield from _passage("answer", entry.text, entry.time_seconds)
    for part in _parts(job):
        own = part.findings if part is whole else (*part.findings, *part.overview)
        yield from _of_findings("finding", own, times)
        for subject in part.subjects:
            yield from _passage("finding", named(label=subject.name, value=subject.look), times.get(part.number))
    for cue in attributed(job.progress.transcript, only_named=True):
        yield from _passage("said", cue.text, cue.start_seconds)
    for facts in job.progress.facts:
        yield from _passage("screen", " · ".join(line.text for line in facts.texts), times.get(facts.number))


def _parts(job: JobSnapshot) -> Sequence[ChunkResult]:
    """Return the answers about parts of the video, with the corrections of people."""
    return job.analysis.chunks if job.analysis else [result for result in job.progress.results if result.is_chunk]


def cover(job: JobSnapshot) -> bytes:
    """Return a JPEG thumbnail of a frame of the shot that fills most of the time.

    Of its frames that is the sharpest that is neither black nor white, else the middle one.

    Returns:
        The JPEG, empty if the job has no frames or the frame cannot be decoded.
    """
    frames = [frame for frame in job.progress.keyframes if frame.jpeg]
    if not frames:
        return b""
    times = [frame.time_seconds for frame in frames]
    seconds_of_shots = defaultdict[int, float](float)
    for frame, before, after in zip(frames, [times[0], *times], [*times[1:], times[-1]], strict=False):
        seconds_of_shots[frame.shot] += after - before
    longest = max(seconds_of_shots, key=seconds_of_shots.__getitem__)
    shown = {frame.number: frame for frame in frames if frame.shot == longest}
    low, high = _NEITHER_BLACK_NOR_WHITE
    lit = [facts for facts in job.progress.facts if facts.number in shown and low <= facts.brightness <= high]
    if lit:
        return _thumbnail(shown[max(lit, key=lambda facts: facts.sharpness).number])
    return _thumbnail(list(shown.values())[len(shown) // 2])


def _title(analysis: Analysis) -> str:
    """Return the line that the library lists: the title of a person, the answer to the question, or the headline."""
    if analysis.corrections and analysis.corrections.title:
        return analysis.title
    answer = analysis.question_answer
    return (answer.brief if answer else "") or title_of(analysis)


def _of_answer(analysis: Analysis | None) -> Iterator[Passage]:
    """Yield the answer to the question of a job, at the first of the times that a search has found."""
    answer = analysis.question_answer if analysis else None
    if answer and answer.is_usable:
        times = (interval.first.time_seconds for search in answer.searches for interval in search.moments.intervals)
        searches, rest = found_by_search(answer)
        text = sentences([*(plain_text(search.summary) for search in searches), rest])
        yield from _passage("answer", text, min(times, default=None))


def _of_findings(kind: Kind, findings: Sequence[Finding], times: dict[int, float]) -> Iterator[Passage]:
    for finding in findings:
        seconds = min((times[number] for number in finding.frames if number in times), default=None)
        yield from _passage(kind, " · ".join((finding.text, *finding.fields.values())), seconds)


def _passage(kind: Kind, text: str, seconds: float | None) -> Iterator[Passage]:
    if text.strip():
        yield Passage(kind, text, seconds)


def _thumbnail(frame: Keyframe) -> bytes:
    """Return a JPEG thumbnail of the frame, empty if its data is not an image, as an imported report may contain.

    Uses Pillow, so that a process that has finished its analysis doesn't load OpenCV for one thumbnail.
    """
    from PIL import Image

    thumbnail = BytesIO()
    try:
        with Image.open(BytesIO(frame.jpeg)) as picture:
            picture.thumbnail((_SIDE, _SIDE))  # decodes a JPEG at a fraction of its size where that is enough
            picture.convert("RGB").save(thumbnail, "JPEG", quality=82)
        return thumbnail.getvalue()
    except Exception:
        log.warning("frame %d is not an image", frame.number, exc_info=True)
        return b""
