"""Questions of pages, commands and programs: the analyses that a question is about, and the events of its answer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from framelens.analysis.task import Control
from framelens.core.analysis_state import AnalysisUpdate
from framelens.core.background_task import in_thread
from framelens.core.domain import Analysis, AnalysisRequest, Keyframe, Language, Notice, Selection
from framelens.core.errors import AppError, Cancelled, ConfigError, EngineError, InputError
from framelens.core.events import EngineProgress, Noticed, value_of
from framelens.core.files import given_path, readable, single_line, storable, typed_path
from framelens.core.images import fitted
from framelens.i18n import as_notice, language, t
from framelens.i18n.formatting import phase_text, stage_text
from framelens.jobs.analyses import AnalysisRun, build_request, raise_without_report
from framelens.jobs.readiness import readiness
from framelens.questions.conversation import (
    AnswerDone,
    AnswerDraft,
    AnswerText,
    AskEvent,
    AskSettings,
    Conversation,
    Look,
    MomentsSearched,
    Queued,
)
from framelens.questions.retrieval.values import Looking
from framelens.video.files import STANDARD_STREAM, check_file

if TYPE_CHECKING:
    from framelens.analysis.prompts.templates import Templates
    from framelens.analysis.requests.engine_connection import EngineConnection
    from framelens.jobs.engine_session import EngineSession, SharedParts
    from framelens.jobs.engine_switcher import EngineSwitcher
    from framelens.jobs.library_questions import ReportChoice
    from framelens.jobs.queue import Jobs
    from framelens.jobs.stored.library_search import LibrarySearch, Moment

_POLL_SECONDS = 0.05
_LOOK_SECONDS = 600.0
"""Ceiling of the time in which frames are looked at for a thing."""
_LOOK_SIDE = 640
"""Longer side of these frames in pixels, unless the settings name another."""
_LONGEST_REASON = 300
"""Characters of a reason that are kept."""
_WHOLE = Selection()


@dataclass(frozen=True)
class FrameOptions:
    """How frames are chosen for questions about videos.

    Attributes:
        language: Language of a new analysis.
        frames: Most keyframes; None takes any report, and the usual number for a new analysis.
        clip: Range of the videos.
        subtitles: Subtitle file of the only video, to use before those in it and beside it.
        use_model: Start the engine meanwhile; without it, text and speech alone answer.
    """

    language: Language
    frames: int | None = None
    clip: Selection = _WHOLE
    subtitles: Path | None = None
    use_model: bool = True

    @property
    def takes_any_report(self) -> bool:
        """Return whether the newest report on a video will do."""
        return replace(self, language="en", use_model=True) == FrameOptions("en")


class Asking:
    """Questions about videos: finds or chooses frames for them, and answers them with the engine in use.

    Args:
        jobs: The queue, which analyses videos without a report.
        switcher: Switcher of the engine in use.
        templates: All templates.
        shared: Parts that the sessions of all engines share.
        search: What finds moments in the library, None without a plugin that does.
    """

    def __init__(
        self,
        jobs: Jobs,
        switcher: EngineSwitcher[EngineSession],
        templates: Templates,
        shared: SharedParts,
        search: LibrarySearch | None = None,
    ) -> None:
        self._search = search
        self._jobs = jobs
        self._switcher = switcher
        self._templates = templates
        self._shared = shared

    def begin(
        self, about: Sequence[str], options: FrameOptions, cancel: threading.Event
    ) -> Generator[AnalysisUpdate, None, Conversation]:
        """Return a new conversation, as the generator's value, and yield the updates of the analyses that it needs.

        Args:
            about: Paths of videos, or ids of analyses as the library resolves them; may be empty.
            options: How frames are chosen; its language is the conversation's.
            cancel: Stops an analysis within a second once it is set.

        Raises:
            ConfigError: Subtitles are given without a video, or for several.
            InputError: There is neither such a file nor such an analysis.
            AppError: As `find_or_analyse`.
        """
        if options.subtitles and len(about) > 1:
            raise ConfigError("subtitles_of_several")
        if options.subtitles and not (about and Path(typed_path(about[0])).exists()):
            raise ConfigError("subtitles_alone")
        ids = []
        for subject in about:
            path = given_path(subject).absolute()
            analysis_id = "" if path.exists() or subject == STANDARD_STREAM else self._analysis_named(subject)
            ids.append(analysis_id or (yield from self.find_or_analyse(path, options, cancel)))
        return Conversation.begun_about(ids, options.language)

    def _analysis_named(self, about: str) -> str:
        """Return the id of the analysis, "" if this looks like the path of a deleted video."""
        try:
            return self._jobs.library.resolve_id(about)
        except InputError as error:
            if error.key != "job_unknown":
                raise
            path = Path(typed_path(about)).absolute()
            if not path.suffix and path.name == about:
                raise InputError("ask_about_unknown", given=about) from error
        return ""

    def find_or_analyse(
        self, path: Path, options: FrameOptions, cancel: threading.Event
    ) -> Generator[AnalysisUpdate, None, str]:
        """Return the id of an analysis of this video, as the generator's value, and yield the updates of the analysis.

        The newest report on the whole content of the file with its subtitles is used, whatever the name of the file.
        Without a report, the video's keyframes are chosen and measured while the engine starts; no model writes a
        report. A deleted file is found by its path.

        Args:
            path: The video.
            options: How its frames are chosen.
            cancel: Stops the analysis within a second once it is set.

        Raises:
            AppError: The video can't be read, or the engine doesn't start.
            Cancelled: `cancel` was set.
        """
        self._jobs.indexing.catch_up(cancel)
        if not path.exists() and (existing := self._jobs.library.reports_on(path=str(storable(path)))):
            return existing[0]
        check_file(path)
        if options.takes_any_report and (
            existing := self._jobs.reports_on_file(self._switcher.session.extractions, path, cancel)
        ):
            return existing[0]
        request = self._frames_request(path, options)
        if options.use_model and self.has_model():
            self._switcher.start_engine()
        run = AnalysisRun.begin(self._jobs, request, name=readable(path.name), force=False)
        with closing(run.updates(cancel)) as updates:
            for update in updates:
                if update.event != Noticed(Notice("no_model")):  # the question is about to change that
                    yield update
        raise_without_report(run.result())
        return run.job_id

    def has_model(self) -> bool:
        """Return whether a model can be asked, without starting it."""
        session = self._switcher.session
        return readiness(session.settings, session.engine).kind == "ready"

    def _frames_request(self, path: Path, options: FrameOptions) -> AnalysisRequest:
        """Return the request for an analysis that only chooses and measures keyframes, to ask about them."""
        return build_request(
            path,
            self._switcher.session.settings,
            self._templates,
            template="describe",
            question="",
            language=options.language,
            use_model=False,
            selection=options.clip,
            frames=options.frames,
            subtitles=options.subtitles,
        )

    def prepare_frames(self, path: Path, name: str, language: Language) -> str:
        """Return the id of the analysis with the frames of a video; a new analysis only chooses frames.

        Args:
            path: The video.
            name: Its name as shown to the user.
            language: Language of a new analysis.

        Raises:
            AppError: The analysis can't be stored.
        """
        return self._jobs.submit(self._frames_request(path, FrameOptions(language)), name=name)

    def answer(
        self,
        question: str,
        about: Sequence[str] | Conversation,
        *,
        frames: int | None = None,
        clip: Selection = _WHOLE,
        use_model: bool = True,
        everywhere: bool = False,
        cancel: threading.Event,
        on_step: Callable[[str], object],
    ) -> Conversation:
        """Return a conversation with the answer to a question, a new one unless one is given.

        Args:
            question: The question.
            about: Videos or analyses as `begin` takes them, or the conversation that it continues.
            frames: Most keyframes of a new analysis.
            clip: Range of the videos that the question is about.
            use_model: Ask a model.
            everywhere: Look in the whole library.
            cancel: Stops it within a second once it is set.
            on_step: Called with what is done now, in the language of the context.

        Raises:
            AppError: As `begin` and `ask`.
        """
        if not isinstance(about, Conversation):
            options = FrameOptions(language(), frames, clip, use_model=use_model)
            about = value_of(self.begin(about, options, cancel), lambda update: on_step(stage_text(update.state)))
        look = None if clip == _WHOLE else Look("auto", clip.start_seconds, clip.end_seconds)
        look = replace(look or Look(), everywhere=True) if everywhere else look
        asked = about.with_question(question, AskSettings(), look=look)
        on_step(t("ask.answering"))
        with closing(self.ask(AnswerDraft(asked), cancel, use_model=use_model)) as events:
            for event in events:
                asked = event.conversation if isinstance(event, AnswerDone) else asked
                if step := _step_text(event):
                    on_step(step)
        return asked

    def ask(
        self, draft: AnswerDraft, cancel: threading.Event, *, use_model: bool = True
    ) -> Generator[AskEvent, None, None]:
        """Answer the current question of a conversation; see `framelens.questions.converse`.

        Without a model, or where none is installed, text on the screen and speech may answer it.

        Raises:
            InputError: "job_unknown" or "no_report_yet".
            AppError: As `framelens.questions.converse`.
        """
        from framelens.questions.answer import converse

        conversation = draft.conversation
        is_ready = use_model and self.has_model()
        choice = None
        if conversation.is_everywhere or len(conversation.about) > 1:
            choice = yield from self._choose(conversation, cancel, has_model=is_ready)
        about = choice.reports if choice else conversation.about
        analyses = {analysis_id: self._analysis(analysis_id) for analysis_id in about}
        measured = partial(self._wait_for_facts, about, cancel)
        tools = self._switcher.session.retrieval(self._shared.stills)
        with self._switcher.admitted(Control(cancel=cancel)):
            content = next((analysis.video.content_key for analysis in analyses.values()), conversation.id)
            connect = partial(self._connect, content, cancel) if use_model else None
            repository, queues = self._shared.conversations, self._shared.queues
            first = self._by_moments(draft, choice, analyses, cancel, has_model=is_ready) if choice else None
            answer = converse(
                draft, analyses, measured, connect, repository, queues, tools, cancel, has_model=is_ready, first=first
            )
            with closing(answer) as events:
                yield from events

    def _choose(
        self, conversation: Conversation, cancel: threading.Event, *, has_model: bool
    ) -> Generator[Looking, None, ReportChoice | None]:
        """Choose reports for a question by moments; see framelens.jobs.library_questions. Raises AppErrors."""
        from framelens.jobs.library_questions import choose

        if self._search is None:
            if conversation.is_everywhere:
                raise ConfigError("find_without_plugin")
            return None
        return (yield from choose(conversation, self._search, self._jobs, cancel, has_model=has_model))

    def _by_moments(
        self,
        draft: AnswerDraft,
        choice: ReportChoice,
        analyses: Mapping[str, Analysis],
        cancel: threading.Event,
        *,
        has_model: bool,
    ) -> Generator[AskEvent, None, bool]:
        """Answer a question with moments, which the model looks at; see framelens.jobs.library_questions."""
        from framelens.jobs.library_questions import answer

        moments: Sequence[Moment] = choice.hits.moments
        if choice.thing and has_model:
            try:
                for done, total, checked in self._check(choice.thing, moments, cancel):
                    moments = checked
                    yield Looking("votes", done, total)
            except Cancelled:
                raise
            except AppError as error:  # the moments are an answer without it
                yield draft.applied(Noticed(as_notice(error)))
        return (yield from answer(draft, choice, moments, analyses))

    def write(self, prompt: str, *, system: str, content: str, cancel: threading.Event) -> tuple[str, str]:
        """Return the lines that the model in use answers to a text without pictures, and the model's name.

        The last line of an answer that was cut off is left out.

        Args:
            prompt: The request.
            system: The system message.
            content: Of several engines, the engine that answers about this content is asked.
            cancel: Ends the request within 0.1 s of being set.

        Raises:
            AppError: The engine doesn't start, or the request fails.
            Cancelled: `cancel` was set.
        """
        from framelens.llm import messages, stream

        with self._switcher.admitted(Control(cancel=cancel)):
            connection = value_of(self._connect(content, cancel))
            reply = stream.ask(connection.chat, messages.text_only(prompt, system=system), cancel=cancel)
            is_cut = reply.finish_reason == "length"
            return reply.text.rpartition("\n")[0] if is_cut else reply.text, connection.endpoint.model

    def check(
        self, thing: str, moments: Sequence[Moment], *, cancel: threading.Event
    ) -> Generator[tuple[int, int, Sequence[Moment]], None, None]:
        """Let the model in use look at moments; yield the number of looks done and of all, and the moments after each.

        Args:
            thing: What is looked for, with its article.
            moments: The moments; those of reports without pictures are not looked at.
            cancel: Ends the requests within 0.1 s of being set.

        Raises:
            InputError: "job_unknown": a report was deleted.
            AppError: The engine doesn't start, takes no pictures, or a request fails.
            Cancelled: `cancel` was set.
        """
        with self._switcher.admitted(Control(cancel=cancel)):
            yield from self._check(thing, moments, cancel)

    def _check(
        self, thing: str, moments: Sequence[Moment], cancel: threading.Event
    ) -> Generator[tuple[int, int, Sequence[Moment]], None, None]:
        """Yield moments with what the model says, while the engine is kept unchanged; see `check`."""
        checked = list(moments)
        analyses = {job_id: self._jobs.snapshot(job_id).analysis for job_id in {moment.job_id for moment in moments}}
        pairs = ((moment, analyses[moment.job_id]) for moment in moments)
        frames = {moment: frame for moment, analysis in pairs if analysis and (frame := moment.frame_of(analysis))}
        looks = self._look(thing, list(frames.values()), moments[0].job_id if moments else "", cancel)
        for done, (moment, (is_there, reason)) in enumerate(zip(frames, looks, strict=True), 1):
            checked[moments.index(moment)] = replace(moment, is_confirmed=is_there, remark=reason)
            yield done, len(frames), checked

    def _look(
        self, thing: str, frames: Sequence[Keyframe], content: str, cancel: threading.Event
    ) -> Generator[tuple[bool | None, str], None, None]:
        """Yield whether the model sees a thing on each of these frames, None if its answer can't be used, and why."""
        from framelens.llm import messages, stream
        from framelens.questions.votes import UNDECIDED, VoteAsker

        if frames:
            connection = value_of(self._connect(content, cancel))
            if connection.sight.needs_text:
                raise EngineError("model_blind", model=connection.endpoint.model)
            asker = VoteAsker(connection, language())
            side = connection.side or _LOOK_SIDE
            jpegs, url = [fitted(frame.jpeg, side) for frame in frames], partial(messages.data_url, side=side)
            votes = asker.ask(thing, jpegs, seconds=_LOOK_SECONDS, cancel=cancel)
            with closing(votes) as arrived:
                probabilities = {vote.index: vote.probability for vote in arrived}
            for index, frame in enumerate(frames):
                probability = probabilities.get(index, UNDECIDED)
                if probability == UNDECIDED:
                    yield None, ""
                    continue
                is_there = probability > UNDECIDED
                question = t("ask.prompt.why_there" if is_there else "ask.prompt.why_absent", thing=thing)
                system = t("ask.prompt.why_system")
                asked = connection.messages([frame], question, system=system, url=url)
                reply = stream.ask(connection.chat, asked, cancel=cancel)
                yield is_there, single_line(reply.text)[:_LONGEST_REASON]

    def _analysis(self, job_id: str) -> Analysis:
        if (analysis := self._jobs.snapshot(job_id).analysis) is None:
            raise InputError("no_report_yet", id=job_id)
        return analysis

    def _wait_for_facts(self, about: Sequence[str], cancel: threading.Event) -> dict[str, Analysis]:
        """Return the analyses with these ids once all their facts have been measured. Raises Cancelled."""
        for analysis_id in about:
            while self._is_measuring(analysis_id):
                if cancel.wait(_POLL_SECONDS):
                    raise Cancelled
        return {analysis_id: self._analysis(analysis_id) for analysis_id in about}

    def _is_measuring(self, job_id: str) -> bool:
        """Return whether a job measures facts. In later stages it may wait for the engine behind this answer."""
        job = self._jobs.brief(job_id)
        return not job.is_over and job.progress.stage == "facts"

    def _connect(
        self, content: str, cancel: threading.Event, *, was_lost: bool = False
    ) -> Generator[EngineProgress, None, EngineConnection]:
        """Connect the engine in use, yield its progress and return the connection; closing the generator stops it.

        Of several engines, the engine that answers about this content is connected. The answer doesn't count as a video
        that this engine works on.

        Raises:
            AppError: The engine doesn't start.
            Cancelled: `cancel` was set.
        """
        progress: queue.SimpleQueue[EngineProgress] = queue.SimpleQueue()
        stop = threading.Event()
        connector = self._switcher.session.connector
        connecting = partial(connector.connect, progress.put, stop, lambda: content, was_lost=was_lost)
        connected = in_thread("ask-connect", connecting)
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


def _step_text(event: AskEvent) -> str:
    """Return what is done at this event, "" if that doesn't change."""
    match event:
        case AnswerText():
            return t("ask.answering")
        case Looking(step):
            return t(f"ask.look.{step}")
        case MomentsSearched(moments):
            return t("ask.searching", frames=len(moments.samples), n=len(moments.intervals))
        case Queued(place) if place:
            return t("ask.page.place", n=place)
        case EngineProgress() as progress:
            return phase_text(progress)
        case _:
            return ""
