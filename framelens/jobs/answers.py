"""Answers that are written in the background, even after the page that asked for them is closed.

Each conversation has at most one answer at a time, for its user and administrators. Pages poll it; the question and the
partial answer are in the store, so a program that is killed leaves a turn that counts as stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from framelens.core.background_task import BackgroundTask, BackgroundTasks
from framelens.core.domain import Notice
from framelens.core.errors import AppError, Cancelled, InputError
from framelens.core.roles import current_user, requires, sees
from framelens.i18n import as_notice, in_language
from framelens.questions.conversation import AnswerDone, AnswerDraft, AskEvent, AskSettings, Conversation
from framelens.store.model_records import ModelRecords

if TYPE_CHECKING:
    from framelens.jobs.asking import Asking
    from framelens.jobs.queue import Jobs
    from framelens.questions.repository import ConversationRepository

_POLL_SECONDS = 0.2
"""Time between two checks of an analysis that the answer waits for."""
_STOP_SECONDS = 2.0
"""How long to wait until a stopped answer is stored, which takes a tenth of that time."""


@dataclass(frozen=True)
class AnswerProgress:
    """A conversation whose last answer is being written.

    Attributes:
        conversation: The conversation with the partial answer.
        latest: The latest event of the answer.
        waits_for: Id of the analysis whose frames the answer waits for, or "".
        is_done: Whether the answer is over and stored.
    """

    conversation: Conversation
    latest: AskEvent | None = None
    waits_for: str = ""
    is_done: bool = False


Answer = BackgroundTask[AnswerProgress, "Conversation"]


MOST_OF_USER = 16
"""Most questions of a user that wait or are answered at the same time, if there are accounts."""
_PAGE = "page"
"""Name of the record with the settings of answers on the page."""


def _settings(data_dir: Path) -> ModelRecords[AskSettings]:
    return ModelRecords(data_dir, "answers", AskSettings)


class Answers:
    """The answers that are being written, by conversation. All methods are thread-safe.

    Args:
        asking: Answers the questions.
        jobs: The queue, with the analyses that a question waits for.
        conversations: The stored conversations.
    """

    def __init__(self, asking: Asking, jobs: Jobs, conversations: ConversationRepository) -> None:
        self._asking = asking
        self._jobs = jobs
        self._conversations = conversations
        self._tasks = BackgroundTasks[AnswerProgress, "Conversation"]("answer")
        self._start_lock = threading.Lock()

    @staticmethod
    def usual_settings(data_dir: Path) -> AskSettings:
        """Return the settings with which questions are asked on the page. Raises StorageError."""
        return _settings(data_dir).get(_PAGE) or AskSettings()

    @staticmethod
    @requires("administrator")
    def keep_settings(data_dir: Path, settings: AskSettings) -> None:
        """Ask questions on the page with these settings from now on. Raises StorageError."""
        _settings(data_dir).save(_PAGE, settings)

    def get(self, conversation_id: str) -> Answer | None:
        """Return the running answer of a conversation, or an answer that failed before it could be stored."""
        task = self._task(conversation_id)
        return task if task and (task.is_running or task.state == "failed") else None

    def is_running(self, conversation_id: str) -> bool:
        """Return whether an answer of this conversation is being written."""
        task = self.get(conversation_id)
        return task is not None and task.is_running

    @requires("analyst")
    def start(self, conversation: Conversation, *, use_model: bool = True) -> None:
        """Answer the current question of a conversation, which is new; without a model, from text and speech alone.

        Args:
            conversation: The conversation.
            use_model: Ask the model, if there is one.

        Raises:
            InputError: "answer_under_way": another answer is still being written; or "answers_many".
        """
        user_id = current_user().id
        progress = AnswerProgress(conversation)
        with self._start_lock:
            if user_id and sum(answer.user_id == user_id for answer in self._tasks.running()) >= MOST_OF_USER:
                raise InputError("answers_many", count=MOST_OF_USER)
            if not self._tasks.start(conversation.id, partial(self._write, progress, use_model), progress=progress):
                raise InputError("answer_under_way")

    @requires("analyst")
    def stop(self, conversation_id: str) -> None:
        """Stop the answer of a conversation and keep the partial text."""
        if task := self._task(conversation_id):
            task.cancel()
            task.wait(_STOP_SECONDS)

    def close(self) -> None:
        """Stop all answers, and wait until the partial texts are stored."""
        self._tasks.close()

    def _task(self, conversation_id: str) -> Answer | None:
        """Return the answer of a conversation; None if there is no answer or the user may not see it."""
        answer = self._tasks.get(conversation_id)
        return answer if answer and sees(answer.user_id) else None

    def _write(
        self,
        progress: AnswerProgress,
        use_model: bool,
        report: Callable[[AnswerProgress], None],
        cancel: threading.Event,
    ) -> Conversation:
        """Answer the current question; return the conversation with the answer or the reason for its absence.

        The question is stored first: a program that is killed while the question waits leaves an unanswered turn.

        Raises:
            AppError: The question can't be stored.
        """
        progress = replace(progress, conversation=self._conversations.add(progress.conversation))
        try:
            with in_language(progress.conversation.language):
                self._await_analyses(progress, report, cancel)
                draft = AnswerDraft(progress.conversation)
                is_asked = use_model and self._asking.has_model()
                with closing(self._asking.ask(draft, cancel, use_model=is_asked)) as events:
                    for event in events:
                        progress = AnswerProgress(draft.conversation, event, is_done=isinstance(event, AnswerDone))
                        report(progress)
        except AppError as error:
            if not progress.is_done:
                turn = replace(progress.conversation.last, state="failed", why=as_notice(error))
                if isinstance(error, Cancelled):
                    turn = replace(turn, state="stopped", why=Notice("ask_stopped", level="info"))
                progress = replace(progress, conversation=progress.conversation.with_turn(turn))
                self._conversations.save(progress.conversation, turn)
        return progress.conversation

    def _await_analyses(
        self, progress: AnswerProgress, report: Callable[[AnswerProgress], None], cancel: threading.Event
    ) -> None:
        """Wait until the frames that the question is about are chosen.

        Raises:
            Cancelled: `cancel` was set.
        """
        for job_id in progress.conversation.about:
            while not self._jobs.snapshot(job_id).is_readable:
                report(replace(progress, waits_for=job_id))
                if cancel.wait(_POLL_SECONDS):
                    raise Cancelled
        report(progress)
