"""Calls of programs, in a session of their own or in one that several share."""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack, cast

from framelens.analysis.inputs.extraction_cache import open_extraction_cache
from framelens.analysis.planning.frame_budget import KEYFRAMES, frame_limit
from framelens.core.domain import Analysis, Language, Pace, Selection, Strategy
from framelens.core.errors import ConfigError
from framelens.core.events import AnalysisEvent, Finished, Noticed
from framelens.core.files import readable
from framelens.i18n import language
from framelens.jobs.keyframes import consume, frames_that_fit, open_updates
from framelens.python.arguments import (
    AskOptions,
    Frames,
    PathLike,
    SessionOptions,
    Subject,
    Time,
    as_sequence,
    check_texts,
    file_path,
    frame_number,
    selection_of,
)
from framelens.python.keyframe_list import KeyframeList
from framelens.python.messages import checked_language, localised, localised_events
from framelens.questions.images import read_image
from framelens.video.files import check_file
from framelens.video.worker_pool import worker_started

if TYPE_CHECKING:
    from framelens.core.analysis_state import AnalysisUpdate
    from framelens.core.images import Region
    from framelens.jobs.stored.library_search import MomentHits
    from framelens.python.session import Session
    from framelens.questions.conversation import AskEvent, Conversation, Look

P = ParamSpec("P")
Event = TypeVar("Event")
T = TypeVar("T")


def _events_of(updates: Generator[AnalysisUpdate, None, T]) -> Generator[AnalysisEvent, None, T]:
    """Yield the events alone, and return the generator's value."""
    with closing(updates):
        while True:
            try:
                update = next(updates)
            except StopIteration as end:
                value: T = end.value
                return value
            yield update.event


def _in_session(call: Callable[P, T]) -> Callable[P, T]:
    """Run a call in the session that it names, else in one of its own, and in its language."""
    names = inspect.signature(call).parameters

    @wraps(call)
    def run(*arguments: Any, **options: Any) -> Any:
        shared: Session | None = options.pop("session", None)
        of_session = ("language",) if shared else SessionOptions.__optional_keys__
        own = {name: options.pop(name) for name in of_session if name in options}
        if "own" in names and (unknown := options.keys() - names):
            raise TypeError(f"{call.__name__}() got an unexpected keyword argument {min(unknown)!r}")
        inner: Callable[..., Any] = partial(call, *arguments, **options)
        if inspect.isgeneratorfunction(call):
            return _events_in_session(inner, shared, own)
        with _open_session(shared, own) as (session, spoken), localised(spoken):
            return inner(session=session)

    return cast(Callable[P, T], run)


def _events_in_session(
    call: Callable[..., Generator[Event, None, None]], shared: Session | None, own: dict[str, Any]
) -> Generator[Event, None, None]:
    with _open_session(shared, own) as (session, spoken):
        yield from localised_events(spoken, call(session=session))


@contextmanager
def _open_session(shared: Session | None, own: dict[str, Any]) -> Iterator[tuple[Session, Language]]:
    """Open a session unless the call shares one, and choose the call's language."""
    if shared is not None:
        yield shared, checked_language(own.get("language"), shared.language)
        return
    from framelens.python.session import Session

    with worker_started(), closing(Session(**own)) as session:
        yield session, session.language


def _with_arguments_of(
    events: Callable[P, Generator[Event, None, None]],
) -> Callable[[Callable[[Iterator[Event]], T]], Callable[P, T]]:
    """Make a function of a call's events into a call with the same arguments."""

    def decorate(function: Callable[[Iterator[Event]], T]) -> Callable[P, T]:
        @wraps(function)
        def run(*arguments: P.args, **options: P.kwargs) -> T:
            return function(events(*arguments, **options))

        returned = inspect.signature(function).return_annotation
        vars(run)["__signature__"] = inspect.signature(events).replace(return_annotation=returned)
        return run

    return decorate


