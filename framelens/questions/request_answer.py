"""Answer to the question of an analysis: the first turn of a conversation about it, answered like every question.

Before it is asked, its plan says what it will take, for an estimate.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from math import ceil

from framelens.analysis.planning.question import QuestionPlan
from framelens.analysis.requests.engine_connection import EngineConnection
from framelens.core.domain import Analysis
from framelens.core.events import AnswerChanged, AnswerStep, EngineProgress
from framelens.questions.answer import converse
from framelens.questions.answer_queue import AnswerQueues
from framelens.questions.conversation import (
    AnswerDone,
    AnswerDraft,
    AnswerText,
    AskEvent,
    AskSettings,
    Conversation,
    Evidence,
    Look,
    MomentsSearched,
    ReasoningText,
    Turn,
)
from framelens.questions.frames import look_at
from framelens.questions.moments.bisection import expected_frames, usual_looks
from framelens.questions.report import reported
from framelens.questions.repository import ConversationRepository
from framelens.questions.retrieval.openings import kind_by_opening, opening_of, parts_in_words
from framelens.questions.retrieval.select import SCORING_SECONDS, RetrievalTools, is_dense, num_dense_frames, overlap
from framelens.questions.retrieval.text_question import is_about_text
from framelens.questions.retrieval.values import SEARCHED, Kind, Looking
from framelens.questions.text_answer import answers_from_text
from framelens.video.keyframes.options import MOST_THUMBNAILS

_THUMBNAIL_SECONDS = 2.0
"""Usual time between two small pictures of the survey. Measured 72 in 139 s."""


@dataclass(frozen=True)
class RequestAnswerer:
    """Answers the questions of analyses. Safe to use from several threads.

    Attributes:
        repository: Where the conversations are kept.
        queues: Questions to the engines.
        tools: What the choice of frames needs.
    """

    repository: ConversationRepository
    queues: AnswerQueues
    tools: RetrievalTools

    def reads_screen(self, question: str) -> bool:
        """Return whether the answer rests on text on the screen, which is recognized for all keyframes first."""
        return any(kind_by_opening(part) == "read" for part in parts_in_words(question))

    def is_about_text(self, question: str) -> bool:
        """Return whether text on the screen or speech may answer a question, without a model."""
        return is_about_text(question)

    def wants_description(self, question: str) -> bool:
        """Return whether a part of a question asks for a description of the video."""
        return _without_description(question) != question

    def answer(
        self,
        analysis: Analysis,
        measured: Callable[[], Analysis],
        connection: EngineConnection | None,
        cancel: threading.Event,
    ) -> Generator[AnswerChanged, None, None]:
        """Answer the question of an analysis, whose job is stored, and yield the answer as it grows.

        The conversation is stored; it has the same id for the same job and settings, so that an answer that was
        interrupted continues.

        Args:
            analysis: The analysis, whose facts may be incomplete.
            measured: Waits for all its facts, and returns it with them.
            connection: The engine; None without a model, where text and speech alone may answer.
            cancel: Stops the answer within 0.1 s once it is set.

        Raises:
            AppError: What `converse` raises, after the partial answer, if any.
            Cancelled: `cancel` was set.
        """
        if connection is None and not self._answers_from_text(measured()):
            return
        draft = AnswerDraft(self._conversation_of(analysis))
        progress = _Progress(draft, analysis, self.repository)
        if draft.turn.state == "complete":
            yield progress.changed(is_over=True)
            return
        events = converse(
            draft,
            {analysis.id: analysis},
            lambda: {analysis.id: measured()},
            partial(_reuse_connection, connection) if connection else None,
            self.repository,
            self.queues,
            self.tools,
            cancel,
        )
        with closing(events):
            for event in events:
                yield progress.after(event)

    def _answers_from_text(self, analysis: Analysis) -> bool:
        conversation = Conversation.begun_about([analysis.id], analysis.request.language).with_question(
            analysis.request.question, AskSettings()
        )
        return answers_from_text(conversation, {analysis.id: analysis})

    def _conversation_of(self, analysis: Analysis) -> Conversation:
        """Return the conversation whose current turn is the question: a new question, or an interrupted run's."""
        request = analysis.request
        conversation_id = _id_of(analysis)
        stored = self.repository.find_exact(conversation_id)
        first = next((turn for turn in reversed(stored.turns if stored else ()) if not turn.parent), None)
        if stored is None or first is None:
            new = replace(Conversation.begun_about([analysis.id], request.language), id=conversation_id)
            return new.with_question(_without_description(request.question), AskSettings())
        conversation = replace(stored, current=first.number)
        if first.state == "complete":
            return conversation
        conversation = conversation.with_turn(_repeated_turn(first))
        self.repository.save(conversation, conversation.last)
        return conversation


