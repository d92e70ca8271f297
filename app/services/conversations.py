"""Conversations for pages, commands and programs: the analysis that a question is about, and the answer's events."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from app import core
from app.analysis import Control
from app.services.analyses import build_request, raise_without_report, start_run
from app.video import check_file

if TYPE_CHECKING:
    from app.analysis import EngineConnection
    from app.ask import AskEvent, Conversation
    from app.services.container import Services

_POLL_SECONDS = 0.05  # chosen by hand, not tuned


def begin(
    services: Services, about: str, *, frames: int | None, language: core.Language, cancel: threading.Event
) -> Generator[core.AnalysisEvent, None, Conversation]:
    """Return a new conversation, as the generator's value, and yield the events of an analysis that it needs.

    Args:
        services: The services.
        about: Path of a video, or an id of an analysis as the library resolves it.
        frames: Most keyframes of a video; None takes its newest report, or the usual number for a new one.
        language: Language of the conversation.
        cancel: Stops an analysis within a second once it is set.

    Raises:
        InputError: There is neither such a file nor such an analysis.
        AppError: What `find_or_analyse` raises.
    """
    from app.ask import started

    path = Path(about).expanduser().absolute()
    if not path.exists():
        try:
            return started(services.jobs.library.resolve_id(about), language)
        except core.InputError as error:
            if error.key != "job_unknown":
                raise
            if not path.suffix and path.name == about:
                raise core.InputError("ask_about_unknown", given=about) from error
    analysis_id = yield from find_or_analyse(services, path, frames=frames, language=language, cancel=cancel)
    return started(analysis_id, language)


def find_or_analyse(
    services: Services, path: Path, *, frames: int | None, language: core.Language, cancel: threading.Event
) -> Generator[core.AnalysisEvent, None, str]:
    """Return the id of an analysis of this video, as the generator's value, and yield the events of making one.

    That is the newest report on all of the file's content, whatever its name; without one its keyframes are chosen and
    measured, while the engine starts, and no model is asked for a report. A file that is gone is found by its path.

    Args:
        services: The services.
        path: The video.
        frames: Most keyframes; None takes any report, and the usual number for a new one.
        language: Language of a new analysis.
        cancel: Stops the analysis within a second once it is set.

    Raises:
        AppError: The video can't be read, or no engine can be used.
        Cancelled: `cancel` was set.
    """
    services.jobs.indexing.catch_up(cancel)
    library = services.jobs.library
    if not path.exists() and (known := library.reports_on(path=str(core.storable(path)))):
        return known[0]
    check_file(path)
    if frames is None:
        sha256 = services.switcher.session.extractions.sha256(path, cancel)
        if known := library.reports_on(sha256=sha256):
            return known[0]
    if error := services.engine.status().error:
        raise error
    services.switcher.start_engine()
    request = build_request(
        path,
        services.settings,
        services.templates,
        template="describe",
        question="",
        language=language,
        use_model=False,
        selection=core.Selection(),
        frames=frames,
    )
    run = start_run(services.jobs, request, name=core.readable(path.name), force=False)
    with closing(run.events(cancel)) as events:
        for event in events:
            if event != core.Noticed(core.Notice("no_model")):  # the question is about to change that
                yield event
    raise_without_report(run.job)
    start = services.switcher.engine_start
    if start.state == "failed" and start.error:
        raise start.error
    return run.job_id


def ask(services: Services, conversation: Conversation, cancel: threading.Event) -> Generator[AskEvent, None, None]:
    """Answer the current question of a conversation; see `app.ask.converse`.

    Raises:
        InputError: "job_unknown" or "no_report_yet".
        AppError: What `app.ask.converse` raises.
    """
    from app.ask import converse

    analysis = services.jobs.snapshot(conversation.analysis_id).analysis
    if analysis is None:
        raise core.InputError("no_report_yet", id=conversation.analysis_id)
    with services.switcher.admitted(Control(cancel=cancel)):
        connect = _connect(services, cancel)
        with closing(converse(conversation, analysis, connect, services.conversations, cancel)) as events:
            yield from events


def _connect(services: Services, cancel: threading.Event) -> Generator[core.EngineProgress, None, EngineConnection]:
    """Start and connect the engine in use, yield its progress and return the connection; it stops with the generator.

    Raises:
        AppError: The engine doesn't start.
        Cancelled: `cancel` was set.
    """
    progress: queue.SimpleQueue[core.EngineProgress] = queue.SimpleQueue()
    stop = threading.Event()
    connector = services.switcher.session.connector
    connected = core.in_thread("ask-connect", lambda: connector.connect(progress.put, stop))
    try:
        while not connected.done():
            if cancel.is_set():
                raise core.Cancelled
            with suppress(queue.Empty):
                yield progress.get(timeout=_POLL_SECONDS)
        return connected.result()[0]
    finally:
        stop.set()