@_in_session
def keyframes(
    path: PathLike,
    frames: Frames = None,
    *,
    strategy: Strategy | None = None,
    every: Time | None = None,
    at: Sequence[Time] = (),
    start: Time = 0.0,
    end: Time | None = None,
    pace: Pace = "auto",
    time_limit: Time | None = None,
    cancel: threading.Event | None = None,
    session: Session | None = None,
    **own: Unpack[SessionOptions],
) -> KeyframeList:
    """Choose the keyframes of a video. No model is asked.

    A second call on the same content with the same arguments is answered from the data folder.

    Args:
        path: The video, or an address that a plugin reads, such as a link.
        frames: Most frames; 16 by default, and no limit for a strategy that sets the number itself.
        strategy: "auto" looks for what happens; "uniform" divides the range evenly; "every" takes a frame each
            `every` seconds; "scenes" the first clear frame of each shot; "codec" the codec's key frames; "times"
            the frames at `at`.
        every: Seconds between frames; implies "every".
        at: Times; imply "times".
        start: Start of the range.
        end: End of the range; by default the video's.
        pace: "full" decodes the whole video; "fast" leaves out parts of which its packets say that nothing happens;
            "auto" is fast for a video of more than half an hour most of which is still.
        time_limit: Most time for looking through the video, such as "10m". Parts with most that is new come first;
            `decode.stretches` names those that were not looked at.
        cancel: Stops the call within a second once it is set.
        session: The session to use.
        own: Arguments of a session of the call's own; beside `session` the `language` of errors alone.

    Raises:
        InputError: The file can't be read.
        ConfigError: The arguments contradict each other.
        Cancelled: `cancel` was set.
    """
    assert session
    settings, file = session.settings, session._video_path(path, cancel)
    session._open_log()
    selection = selection_of(strategy, every, at, start, end, pace, time_limit)
    fit = partial(frames_that_fit, settings, file)
    most = frame_limit(frame_number(frames), selection.strategy, KEYFRAMES, fit)
    updates, reused = open_updates(settings, file, most, selection, cancel)
    video, chosen = consume(updates, lambda _: None)
    sha256 = open_extraction_cache(settings.data_dir).sha256(file, cancel)
    return KeyframeList(chosen.keyframes, video, chosen.decode, reused, sha256, language())


@_in_session
def analyse_events(
    path: PathLike,
    question: str = "",
    frames: Frames = None,
    *,
    template: str = "",
    strategy: Strategy | None = None,
    every: Time | None = None,
    at: Sequence[Time] = (),
    start: Time = 0.0,
    end: Time | None = None,
    pace: Pace = "auto",
    time_limit: Time | None = None,
    use_model: bool = True,
    fresh: bool = False,
    subtitles: PathLike | None = None,
    speakers: int | None = None,
    cancel: threading.Event | None = None,
    session: Session | None = None,
    **own: Unpack[SessionOptions],
) -> Generator[AnalysisEvent, None, None]:
    """Analyse a video and yield the events of the analysis as they happen; the last is Finished.

    Nothing happens before the first event is requested; leaving the loop early stops the analysis. It is stored in
    the library of the data folder: the same call resumes an analysis that stopped early, and gets a finished
    analysis from there, with Finished as its only event.

    Args:
        path: The video, or an address that a plugin reads, such as a link.
        question: Your question.
        frames: Most keyframes; "auto" by default, and no limit for a strategy that sets the number itself.
        template: Key of a template; by default "question" with a question and "describe" without.
        strategy: How keyframes are chosen, see `keyframes`.
        every: Seconds between frames; implies "every".
        at: Times; imply "times".
        start: Start of the range.
        end: End of the range; by default the video's.
        pace: How much of the video is decoded, see `keyframes`.
        time_limit: Most time for looking through the video, see `keyframes`.
        use_model: Ask a model; without it, a report has shots, frames, text on the screen and measurements.
        fresh: Analyse even if the same was analysed before.
        subtitles: Subtitle file to use before subtitles in the video and beside it.
        speakers: Number of speakers to separate in the speech, 0 to guess the number.
        cancel: Stops the analysis within a second once it is set.
        session: The session to use.
        own: Arguments of a session of the call's own; beside `session` the `language` of the report and errors alone.

    Raises:
        InputError: The file can't be read.
        ConfigError: The arguments contradict each other, or a template is unknown.
        EngineError: The model can't answer; raised after Finished, whose analysis has everything else. It is not
            raised if no model was named and the default model can't run on this machine.
        StorageError: The data folder can't be written.
        Cancelled: `cancel` was set, or another thread closed the session.
    """
    from framelens.jobs.analyses import AnalysisRun, build_request, is_expected, raise_without_report

    check_texts(question=question, template=template)
    assert session
    file = session._video_path(path, cancel)
    check_file(file)
    services = session._open_services()
    request = build_request(
        file,
        session.settings,
        services.templates,
        template=template,
        question=question,
        language=language(),
        use_model=use_model,
        selection=selection_of(strategy, every, at, start, end, pace, time_limit),
        frames=frame_number(frames),
        subtitles=None if subtitles is None else file_path(subtitles),
        speakers=speakers,
    )
    for notice in services.engine_notices if use_model else ():
        yield Noticed(notice)
    with session._cancelled_by_closing(services):
        run = AnalysisRun.begin(services.jobs, request, name=readable(file.name), force=fresh)
        is_finished = False
        with closing(run.updates(cancel or threading.Event())) as updates:
            for update in updates:
                is_finished |= isinstance(update.event, Finished)
                yield update.event
        job = run.result()
    raise_without_report(job)
    if not is_finished and job.analysis:
        yield Finished(job.analysis)
    if job.error and not is_expected(job.error, session.settings):
        raise job.error


