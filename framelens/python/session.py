"""Calls of programs, in a session of their own or in one that several share: its settings, data folder and engine."""

from __future__ import annotations

import inspect
import os
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Protocol, Self, TypedDict, TypeVar, Unpack, cast

from framelens import config
from framelens.analysis.inputs.extraction_cache import open_extraction_cache
from framelens.analysis.planning.frame_budget import KEYFRAMES, frame_limit, parse_frames
from framelens.config import Settings
from framelens.core.domain import MOST_SPEAKERS, Analysis, Language, Selection, Strategy
from framelens.core.errors import Cancelled, ConfigError, StorageError
from framelens.core.events import AnalysisEvent, Finished, Noticed
from framelens.core.files import given_path, readable
from framelens.i18n import language, t
from framelens.jobs.keyframes import (
    build_selection,
    consume,
    frames_that_fit,
    open_updates,
    parse_interval,
    parse_seconds,
)
from framelens.jobs.running import in_call
from framelens.python.keyframe_list import KeyframeList
from framelens.python.messages import checked_language, localised, localised_events, usual_language
from framelens.questions.images import read_image
from framelens.store.fs_utils import end_log, log_to
from framelens.video.files import check_file
from framelens.video.sources import file_of
from framelens.video.worker_pool import worker_ready, worker_started

if TYPE_CHECKING:
    from framelens.composition import Services
    from framelens.core.analysis_state import AnalysisUpdate
    from framelens.questions.conversation import AskEvent, Conversation, Look
    from framelens.questions.repository import ConversationRepository

P = ParamSpec("P")
Event = TypeVar("Event")
T = TypeVar("T")
Frames = int | Literal["auto", "fit"] | None
"""Most frames, 1 to 256; "auto" for as many as suit the video, "fit" for as many as one request to the model holds.
None is the default."""
Time = float | str
"""Seconds from the start of the video, or a clock time such as "1:15.5"."""
PathLike = str | os.PathLike[str]
Subject = PathLike | Analysis
"""A video, the id of an analysis, or an Analysis."""


class SessionOptions(TypedDict, total=False):
    """Arguments of `Session`, which `keyframes`, `analyse` and `analyse_events` take too."""

    model: str
    base_url: str
    api_key: str
    language: Language | None
    data_dir: PathLike | None
    template_dir: PathLike | None
    settings: Mapping[str, str] | None
    download: bool


class AskOptions(SessionOptions, total=False):
    """Fields of AskSettings, and arguments of `Session`, as arguments of `ask_events`."""

    temperature: float
    top_p: float
    max_tokens: int
    context_tokens: int
    repetition_penalty: float
    seed: int | None
    search_frames: int
    search_seconds: int
    system_prompt: str
    letters: str


_OF_SESSIONS = SessionOptions.__optional_keys__


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


class _Call(Protocol):
    """A call whose keyword arguments are known."""

    __name__: str
    names: frozenset[str]


def _in_session(kind: type) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Run a call in the session that it names, else in one of its own, and in its language.

    Args:
        kind: The TypedDict of the call's further arguments.
    """

    def decorate(call: Callable[P, T]) -> Callable[P, T]:
        @wraps(call)
        def run(*arguments: Any, **options: Any) -> Any:
            _check_names(cast(_Call, run), options)
            shared = options.pop("session", None)
            own = cast(SessionOptions, {name: options.pop(name) for name in _OF_SESSIONS & options.keys()})
            if inspect.isgeneratorfunction(call):
                return _events_in_session(partial(call, *arguments, **options), shared, own)
            with _opened(shared, own) as (session, spoken), localised(spoken):
                return call(*arguments, **options, session=session)  # type: ignore[arg-type]

        cast(_Call, run).names = frozenset(inspect.signature(call).parameters) | vars(kind)["__optional_keys__"]
        return cast(Callable[P, T], run)

    return decorate


def _events_in_session(
    call: Callable[..., Generator[Event, None, None]], shared: Session | None, own: SessionOptions
) -> Generator[Event, None, None]:
    with _opened(shared, own) as (session, spoken):
        yield from localised_events(spoken, call(session=session))


@contextmanager
def _opened(shared: Session | None, own: SessionOptions) -> Iterator[tuple[Session, Language]]:
    """Open a session unless the call shares one, and choose the call's language."""
    if shared is not None:
        yield shared, checked_language(own.get("language"), shared.language)
        return
    with worker_started(), closing(Session(**own)) as session:
        yield session, session.language


