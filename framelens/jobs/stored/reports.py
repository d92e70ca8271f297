"""Stored reports with the conversations about them, which are read, imported and named together."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from framelens.core.corrections import rivals
from framelens.core.domain import Analysis
from framelens.core.errors import ConfigError, InputError
from framelens.core.roles import current_user, require_role
from framelens.core.units import clock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from framelens.jobs.queue import Jobs
    from framelens.jobs.stored.corrections import CorrectionOutcome, Draft
    from framelens.jobs.stored.speakers import SpeakerSummary
    from framelens.questions.conversation import Conversation
    from framelens.questions.repository import ConversationRepository
    from framelens.store.database import Store


class StoredReports:
    """The reports of the data folder, for their user.

    Args:
        store: The store.
        jobs: The queue, which has the reports.
        conversations: The stored conversations.
    """

    def __init__(self, store: Store, jobs: Jobs, conversations: ConversationRepository) -> None:
        self._store = store
        self._jobs = jobs
        self._conversations = conversations

    def get(self, job_id: str, *, conversations: bool = True) -> Analysis | None:
        """Return the report of a job, None without a report.

        Args:
            job_id: The job.
            conversations: Include the conversations about it.

        Raises:
            InputError: "job_unknown".
            StorageError: The conversations can't be read.
        """
        analysis = self._jobs.snapshot(job_id).analysis
        return self.with_conversations(analysis) if analysis and conversations else analysis

    def with_conversations(self, analysis: Analysis) -> Analysis:
        """Return an analysis with the stored conversations about it, for a report. Raises StorageError."""
        from framelens.core.corrected_report import corrected
        from framelens.questions import report

        made = report.with_conversations(analysis, self._conversations, self._other)
        return corrected(made, made.corrections.log) if made.conversations and made.corrections else made

    def as_corrected(self, conversation: Conversation) -> Conversation:
        """Return a conversation as people corrected it in reports, for reading alone. Raises StorageError."""
        from framelens.questions.report import as_corrected

        for job_id in conversation.about:
            with suppress(InputError):  # it was deleted
                if self._jobs.snapshot(job_id).corrections and (analysis := self.get(job_id)):
                    conversation = as_corrected(conversation, analysis)
        return conversation

    def add(self, analysis: Analysis) -> str:
        """Import a report with its conversations and return its id here; earlier imports are left unchanged.

        A kill leaves all or nothing.

        Raises:
            StorageError: The report or a conversation can't be stored.
        """
        from framelens.core.corrected_report import as_written
        from framelens.questions.report import keep_conversations

        with self._store.together():
            job_id = self._jobs.import_report(analysis)
            keep_conversations(as_written(analysis), job_id, self._conversations)
        return job_id

    def query_picture(
        self, report: str, seconds: float | None, image: tuple[str, bytes] = ("", b"")
    ) -> tuple[str, bytes]:
        """Return the name and content of the picture of a query: an image, or a report's keyframe nearest to a time.

        Args:
            report: The report as the library resolves it, "" for the image.
            seconds: The time.
            image: Name and content of an image file.

        Raises:
            ConfigError: "frame_of_two": both are given. "frame_incomplete": the report or the time is missing.
            InputError: "job_unknown", "job_ambiguous" or "frame_outside".
        """
        if not report and seconds is None:
            return image
        if image[1]:
            raise ConfigError("frame_of_two")
        if not report or seconds is None:
            raise ConfigError("frame_incomplete")
        job = self._jobs.snapshot(self._jobs.library.resolve_id(report))
        decode, frames = job.progress.decode, [frame for frame in job.progress.keyframes if frame.jpeg]
        end = decode.readable_seconds if decode else 0.0
        if not frames or not 0 <= seconds <= end:
            raise InputError(
                "frame_outside", name=job.name, given=clock(max(0.0, seconds)), end=clock(end), n=len(frames)
            )
        nearest = min(frames, key=lambda frame: abs(frame.time_seconds - seconds))
        return f"{job.name} {clock(nearest.time_seconds)}", nearest.jpeg

    def name_speakers(self, job_id: str, names: Mapping[str, str]) -> tuple[SpeakerSummary, ...]:
        """Name speakers in a report, and in further ones; see `framelens.jobs.stored.speakers.name_speakers`."""
        from framelens.jobs.stored.speakers import name_speakers

        return name_speakers(self._jobs, self._store.folder, job_id, names)

    def correct(
        self, job_id: str, drafts: Sequence[Draft], *, revision: int | None = None, author: str = ""
    ) -> CorrectionOutcome:
        """Append corrections to the log of a finished report, all or nothing, and make them findable.

        Args:
            job_id: The report.
            drafts: The corrections, in their order.
            revision: Length of the log that the person has seen, None for all of it.
            author: Name of the person where there are no accounts; a user with an account writes in the account's name.

        Raises:
            InputError: "job_unknown", "job_still_runs", "no_report_yet", "role_analyst", or a draft can't be applied.
            StorageError: The log can't be written, or is full ("corrections_many").
        """
        from framelens.jobs.stored.corrections import CorrectionOutcome, entries_of

        require_role("analyst")
        author, job = current_user().name or author, self._jobs.snapshot(job_id)
        if job.written is None:
            raise InputError("no_report_yet", id=job_id)
        if not job.is_over:
            raise InputError("job_still_runs", name=job.name)
        written = self.with_conversations(job.written)
        added = self._store.append_corrections(job_id, lambda log: entries_of(written, log, drafts, revision, author))
        changed = self._jobs.corrected(job_id)
        self._jobs.audit.record("correct", job_id, job.name)
        assert changed.analysis
        before = [entry for entry in changed.corrections if entry not in added]
        met = (rival for entry in added if entry.is_proposal for rival in rivals(before, entry.key, entry.revision))
        return CorrectionOutcome(self.with_conversations(changed.analysis), tuple(dict.fromkeys(met)))

    def video_names(self, conversation: Conversation) -> dict[str, str]:
        """Return the names of the videos that a conversation is about, by the ids of their analyses."""
        return {entry.id: entry.name for entry in self._jobs.library.entries(conversation.reports)}

    def _other(self, job_id: str) -> Analysis | None:
        with suppress(InputError):  # it was deleted
            return self._jobs.snapshot(job_id).analysis
        return None