@_with_arguments_of(analyse_events)
def analyse(events: Iterator[AnalysisEvent]) -> Analysis:
    """Analyse a video and return the finished analysis; the arguments are those of `analyse_events`.

    Raises:
        EngineError: The model can't answer. For the analysis without a model, use `use_model=False`, or
            `analyse_events`, which yields it before the error.
        AppError: Any other error of `analyse_events`.
    """
    *_, analysis = (event.analysis for event in events if isinstance(event, Finished))
    return analysis


@_in_session
def ask_events(
    about: Subject | Conversation | Sequence[Subject],
    question: str,
    *,
    images: Sequence[PathLike] = (),
    look: Look | None = None,
    frames: Frames = None,
    start: Time = 0.0,
    end: Time | None = None,
    edit: int | None = None,
    subtitles: PathLike | None = None,
    use_model: bool = True,
    cancel: threading.Event | None = None,
    session: Session | None = None,
    **options: Unpack[AskOptions],
) -> Generator[AnalysisEvent | AskEvent, None, None]:
    """Ask a question and yield events: of the analyses that it needs, then of the answer.

    The last is AnswerDone. The model is sent the keyframes, the measurements and findings, and the earlier turns. A
    video that wasn't analysed before is analysed first, without asking the model for a report. The conversation is
    kept in the data folder; leaving the loop early stops the answer, and the partial text is kept.

    Args:
        about: A video, the id of an analysis, an Analysis, several of these, an empty sequence for a question about
            no video, or a Conversation, which continues after its current turn; the same value asked twice gets two
            branches.
        question: The question.
        images: Image files that belong to the question.
        look: Where to look in the videos; by default the model decides by the question.
        frames: Most keyframes of a video; by default its newest analysis is taken; "auto" for a new analysis.
        start: Start of the range of the videos, and of the frames that the question is about.
        end: End of the range; by default the video's.
        edit: Number of a turn of the conversation to ask differently; the question becomes its sibling.
        subtitles: Subtitle file of the only video, to use before subtitles in the video and beside it.
        use_model: Ask a model; without it, text on the screen and speech answer what they can.
        cancel: Stops the answer within 0.1 seconds once it is set.
        session: The session to use.
        options: Arguments of a session of the call's own, beside `session` the `language` of a new conversation and of
            errors alone; and fields of AskSettings: temperature, top_p, max_tokens, context_tokens, repetition_penalty,
            seed, search_frames, search_seconds, system_prompt and letters.

    Raises:
        ConfigError: The question is empty or too long or needs a model, or a setting is out of its limits.
        InputError: A video or an image can't be read, or there is no such analysis.
        EngineError: The model can't answer; raised after AnswerDone, whose turn has the partial answer.
        StorageError: The data folder can't be written.
        Cancelled: `cancel` was set, after AnswerDone, or another thread closed the session.
    """
    from framelens.jobs.asking import FrameOptions
    from framelens.questions.conversation import AnswerDraft, AskSettings, Conversation, Look, checked_question

    check_texts(question=question)
    assert session
    cancel = cancel or threading.Event()
    checked = checked_question(question)
    asked_with, clip = AskSettings(**cast(Any, options)), selection_of(None, None, (), start, end)
    if look is None and clip != Selection():
        look = Look("auto", clip.start_seconds, clip.end_seconds)
    files = [read_image(file_path(image)) for image in as_sequence(images)]
    services = session._open_services()
    with session._cancelled_by_closing(services):
        kept_images = services.conversations.keep_images(files) or None
        if isinstance(about, Conversation):
            if subtitles is not None:
                raise ConfigError("subtitles_alone")
            # Other branches may have been added to the stored conversation.
            conversation = replace(services.conversations.get(about.id), current=about.current)
        else:
            named = [
                services.reports.add(subject)
                if isinstance(subject, Analysis)
                else session._source_path(os.fspath(subject), cancel)
                for subject in as_sequence(about)
            ]
            frame_options = FrameOptions(
                language(), frame_number(frames), clip, None if subtitles is None else file_path(subtitles), use_model
            )
            conversation = yield from _events_of(services.asking.begin(named, frame_options, cancel))
        conversation = conversation.with_question(checked, asked_with, edit=edit, images=kept_images, look=look)
        with closing(services.asking.ask(AnswerDraft(conversation), cancel, use_model=use_model)) as events:
            yield from events


