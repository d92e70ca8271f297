"""Tools of the MCP server, on the same services as the commands; each argument is described in framelens/i18n."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, cast

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult
from pydantic import AfterValidator, Field

from framelens import (
    Analysis,
    AppError,
    ConfigError,
    Conversation,
    InputError,
    Keyframe,
    VideoError,
    error_text,
    notice_text,
)
from framelens.plugin import Services, language, t
from framelens.plugin.analyses import (
    MOST_FRAMES,
    AnalysisRequest,
    AnalysisRun,
    Selection,
    Templates,
    build_request,
    build_selection,
    checked_question,
    transcript_of,
)
from framelens.plugin.api import ToolCall, placed
from framelens.plugin.command_line import parse_seconds
from framelens.plugin.files import (
    Region,
    check_file,
    confine,
    file_of,
    held_folder,
    is_inside,
    is_region,
    is_video_name,
    picture_of,
    readable,
    restored,
    shown_path,
    typed_path,
)
from framelens.plugin.links import LinkFetcher, is_link, may_name_any, typed_link
from framelens.plugin.outputs import storage_errors, written
from framelens.plugin.processes import in_thread
from framelens.plugin.reports import FORMATS, bundle, files_of, format_named, smaller, without_pictures
from framelens.plugin.storage import LibraryEntry, LibraryQuery, Order, VideoRepository
from framelens.plugin.texts import attributed, clock
from framelens.plugins.server.mcp import results, schemas
from framelens.plugins.server.mcp.plugin_tools import PluginTool
from framelens.plugins.server.mcp.results import result
from framelens.plugins.server.mcp.waiting import POLL_SECONDS, Wait, wait_for
from framelens.plugins.server.validation import filled

_log = logging.getLogger(__name__)
_MOST_PICTURES, _MOST_VIDEOS = 8, 8
_SIDES = (96, 1024)
"""Range of the longer side of a picture in pixels."""
_MOST_PICTURE_BYTES = 720 << 10
"""Of all pictures of a result: some clients refuse results of more than 1 MB, and base64 takes a third more."""
_MOST_CHARACTERS = 20_000
"""Of a report or transcript in a result. Some clients cut results at 25,000 tokens; a Chinese character may be a
token."""
_MOST_FILES = 500  # of a folder
_FILES_ONLY = ("html", "pdf", "docx")
"""Formats that are no text, or hold pictures in it."""
_STOP_SECONDS = 10.0
_LATEST_SECONDS = 1e8  # three years, longer than any video
_FULL_SIDE = 1 << 16  # more pixels than a side of any picture has
_QUALITY = 90  # of a part of a picture before it is scaled
_SHRINK = 0.8  # of the side, while pictures take too many bytes

Count = Annotated[int, Field(ge=1, le=50)]
Frames = Annotated[int, Field(ge=1, le=MOST_FRAMES)]
Offset = Annotated[int, Field(ge=0, le=10**9)]
Edges = Annotated[list[float], Field(min_length=4, max_length=4)]
Side = Annotated[int, Field(ge=_SIDES[0], le=_SIDES[1])]
Text = Annotated[str, Field(max_length=4096)]  # the longest path on Linux
NonBlank = Annotated[Text, AfterValidator(filled)]
Time = float | str


class McpTools:
    """The tools: every public method but `close` is a tool. `of_plugins` has the tools of other plugins.

    Args:
        services: The services.
        roots: Real paths of the folders whose files may be opened; empty for every file that this user can read.
    """

    described_by: ClassVar[Mapping[str, object]] = {
        "pictures": _MOST_PICTURES,
        "least": _SIDES[0],
        "most": _SIDES[1],
        "kilobytes": _MOST_PICTURE_BYTES >> 10,
        "characters": _MOST_CHARACTERS,
        "texts": ", ".join(name for name in FORMATS if name not in _FILES_ONLY),
        "files": ", ".join(_FILES_ONLY),
        "templates": ", ".join(Templates().by_key),
    }
    """Values in the descriptions of tools and arguments."""

    def __init__(self, services: Services, roots: Sequence[Path] = ()) -> None:
        self.services = services
        self._roots = roots
        confine(roots)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._analyses: dict[AnalysisRequest, str] = {}
        self._cancelled: set[str] = set()
        self._answers: dict[_Question, _Answer] = {}
        begin = partial(ToolCall, services, self._source, self._allowed_path)
        self.of_plugins = list(_tools_of_plugins(begin))

    def close(self) -> None:
        """Stop the answers that are being written, whose partial texts are kept, fetches, and tools of plugins."""
        self._closing.set()
        for answer in self._answers.values():
            answer.cancel.set()
        for tool in self.of_plugins:
            tool.close()

    # ---- contents -----------------------------------------------------------------------------------------------

    def list_(
        self, folder: Text = "", limit: Count = 20, offset: Offset = 0
    ) -> Annotated[CallToolResult, schemas.ListResult]:
        """List stored reports, the newest first, or the videos and folders in a folder."""
        if folder:
            return result(_folder(self._allowed_path(folder)))
        self.services.jobs.indexing.catch_up()
        entries, total = self._find(LibraryQuery(), "newest", offset, limit)
        reports = [results.entry_of(entry, self.services.jobs.state_of(entry)) for entry in entries]
        roots = [shown_path(root) for root in self._roots] or None
        return result(schemas.ListResult(total=total, reports=reports, folders=roots))

    def search(
        self, words: NonBlank, limit: Count = 10, offset: Offset = 0
    ) -> Annotated[CallToolResult, schemas.SearchResult]:
        """Search the reports by words, and by meaning where a plugin does."""
        self.services.jobs.indexing.catch_up()
        library, query = self.services.jobs.library, LibraryQuery(words)
        near: dict[str, int] = {}
        problem: str | None = None
        if (index := self.services.library_search) and words.strip():
            try:
                index.catch_up_passages()
                near = {passage.job_id: passage.place for passage in index.near(words)}
            except AppError as error:
                problem = t("library.meaning_failed", why=error_text(error))
        entries, total = self._find(query, "best", offset, limit, list(near))
        reports = [
            results.entry_of(
                entry, self.services.jobs.state_of(entry), library.hits(entry.id, words, near=near.get(entry.id))
            )
            for entry in entries
        ]
        return result(schemas.SearchResult(total=total, problem=problem, reports=reports))

    def transcript(
        self, video: NonBlank, start: Time = 0, end: Time | None = None
    ) -> Annotated[CallToolResult, schemas.TranscriptResult]:
        """Return the speech or subtitles of a video that overlap [start, end)."""
        path, analysis = self._source(video)
        heard, notices = transcript_of(path, analysis, language())
        heard = replace(heard, cues=attributed(heard))
        first, last = _seconds(start), float("inf") if end is None else _seconds(end)
        cues = [cue for cue in heard.cues if cue.start_seconds < last and cue.end_seconds > first]
        lines: list[schemas.TranscriptCue] = []
        following: str | None = None
        room = _MOST_CHARACTERS
        for cue in cues:
            room -= len(cue.text)
            if room < 0 and lines:
                following = t("mcp.next.transcript", start=cue.start_seconds)
                break
            lines.append(schemas.TranscriptCue(start=cue.start_seconds, end=cue.end_seconds, text=cue.text))
        notice_texts = [notice_text(notice) for notice in notices] or None
        return result(
            schemas.TranscriptResult(
                id=analysis.id if analysis else None,
                source=heard.source,
                cues=len(cues),
                next=following,
                quoted=schemas.TranscriptQuoted(label=heard.label, notices=notice_texts, cues=lines),
            )
        )

    def report(
        self, video: NonBlank, format: str = "markdown", folder: Text = "", offset: Offset = 0
    ) -> Annotated[CallToolResult, schemas.ReportResult]:
        """Return a report as text, or write it to a folder and return the paths."""
        analysis = self.services.reports.with_conversations(self._report(video))
        if (format := format_named(format)) not in FORMATS:
            raise ConfigError("formats_unknown", given=format[:80], known=", ".join(FORMATS))
        if folder:
            target = self._allowed_path(folder)
            with storage_errors("report_not_written", target):
                target.mkdir(parents=True, exist_ok=True)
                with held_folder(target) as here:
                    files = bundle([analysis], [format], is_free=lambda name: not (here / name).exists())
                    paths = [shown_path(target / file.name) for file in written(files, here)]
            return result(schemas.ReportResult(id=analysis.id, format=format, quoted=schemas.ReportQuoted(paths=paths)))
        if format in _FILES_ONLY:
            raise ConfigError("mcp_report_folder", format=format)
        if format == "json":
            data = without_pictures(analysis, analysis.request.language)
        else:
            data = next(files_of(format, analysis, analysis.request.language, "report")).data
        text, end = data.decode(), offset + _MOST_CHARACTERS
        return result(
            schemas.ReportResult(
                id=analysis.id,
                format=format,
                characters=len(text),
                next=t("mcp.next.report", offset=end) if end < len(text) else None,
                quoted=schemas.ReportQuoted(text=text[offset:end]),
            )
        )

    def look(
        self,
        video: NonBlank,
        times: Annotated[tuple[Time, ...], Field(max_length=_MOST_PICTURES)] = (),
        region: Edges | None = None,
        width: Side = 640,
    ) -> Annotated[CallToolResult, schemas.LookResult]:
        """Return the pictures at these times, else keyframes, as small JPEGs; `region` enlarges a part of them."""
        path, analysis = self._source(video)
        keyframes = analysis.keyframes if analysis else ()
        moments = [_seconds(time) for time in times] or [frame.time_seconds for frame in _spread(keyframes)]
        if not moments:
            raise ConfigError("mcp_look_when")
        if region and not is_region(region):
            raise ConfigError("mcp_region", given=", ".join(f"{edge:g}" for edge in region))

        def picture(seconds: float) -> tuple[float, bytes]:
            if path:
                still = self.services.stills.at(path, seconds, _FULL_SIDE if region else width)
                return still.time_seconds, still.jpeg
            nearest = min(keyframes, key=lambda frame: abs(frame.time_seconds - seconds))
            return nearest.time_seconds, nearest.jpeg

        stills = [picture(seconds) for seconds in moments]
        jpegs, side = [jpeg for _, jpeg in stills], width
        if region:
            part = partial(picture_of, video, side=_FULL_SIDE, quality=_QUALITY, region=cast("Region", tuple(region)))
            jpegs = [part(jpeg) for jpeg in jpegs]
        while sum(map(len, small := [smaller(jpeg, side) for jpeg in jpegs])) > _MOST_PICTURE_BYTES:
            side = int(side * _SHRINK)
        pictures = [
            schemas.ShownPicture(asked=moment, seconds=round(seconds, 3), clock=clock(seconds))
            for moment, (seconds, _) in zip(moments, stills, strict=True)
        ]
        problem = None if path else t("mcp.look_stored")
        return result(schemas.LookResult(pictures=pictures, longer_side=side, problem=problem), small)

    # ---- what takes long ---------------------------------------------------------------------------------------------

    async def analyse(
        self,
        ctx: Context,
        video: NonBlank,
        question: str = "",
        template: str = "",
        frames: Frames | None = None,
        start: Time = 0,
        end: Time | None = None,
        use_model: bool = True,
        wait_seconds: Wait = 45,
    ) -> Annotated[CallToolResult, schemas.AnalysisResult]:
        """Analyse a video and wait for its report; cancelling the call stops the analysis."""
        jobs, settings, templates = self.services.jobs, self.services.settings, self.services.templates

        def begin() -> str:
            path = self._file(video)
            if path is None:
                job_id = self._report_id(video)
                self._end_cancelled(job_id)
                jobs.resume(job_id)
                return job_id
            check_file(path)
            request = build_request(
                path,
                settings,
                templates,
                template=template,
                question=question,
                language=language(),
                use_model=use_model,
                selection=_range(start, end),
                frames=frames,
            )
            with self._lock:
                job_id = self._analyses.get(request, "")
                self._end_cancelled(job_id)
                if not job_id or jobs.snapshot(job_id).is_over:
                    name = readable(path.name)
                    job_id = AnalysisRun.begin(jobs, request, name=name, force=False).job_id
                    if not self._may_see(jobs.snapshot(job_id).request.path):  # of the same content, elsewhere
                        job_id = AnalysisRun.begin(jobs, request, name=name, force=True).job_id
                    self._analyses[request] = job_id
                return job_id

        def stop() -> None:
            self._cancelled.add(job_id)
            jobs.cancel(job_id)

        job_id = await asyncio.to_thread(begin)
        await wait_for(
            ctx,
            lambda: jobs.snapshot(job_id).is_over,
            lambda: results.doing(jobs.snapshot(job_id)),
            stop,
            wait_seconds,
        )
        return await asyncio.to_thread(lambda: result(results.job_result(self.services, jobs.snapshot(job_id))))

    async def ask(
        self,
        ctx: Context,
        question: str,
        videos: Annotated[list[NonBlank], Field(max_length=_MOST_VIDEOS)] = [],  # noqa: B006 - never changed
        conversation: str = "",
        frames: Frames | None = None,
        start: Time = 0,
        end: Time | None = None,
        use_model: bool = True,
        library: bool = False,
        wait_seconds: Wait = 45,
    ) -> Annotated[CallToolResult, schemas.AnswerResult]:
        """Ask about videos, or ask a further question of a conversation; cancelling the call stops the answer."""
        checked_question(question)
        if [bool(videos), bool(conversation), library].count(True) != 1:
            raise ConfigError("mcp_ask_about")
        if library and self._roots:
            raise ConfigError("mcp_ask_library")
        about = tuple(str(self._file(video) or self._report_id(video)) for video in videos)
        continued = self._conversation_id(conversation) if conversation else ""
        inquiry = _Question(question, about, continued, frames, _range(start, end), use_model, library)
        if (answer := self._answers.get(inquiry)) is None:
            answer = self._answers[inquiry] = _Answer(self.services, inquiry)

        def stop() -> None:
            self._answers.pop(inquiry, None)
            answer.cancel.set()

        await wait_for(ctx, answer.made.done, lambda: answer.doing, stop, wait_seconds)
        if not answer.made.done():
            return result(schemas.AnswerResult(state="running", doing=answer.doing, next=t("mcp.next.wait")))
        self._answers.pop(inquiry, None)
        answered = answer.made.result()
        return result(results.turn_result(answered.id, answered.last))

    # ---- internals ---------------------------------------------------------------------------------------------------

    def _file(self, video: str) -> Path | None:
        """Return the file that the caller names, None if the text can only be the id of a report.

        Raises:
            InputError: The file is outside of the folders that may be read, or the link may not be fetched.
        """
        if is_link(video):
            videos = self.services.videos
            url = typed_link(video)
            return videos.path(self._links().fetch(url, lambda now: None, self._closing))
        if not self._roots:
            video = file_of(video)
        is_path = Path(video).name != video or bool(Path(video).suffix)
        is_here = os.path.exists(video) and self._inside(Path(video).absolute()) is not None  # noqa: PTH110 - raises nothing
        return self._allowed_path(video) if is_path or is_here else None

    def _links(self) -> LinkFetcher:
        """Return what fetches videos from links: with roots, from listed addresses alone."""
        settings = self.services.settings
        is_open = not self._roots and may_name_any(is_shared=settings.access.insecure)
        return LinkFetcher(self.services.videos, settings.sources, is_open=is_open)

    def _is_from_link(self, path: Path) -> bool:
        """Return whether this file was fetched from a link that may be fetched here."""
        is_ours = path.is_relative_to(self.services.settings.data_dir)
        try:
            if is_ours and (link := VideoRepository.link_of(path)):
                self._links().check(link.url)
                return True
        except InputError:
            pass
        return False

    def _allowed_path(self, text: str) -> Path:
        if "\0" in text:
            raise InputError("path_empty")
        path = Path(typed_path(text)).absolute()
        real = self._inside(path)
        if real is None:
            folders = ", ".join(map(shown_path, self._roots))
            raise InputError("mcp_outside_root", path=shown_path(path), folders=folders)
        return real

    def _report_id(self, short_id: str) -> str:
        """Return the whole id of a report on a video in the folders that may be read, also if the file was deleted.

        Raises:
            InputError: "job_unknown": there is no such report, or it is on another video, which makes no difference.
        """
        try:
            job_id = self.services.jobs.library.resolve_id(short_id)
            is_seen = self._may_see(self.services.jobs.snapshot(job_id).request.path)
        except InputError:
            if not self._roots:
                raise
            is_seen = False  # also of an ambiguous id, since the error would name some
        if not is_seen:
            raise InputError("job_unknown", id=short_id[:80])
        return job_id

    def _conversation_id(self, short_id: str) -> str:
        """Return the whole id of a conversation; with roots, it is about videos there and nothing else.

        Raises:
            InputError: "conversation_unknown": there is no such conversation, or it is about something else.
        """
        if not self._roots:
            return self.services.conversations.get(short_id).id
        try:
            conversation = self.services.conversations.get(short_id)
            paths = [self.services.jobs.snapshot(job_id).request.path for job_id in conversation.about]
        except InputError:
            paths = []
        if not paths or not all(map(self._may_see, paths)):
            raise InputError("conversation_unknown", id=short_id[:80])
        return conversation.id

    def _may_see(self, path: Path) -> bool:
        """Return whether the caller may know of a report on this file; `path` is as the report names it."""
        if not self._roots:
            return True
        return path.is_absolute() and (self._inside(restored(path)) is not None or self._is_from_link(restored(path)))

    def _find(
        self, query: LibraryQuery, order: Order, offset: int, limit: int, near: Sequence[str] = ()
    ) -> tuple[list[LibraryEntry], int]:
        """Return some of the reports that match a query and may be seen, and the number of all of them."""
        library = self.services.jobs.library
        total = library.count(query, near=near)
        if not self._roots:
            return library.find(query, order=order, offset=offset, limit=limit, near=near), total
        every = library.find(query, order=order, offset=0, limit=total, near=near)
        visible = [entry for entry in every if self._may_see(Path(entry.path))]
        return visible[offset : offset + limit], len(visible)

    def _newest(self, path: Path, *, has_same_words: bool) -> str | None:
        """Return the id of the newest report on the content of a file that the caller may know of, or None."""
        extractions = self.services.switcher.session.extractions
        ids = self.services.jobs.reports_on_file(extractions, path, has_same_words=has_same_words)
        return next((job_id for job_id in ids if self._may_see(self.services.jobs.snapshot(job_id).request.path)), None)

    def _end_cancelled(self, job_id: str) -> None:
        """Wait until a job whose call was cancelled has stopped, which takes a second; only then can it resume."""
        deadline = time.monotonic() + _STOP_SECONDS
        while job_id in self._cancelled and time.monotonic() < deadline:
            if self.services.jobs.snapshot(job_id).is_over:
                self._cancelled.remove(job_id)
            time.sleep(POLL_SECONDS)

    def _inside(self, path: Path) -> Path | None:
        """Return the real path of a file in the folders that may be read, or None if it lies elsewhere.

        The data folder may not be read, even if it lies in such a folder.
        """
        if not self._roots:
            return path
        real = path.resolve()
        return real if is_inside(real, self._roots, without=self.services.settings.data_dir) else None

    def _source(self, video: str) -> tuple[Path | None, Analysis | None]:
        """Return the file if it may be opened, and its newest report, or else the report with this id and its file."""
        if path := self._file(video):
            check_file(path)
            newest = self._newest(path, has_same_words=True)
            return path, self.services.jobs.snapshot(newest).analysis if newest else None
        analysis = self._report(video)
        path = self._inside(restored(analysis.request.path))
        return (path if path and path.is_file() else None), analysis

    def _report(self, video: str) -> Analysis:
        """Return the newest report on a file, or the report with this id."""
        if path := self._file(video):
            check_file(path)
            job_id = self._newest(path, has_same_words=False)
            if job_id is None:
                raise InputError("mcp_not_analysed", path=shown_path(path))
        else:
            job_id = self._report_id(video)
        analysis = self.services.jobs.snapshot(job_id).analysis
        if analysis is None:
            raise InputError("no_report_yet", id=job_id)
        return analysis


@dataclass(frozen=True)
class _Question:
    """A question about videos, or a further question of a conversation, about this range of the videos."""

    text: str
    about: tuple[str, ...]
    conversation: str
    frames: int | None
    clip: Selection
    use_model: bool
    library: bool


class _Answer:
    """An answer that is written in a thread.

    Attributes:
        doing: What it does at the moment.
        cancel: Stops it once it is set.
        made: The conversation, whose current turn has the answer.
    """

    def __init__(self, services: Services, question: _Question) -> None:
        self.doing = ""
        self.cancel = threading.Event()
        self.made: Future[Conversation] = in_thread("mcp-ask", lambda: self._make(services, question))

    def _make(self, services: Services, question: _Question) -> Conversation:
        about: Sequence[str] | Conversation = question.about
        if question.conversation:
            about = services.conversations.get(question.conversation)
        return services.asking.answer(
            question.text,
            about,
            frames=question.frames,
            clip=question.clip,
            use_model=question.use_model,
            everywhere=question.library,
            cancel=self.cancel,
            on_step=self._note,
        )

    def _note(self, step: str) -> None:
        self.doing = step


def _tools_of_plugins(begin: Callable[[], ToolCall]) -> Iterator[PluginTool]:
    """Yield the tools of other plugins; a tool that can't be described is left out."""
    for part in placed("mcp.tools"):
        for function in part.call() or ():
            try:
                tool = PluginTool(function, begin)
            except Exception:  # noqa: BLE001 - the others work
                _log.exception("the tool %s.%s is left out", function.__module__, function.__name__)
            else:
                yield tool


