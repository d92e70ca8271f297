"""Conversations for pages, commands and programs: the analyses that a question is about, and the answer's events."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from framelens.analysis.task import Control
from framelens.core.background_task import in_thread
from framelens.core.domain import (
    Analysis,
    AnalysisEvent,
    AnalysisRequest,
    EngineProgress,
    Language,
    Notice,
    Noticed,
    Selection,
)
from framelens.core.errors import Cancelled, ConfigError, InputError
from framelens.core.files import readable, storable
from framelens.services.analyses import build_request, raise_without_report, start_run
from framelens.video.files import check_file

if TYPE_CHECKING:
    from framelens.analysis.requests.engine_connection import EngineConnection
    from framelens.conversations.conversation import AskEvent, Conversation
    from framelens.services.container import Services

_POLL_SECONDS = 0.05  # chosen by hand, not tuned
_WHOLE = Selection()


@dataclass(frozen=True)
class FrameOptions:
    """How frames are chosen for questions about videos.

    Attributes:
        language: Language of a new analysis.
        frames: Most keyframes; None takes any report, and the usual number for a new one.
        clip: Range of the videos.
        subtitles: Subtitle file of the only video, to use before those in it and beside it.
    """

    language: Language
    frames: int | None = None
    clip: Selection = _WHOLE
    subtitles: Path | None = None

    @property
    def takes_any_report(self) -> bool:
        """Return whether the newest report on a video will do."""
        return replace(self, language="en") == FrameOptions("en")


def begin(
    services: Services, about: Sequence[str], options: FrameOptions, cancel: threading.Event
) -> Generator[AnalysisEvent, None, Conversation]:
    """Return a new conversation, as the generator's value, and yield the events of the analyses that it needs.

    Args:
        services: The services.
        about: Paths of videos, or ids of analyses as the library resolves them; none for a conversation about no video.
        options: How frames are chosen; its language is that of the conversation.
        cancel: Stops an analysis within a second once it is set.

    Raises:
        ConfigError: Subtitles are given without a video, or for several.
        InputError: There is neither such a file nor such an analysis.
        AppError: What `find_or_analyse` raises.
    """
    from framelens.conversations.conversation import started

    if options.subtitles and len(about) > 1:
        raise ConfigError("subtitles_of_several")
    if options.subtitles and not (about and Path(about[0]).expanduser().exists()):
        raise ConfigError("subtitles_alone")
    found = []
    for one in about:
        path = Path(one).expanduser().absolute()
        analysis_id = "" if path.exists() else _analysis_named(services, one)
        found.append(analysis_id or (yield from find_or_analyse(services, path, options, cancel)))
    return started(found, options.language)


def _analysis_named(services: Services, about: str) -> str:
    """Return the id of the analysis, "" if this looks like the path of a video that is gone."""
    try:
        return services.jobs.library.resolve_id(about)
    except InputError as error:
        if error.key != "job_unknown":
            raise
        path = Path(about).expanduser().absolute()
        if not path.suffix and path.name == about:
            raise InputError("ask_about_unknown", given=about) from error
    return ""


def find_or_analyse(
    services: Services, path: Path, options: FrameOptions, cancel: threading.Event
) -> Generator[AnalysisEvent, None, str]:
    """Return the id of an analysis of this video, as the generator's value, and yield the events of making one.

    That is the newest report on all of the file's content, whatever its name; without one its keyframes are chosen and
    measured, while the engine starts, and no model is asked for a report. A file that is gone is found by its path.

    Args:
        services: The services.
        path: The video.
        options: How its frames are chosen.
        cancel: Stops the analysis within a second once it is set.

    Raises:
        AppError: The video can't be read, or no engine can be used.
        Cancelled: `cancel` was set.
    """
    services.jobs.indexing.catch_up(cancel)
    library = services.jobs.library
    if not path.exists() and (known := library.reports_on(path=str(storable(path)))):
        return known[0]
    check_file(path)
    if options.takes_any_report:
        sha256 = services.switcher.session.extractions.sha256(path, cancel)
        if known := library.reports_on(sha256=sha256):
            return known[0]
    request = frames_request(services, path, options)
    if error := services.engine.status().error:
        raise error
    services.switcher.start_engine()
    run = start_run(services.jobs, request, name=readable(path.name), force=False)
    with closing(run.events(cancel)) as events:
        for event in events:
            if event != Noticed(Notice("no_model")):  # the question is about to change that
                yield event
    raise_without_report(run.result())
    start = services.switcher.engine_start
    if start.state == "failed" and start.error:
        raise start.error
    return run.job_id


def frames_request(services: Services, path: Path, options: FrameOptions) -> AnalysisRequest:
    """Return the request for an analysis that only chooses and measures keyframes, to ask about them."""
    return build_request(
        path,
        services.settings,
        services.templates,
        template="describe",
        question="",
        language=options.language,
        use_model=False,
        selection=options.clip,
        frames=options.frames,
        subtitles=options.subtitles,
    )


def ask(services: Services, conversation: Conversation, cancel: threading.Event) -> Generator[AskEvent, None, None]:
    """Answer the current question of a conversation; see `framelens.conversations.converse`.

    Raises:
        InputError: "job_unknown" or "no_report_yet".
        AppError: What `framelens.conversations.converse` raises.
    """
    from framelens.conversations.answer import converse

    analyses = {}
    for one in conversation.about:
        analysis = services.jobs.snapshot(one).analysis
        if analysis is None:
            raise InputError("no_report_yet", id=one)
        analyses[one] = analysis
    tools = services.switcher.session.retrieval(services.stills)
    with services.switcher.admitted(Control(cancel=cancel)):
        content = next((one.video.content_key for one in analyses.values()), conversation.id)
        connect = partial(_connect, services, content, cancel)
        queues, conversations = services.answer_queues, services.conversations
        with closing(converse(conversation, analyses, connect, conversations, queues, tools, cancel)) as events:
            yield from events


def report_of(services: Services, job_id: str, *, conversations: bool = True) -> Analysis | None:
    """Return the report of a job, None if it has none.

    Args:
        services: The services.
        job_id: The job.
        conversations: Include the conversations about it.

    Raises:
        InputError: "job_unknown".
        StorageError: The conversations can't be read.
    """
    analysis = services.jobs.snapshot(job_id).analysis
    return with_conversations(services, analysis) if analysis and conversations else analysis


def with_conversations(services: Services, analysis: Analysis) -> Analysis:
    """Return an analysis with the stored conversations about it, for a report. Raises StorageError."""
    from framelens.conversations import report

    return report.with_conversations(analysis, services.conversations, lambda other: _other_report(services, other))


def _other_report(services: Services, job_id: str) -> Analysis | None:
    with suppress(InputError):  # it was deleted
        return services.jobs.snapshot(job_id).analysis
    return None


def import_report(services: Services, analysis: Analysis) -> str:
    """Import a report with its conversations and return its id here; what was imported before is left unchanged.

    A kill leaves all of it or nothing.

    Raises:
        StorageError: The report or a conversation can't be stored.
    """
    from framelens.conversations.report import keep_conversations

    with services.store.together():
        job_id = services.jobs.import_report(analysis)
        keep_conversations(analysis, job_id, services.conversations)
    return job_id


def video_names(services: Services, conversation: Conversation) -> dict[str, str]:
    """Return the names of the videos that a conversation is about, by the ids of their analyses."""
    return {one: services.jobs.snapshot(one).name for one in conversation.about}


def _connect(
    services: Services, content: str, cancel: threading.Event
) -> Generator[EngineProgress, None, EngineConnection]:
    """Start and connect the engine in use, yield its progress and return the connection; it stops with the generator.

    Of several engines it is the one that answers about this content. The answer doesn't count as a video at work there.

    Raises:
        AppError: The engine doesn't start.
        Cancelled: `cancel` was set.
    """
    progress: queue.SimpleQueue[EngineProgress] = queue.SimpleQueue()
    stop = threading.Event()
    connector = services.switcher.session.connector
    connected = in_thread("ask-connect", lambda: connector.connect(progress.put, stop, lambda: content))
    try:
        while not connected.done():
            if cancel.is_set():
                raise Cancelled
            with suppress(queue.Empty):
                yield progress.get(timeout=_POLL_SECONDS)
        connection = connected.result()[0]
        connection.engine.leave()
        return connection
    finally:
        stop.set()