@_with_arguments_of(ask_events)
def ask(events: Iterator[AnalysisEvent | AskEvent]) -> Conversation:
    """Ask a question and return the conversation, whose `last` turn has the answer.

    The arguments are those of `ask_events`; pass the conversation to the next call to continue it.

    Raises:
        AppError: Any error of `ask_events`.
    """
    from framelens.questions.conversation import AnswerDone

    *_, conversation = (event.conversation for event in events if isinstance(event, AnswerDone))
    return conversation


@_in_session
def with_conversations(
    analysis: Analysis, *, session: Session | None = None, **own: Unpack[SessionOptions]
) -> Analysis:
    """Return an analysis with the conversations about it in the data folder, which its reports then have.

    Args:
        analysis: The analysis.
        session: The session to use.
        own: Arguments of a session of the call's own, among them the data folder.

    Raises:
        StorageError: The data folder can't be read.
    """
    if not isinstance(analysis, Analysis):
        raise TypeError(f"analysis must be an Analysis, not {type(analysis).__name__}")
    assert session
    return session._open_services().reports.with_conversations(analysis)


@_in_session
def find(
    words: str = "",
    *,
    picture: PathLike | None = None,
    region: Region | None = None,
    report: str = "",
    at: float | None = None,
    limit: int = 24,
    check: bool = False,
    session: Session | None = None,
    **own: Unpack[SessionOptions],
) -> MomentHits:
    """Find moments in the videos of all reports in the data folder, by words, by a picture, or by both.

    Reports that are not indexed yet are indexed first.

    Args:
        words: What is looked for.
        picture: Path of an image file.
        region: Part of the picture that is looked for: left, top, right and bottom as fractions.
        report: Id of a report, its beginning, or "latest", whose frame is the picture.
        at: Time in seconds; the keyframe nearest to it is taken.
        limit: Number of moments at most.
        check: Let the model in use look at the best 20, and say whether each shows what the words say, and why.
        session: The session to use.
        own: Arguments of a session of the call's own, among them the data folder.

    Raises:
        ConfigError: Neither words nor a picture are given, the region is no part of a picture, or no plugin searches.
        InputError: The picture or the report can't be read, or there is no model that compares a region.
        AppError: The model can't be asked.
        StorageError: The data folder can't be read.
    """
    from framelens import registry
    from framelens.jobs.stored.library_search import MomentQuery

    check_texts(words=words, report=report)
    image = ("", b"") if picture is None else read_image(file_path(picture))
    assert session
    services = session._open_services()
    search = services.moment_search
    services.jobs.indexing.catch_up()
    search.catch_up()
    name, content = services.reports.query_picture(report, at, image)
    hits = search.find(MomentQuery(words, content, name, limit, region=region))
    return next(registry.results("library.check", services, hits, words, threading.Event()), hits) if check else hits