def _check_names(call: _Call, options: Mapping[str, object]) -> None:
    """Raise TypeError, as Python does, if a call has no argument of such a name."""
    name, names = call.__name__, call.names
    if "session" in options:
        name, names = f"Session.{name}", names - _OF_SESSIONS | {"language"}
    if unknown := next((option for option in options if option not in names), None):
        raise TypeError(f"{name}() got an unexpected keyword argument {unknown!r}")


def _with_arguments_of(
    events: Callable[P, Generator[Event, None, None]],
) -> Callable[[Callable[[Iterator[Event]], T]], Callable[P, T]]:
    """Make a function of a call's events into a call with the same arguments."""

    def decorate(function: Callable[[Iterator[Event]], T]) -> Callable[P, T]:
        @wraps(function)
        def run(*arguments: P.args, **options: P.kwargs) -> T:
            _check_names(cast(_Call, run), options)
            return function(events(*arguments, **options))

        returned = inspect.signature(function).return_annotation
        vars(run).update(vars(events), __signature__=inspect.signature(events).replace(return_annotation=returned))
        return run

    return decorate


@_in_session(SessionOptions)
def keyframes(
    path: PathLike,
    frames: Frames = None,
    *,
    strategy: Strategy | None = None,
    every: Time | None = None,
    at: Sequence[Time] = (),
    start: Time = 0.0,
    end: Time | None = None,
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
        cancel: Stops the call within a second once it is set.
        session: The session to use.
        own: Arguments of a session of the call's own; beside `session` the `language` of errors alone.

    Raises:
        InputError: The file can't be read.
        ConfigError: The arguments contradict each other.
        Cancelled: `cancel` was set.
    """
    assert session
    settings, file = session.settings, session._video(path, cancel)
    session._open_log()
    selection = _selection(strategy, every, at, start, end)
    fit = partial(frames_that_fit, settings, file)
    most = frame_limit(_number(frames), selection.strategy, KEYFRAMES, fit)
    updates, reused = open_updates(settings, file, most, selection, cancel)
    video, chosen = consume(updates, lambda _: None)
    sha256 = open_extraction_cache(settings.data_dir).sha256(file, cancel)
    return KeyframeList(chosen.keyframes, video, chosen.decode, reused, sha256, language())


@_in_session(SessionOptions)
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
    from framelens.jobs.analyses import build_request, is_expected, raise_without_report, start_run

    _check_texts(question=question, template=template)
    assert session
    file = session._video(path, cancel)
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
        selection=_selection(strategy, every, at, start, end),
        frames=_number(frames),
        subtitles=_subtitles(subtitles),
        speakers=_speakers(speakers),
    )
    for notice in services.engine_notices if use_model else ():
        yield Noticed(notice)
    with session._cancelled_by_closing(services):
        run = start_run(services.jobs, request, name=readable(file.name), force=fresh)
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


@_in_session(AskOptions)
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

    _check_texts(question=question)
    assert session
    cancel = cancel or threading.Event()
    checked = checked_question(question)
    asked_with, clip = AskSettings(**cast(Any, options)), _selection(None, None, (), start, end)
    if look is None and clip != Selection():
        look = Look("auto", clip.start_seconds, clip.end_seconds)
    files = [read_image(_file(image)) for image in _several(images)]
    services = session._open_services()
    with session._cancelled_by_closing(services):
        kept = services.conversations.keep_images(files) or None
        if isinstance(about, Conversation):
            if subtitles is not None:
                raise ConfigError("subtitles_alone")
            # Other branches may have been added to the stored conversation.
            conversation = replace(services.conversations.get(about.id), current=about.current)
        else:
            named = [
                services.reports.add(one) if isinstance(one, Analysis) else session._typed(os.fspath(one), cancel)
                for one in _several(about)
            ]
            taken = FrameOptions(language(), _number(frames), clip, _subtitles(subtitles), use_model)
            conversation = yield from _events_of(services.asking.begin(named, taken, cancel))
        conversation = conversation.asked(checked, asked_with, edit=edit, images=kept, look=look)
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


@_in_session(SessionOptions)
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


def _method(call: Callable[P, T]) -> Callable[Concatenate[Session, P], T]:
    """Return a call as a method, which shares the session."""

    @wraps(call)
    def method(self: Session, /, *arguments: P.args, **options: P.kwargs) -> T:
        return call(*arguments, **options, session=self)  # type: ignore[arg-type]

    return method


class Session:
    """Keyframes and analyses that share settings, a data folder and an engine.

    A session starts an engine when an analysis first needs it. Close the session, or use it in a `with` statement, to
    end the engine and detach the log of FrameLens from the program's logging. Several threads may share a session.

    Args:
        model: A folder or a model on the hub; with a remote engine, the model's name there.
        base_url: Address of a remote engine, such as "http://127.0.0.1:8000/v1", or of several with the same model,
            separated by commas; no engine is started then.
        api_key: Key of that engine, or of all of them.
        language: Language of reports and errors; by default FRAMELENS_LANGUAGE, or else the system's.
        data_dir: Folder for the library, caches and the log; by default FRAMELENS_DATA_DIR, or else the user's.
        template_dir: Folder with templates of your own.
        settings: Further settings by the names of their variables, such as {"FRAMELENS_ANSWER_TOKENS": "2048"}. They
            take precedence over the environment and `.env`; arguments take precedence over them.
        download: Download the model if it is not on this machine. Without it the analysis raises ModelNotFound.

    Raises:
        ConfigError: A setting is wrong.
    """

    def __init__(
        self,
        *,
        model: str = "",
        base_url: str = "",
        api_key: str = "",
        language: Language | None = None,
        data_dir: PathLike | None = None,
        template_dir: PathLike | None = None,
        settings: Mapping[str, str] | None = None,
        download: bool = False,
    ) -> None:
        from framelens.jobs.analyses import with_named

        _check_texts(model=model, base_url=base_url, api_key=api_key)
        given = {
            "FRAMELENS_BASE_URL": base_url,
            "FRAMELENS_API_KEY": api_key,
            "FRAMELENS_DATA_DIR": os.fspath(data_dir or ""),
            "VLLM_MODEL_PATH": model,
        }
        environ = {**os.environ, **(settings or {}), **{name: value for name, value in given.items() if value}}
        self._language = checked_language(language, usual_language(environ))
        with localised(self._language):
            if unread := config.unread_env_file(environ):
                warnings.warn(t("error.env_unread_here", path=unread, name=config.ENV_FILE), stacklevel=2)
            self._settings = with_named(config.load(environ), model=model, base_url="")
        if template_dir:
            self._settings = replace(self._settings, template_dir=given_path(template_dir).absolute())
        self._download = download
        self._lock = threading.Lock()
        self._opened = ExitStack()
        self._services: Services | None = None
        self._has_log = False

    def __repr__(self) -> str:
        return f"Session(model={self._settings.model_path!r}, data_dir={str(self._settings.data_dir)!r})"

    def __enter__(self) -> Self:
        self._opened.enter_context(worker_ready())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop running analyses, which raise Cancelled, and end everything that this session started."""
        with self._lock:
            self._services, self._has_log = None, False
            self._opened.close()

    @property
    def settings(self) -> Settings:
        """Return the settings in use."""
        return self._settings

    @property
    def language(self) -> Language:
        """Return the language of calls that name no language."""
        return self._language

    keyframes = _method(keyframes)
    analyse = _method(analyse)
    analyse_events = _method(analyse_events)
    ask = _method(ask)
    ask_events = _method(ask_events)
    with_conversations = _method(with_conversations)

    @property
    def conversations(self) -> ConversationRepository:
        """Return the conversations of the data folder: `find`, `get`, `rename` and `delete` them."""
        with localised(self._language):
            return self._open_services().conversations

    def _video(self, path: PathLike, cancel: threading.Event | None) -> Path:
        file = _file(path)
        return file if os.path.lexists(file) else _file(self._typed(os.fsdecode(path), cancel))

    def _typed(self, word: str, cancel: threading.Event | None) -> str:
        """Return the path of the file that a plugin reads for a link or another source; else `word`."""
        with in_call(self._settings, cancel):
            return file_of(word)

    @contextmanager
    def _cancelled_by_closing(self, services: Services) -> Iterator[None]:
        """Raise Cancelled if the store can't be used because the session was closed."""
        try:
            yield
        except StorageError:
            if self._services is services:
                raise
            raise Cancelled from None

    def _open_log(self) -> None:
        """Send the log to the data folder until the session is closed, once; the caller holds the lock."""
        if not self._has_log:
            self._opened.callback(end_log, log_to(self._settings.data_dir))
            self._has_log = True

    def _open_services(self) -> Services:
        from framelens.composition import open_services

        with self._lock:
            if self._services is None:
                if self._download:
                    _confirm_download(self._settings)
                self._open_log()
                self._services = open_services(self._settings, adopts=False)
                self._opened.callback(self._services.close)
            return self._services


def _check_texts(**texts: object) -> None:
    """Raise TypeError for an argument that must be a text and isn't."""
    if wrong := next((name for name, text in texts.items() if not isinstance(text, str)), None):
        raise TypeError(f"{wrong} must be a str, not {type(texts[wrong]).__name__}")


def _several(given: Any) -> Sequence[Any]:
    """Return several values unchanged, and a single value in a sequence; a text is a single value."""
    return (given,) if isinstance(given, str | os.PathLike | Analysis | int | float) else cast(Sequence[Any], given)


def _file(path: PathLike) -> Path:
    return given_path(path).absolute()


def _speakers(number: int | None) -> int | None:
    if number is not None and not 0 <= number <= MOST_SPEAKERS:
        raise ConfigError("whole_number_wrong", given=str(number), low=0, high=MOST_SPEAKERS)
    return number


def _subtitles(path: PathLike | None) -> Path | None:
    return None if path is None else _file(path)


def _number(frames: Frames) -> int | None:
    return None if frames is None else parse_frames(str(frames))


def _selection(
    strategy: Strategy | None, every: Time | None, at: Sequence[Time], start: Time, end: Time | None
) -> Selection:
    return build_selection(
        strategy=strategy,
        every=None if every is None else parse_interval(str(every)),
        at=tuple(parse_seconds(str(time)) for time in _several(at)),
        start=parse_seconds(str(start)),
        end=None if end is None else parse_seconds(str(end)),
        spelling=lambda name, value: name if value is None else f"{name}={value!r}",
    )


def _confirm_download(settings: Settings) -> None:
    """Confirm the download of the model, if it is needed."""
    from framelens.engine.engine_builder import build_engine
    from framelens.jobs.readiness import readiness
    from framelens.store.model_records import confirm_download

    now = readiness(settings, build_engine(settings)[0])
    if now.kind == "download" and now.model and now.model.download_bytes != 0:
        confirm_download(settings.data_dir, now.model.model)