class _Progress:
    """The answer as the analysis has it, event by event."""

    def __init__(self, draft: AnswerDraft, analysis: Analysis, repository: ConversationRepository) -> None:
        self._draft = draft
        self._analysis = analysis
        self._repository = repository
        self._step: AnswerStep = "question"
        self._looked = 0
        self._total: int | None = None

    def after(self, event: AskEvent) -> AnswerChanged:
        """Return the answer after an event."""
        if isinstance(event, MomentsSearched):
            frames = self._draft.turn.settings.search_frames
            looked = len(event.moments.samples)
            self._count("search", looked, max(looked, min(frames, expected_frames(event.moments))))
        elif isinstance(event, Looking):
            self._count(event.step, event.done, event.total)
        elif isinstance(event, AnswerText | ReasoningText):
            self._count("words")
        return self.changed(is_over=isinstance(event, AnswerDone))

    def changed(self, *, is_over: bool) -> AnswerChanged:
        """Return the answer as it is now, with its pictures once it is over."""
        conversation = self._draft.conversation
        alone = replace(conversation, turns=(conversation.last,))
        answer = reported(alone, self._analysis, self._repository, lambda _: None)
        answer = answer if is_over else replace(answer, pictures=())
        return AnswerChanged(answer, self._step, self._looked, self._total, is_over)

    def _count(self, step: AnswerStep, looked: int = 0, total: int = 0) -> None:
        self._step, self._looked, self._total = step, looked, total or None


def _id_of(analysis: Analysis) -> str:
    """Return the id of the conversation: the same for the same job, question and settings."""
    request = analysis.request
    key = [analysis.id, request.question, request.language, dict(sorted(analysis.conditions.items()))]
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]


def _without_description(question: str) -> str:
    """Return the parts of a question that the description of the video doesn't answer; all if it has no others."""
    parts = parts_in_words(question)
    remaining = [part for part in parts if kind_by_opening(part) != "global"]
    return " ".join(remaining) if 0 < len(remaining) < len(parts) else question


def _repeated_turn(turn: Turn) -> Turn:
    """Return a turn that was interrupted as it was asked, with what its search has found."""
    moments = turn.evidence.moments if turn.evidence else ()
    evidence = Evidence(moments=moments) if moments else None
    return Turn(turn.number, turn.parent, turn.question, turn.created, evidence=evidence, settings=turn.settings)


def _reuse_connection(
    connection: EngineConnection, *, was_lost: bool = False
) -> Generator[EngineProgress, None, EngineConnection]:
    yield from ()  # the run itself waits for an engine that was lost
    return connection


# ---- plan


def plan_answer(question: str, whole: tuple[float, float], frames: int) -> tuple[QuestionPlan, ...]:
    """Return the ways in which the question of an analysis may be answered: several where the model decides.

    The range that the question names is looked at alone, as for the answer.

    Args:
        question: The question.
        whole: Start and end of the video in seconds, or of the part of it that is analysed.
        frames: Number of frames that are analysed.
    """
    remaining = _without_description(question)
    describes, question = remaining != question, remaining
    look = look_at(question, Look(), [whole])
    start, end = overlap(*whole, look.start_seconds, look.end_seconds)
    if look.kind == "local":
        plans: tuple[QuestionPlan, ...] = (QuestionPlan(),)
    else:
        plans = _ways(question, end - start, frames, whole_seconds=whole[1] - whole[0], has_range=look.has_range)
    dense = num_dense_frames(end - start, frames) if look.has_range else None
    return tuple(replace(plan, frames=dense, describes=describes or not plan.is_search) for plan in plans)


def _ways(
    question: str, seconds: float, frames: int, *, whole_seconds: float, has_range: bool
) -> tuple[QuestionPlan, ...]:
    """Return the ways to answer a question about so many seconds of a video of `whole_seconds` with `frames`."""
    parts = parts_in_words(question)
    openings = list(map(opening_of, parts))
    is_classified = not all(opening.is_decided for opening in openings)
    searches = sum(opening.kind in SEARCHED for opening in openings)
    if searches and len(parts) > 1:
        return (_search(seconds, searches, is_written=searches < len(parts), is_classified=is_classified),)
    if searches:
        return (_search(seconds, is_classified=is_classified),)
    kinds = {opening.kind for opening in openings}
    kind = kinds.pop() if len(kinds) == 1 else None
    by_frames = _by_frames(kind or "local", seconds, frames, whole_seconds=whole_seconds)
    if kind in ("global", "spoken") or (kind and not by_frames.looks[1] and (has_range or kind == "read")):
        return (by_frames,)
    by_frames = replace(by_frames, is_classified=is_classified)
    return (by_frames,) if kind else (_search(seconds), by_frames)


def _search(seconds: float, searches: int = 1, *, is_written: bool = False, is_classified: bool = True) -> QuestionPlan:
    limits = AskSettings()
    fewest, most = (searches * min(number, limits.search_frames) for number in usual_looks(seconds))
    return QuestionPlan(
        (fewest, most),
        searches * float(limits.search_seconds),
        is_search=True,
        is_classified=is_classified,
        is_written=is_written,
    )


def _by_frames(kind: Kind, seconds: float, frames: int, *, whole_seconds: float) -> QuestionPlan:
    if kind in ("global", "spoken") or is_dense(kind, seconds, frames):
        return QuestionPlan()
    share = seconds / whole_seconds if whole_seconds else 1.0
    candidates = frames + min(MOST_THUMBNAILS, ceil(whole_seconds / _THUMBNAIL_SECONDS))
    looks = (ceil(share * frames), ceil(share * candidates))
    return QuestionPlan(looks, SCORING_SECONDS, is_classified=True)