def _folder(folder: Path) -> schemas.ListResult:
    """List the videos and folders in a folder, without those further below."""
    try:
        with held_folder(folder) as here, os.scandir(here) as listing:
            entries = sorted(
                (entry for entry in listing if not entry.name.startswith(".")), key=lambda entry: entry.name
            )
            folders = [readable(entry.name) for entry in entries if _is_folder(entry)]
            videos = [readable(entry.name) for entry in entries if is_video_name(Path(entry.path))]
    except OSError as error:
        raise VideoError("folder_unreadable", path=shown_path(folder), reason=error.strerror) from error
    shown = schemas.FolderQuoted(folder=shown_path(folder), videos=videos[:_MOST_FILES], folders=folders[:_MOST_FILES])
    return schemas.ListResult(videos=len(videos), folders=len(folders), quoted=shown)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):  # a link that leads back to itself
        return entry.is_dir()
    return False


def _range(start: Time, end: Time | None) -> Selection:
    return build_selection(
        strategy=None,
        every=None,
        at=(),
        start=_seconds(start),
        end=None if end is None else _seconds(end),
        spelling=lambda name, _: name,
    )


def _seconds(time: Time) -> float:
    seconds = parse_seconds(str(time))
    if seconds > _LATEST_SECONDS:
        raise ConfigError("time_unreadable", given=time)
    return seconds


def _spread(keyframes: Sequence[Keyframe]) -> Sequence[Keyframe]:
    """Return at most as many keyframes as a result has pictures, evenly chosen."""
    number = min(len(keyframes), _MOST_PICTURES)
    return [keyframes[len(keyframes) * index // number] for index in range(number)]
