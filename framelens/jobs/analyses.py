"""Analyses for commands and programs: settings and request from the given options, and a run with its events."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from framelens.analysis.planning.frame_budget import AUTO, frame_limit
from framelens.analysis.prompts.templates import Templates
from framelens.config import Settings
from framelens.core.domain import MOST_SPEAKERS, AnalysisRequest, Language, Selection
from framelens.core.errors import AppError, Cancelled, ConfigError, EngineError
from framelens.core.files import readable
from framelens.jobs.engine_session import open_planner
from framelens.questions.conversation import checked_question
from framelens.video.extractor import probe
from framelens.video.subtitles.discovery import check_subtitle_file

if TYPE_CHECKING:
    from framelens.core.analysis_state import AnalysisUpdate
    from framelens.jobs.queue import Jobs
    from framelens.jobs.snapshot import JobSnapshot

_STOP_SECONDS = 10.0
"""How long to wait for a job to stop, which it does within a second."""


def with_named(settings: Settings, *, model: str, base_url: str) -> Settings:
    """Return `settings` with the given model and engine address; an empty value changes nothing."""
    if model:
        settings = replace(settings, model_path=model, model_chosen=True)
    return replace(settings, base_url=base_url) if base_url else settings


def build_request(
    path: Path,
    settings: Settings,
    templates: Templates,
    *,
    template: str,
    question: str,
    language: Language,
    use_model: bool,
    selection: Selection,
    frames: int | None,
    subtitles: Path | None = None,
    speakers: int | None = None,
) -> AnalysisRequest:
    """Build the request for a video.

    Args:
        path: The video.
        settings: The settings, which determine how many frames fit.
        templates: All templates.
        template: Key of a template, "" for a description, or for an answer if a question is given.
        question: The user's question, "" without a question.
        language: Language of the report.
        use_model: Ask a model.
        selection: How frames are chosen.
        frames: Most frames, FIT, AUTO, or None for the default.
        subtitles: Subtitle file to use before those in the video and beside it.
        speakers: Number of people whose speech is separated, 0 to guess it, None not to.

    Raises:
        ConfigError: The template is unknown or needs a question, the question is blank or too long, or there can't be
            so many speakers.
        InputError: There is no such subtitle file, or it is of another kind.
        AppError: The video can't be read, with FIT.
    """
    question = checked_question(question) if question else ""
    template = template or ("question" if question else "describe")
    if templates.find(template).needs_question and not question:
        raise ConfigError("question_missing")
    if speakers is not None and not 0 <= speakers <= MOST_SPEAKERS:
        raise ConfigError("whole_number_wrong", given=str(speakers), low=0, high=MOST_SPEAKERS)
    request = AnalysisRequest(
        path=path,
        template=template,
        question=question,
        language=language,
        use_model=use_model,
        selection=selection,
        subtitles=subtitles and check_subtitle_file(subtitles),
        speakers=speakers,
    )

    def fit() -> int:
        return open_planner(settings).held_frames(probe(path), request, templates.find(template))

    most, adapts = frame_limit(frames, selection.strategy, AUTO, fit)
    return replace(request, frames=most, adapts=adapts)


@dataclass(frozen=True)
class AnalysisRun:
    """A job that was started for a caller who waits for it.

    Attributes:
        job_id: Id of the job.
        answered: Number of chunks that are answered already, if an earlier job that stopped early is resumed.
        was_finished: Whether the job was finished before.
    """

    job_id: str
    answered: int | None
    was_finished: bool
    _request: AnalysisRequest
    _jobs: Jobs
    _updates: queue.SimpleQueue[AnalysisUpdate] = field(repr=False)

    @property
    def job(self) -> JobSnapshot:
        """Return the current state of the job."""
        return self._jobs.snapshot(self.job_id)

    def updates(self, cancel: threading.Event) -> Generator[AnalysisUpdate, None, None]:
        """Yield the events, with the states after them, until the job is over.

        `cancel` stops it. Closing the generator, or an error such as KeyboardInterrupt in it, does too, and waits.
        """
        try:
            while not self.is_over or not self._updates.empty():
                if cancel.is_set():
                    self.cancel()
                with suppress(queue.Empty):
                    yield self._updates.get(timeout=0.1)
        except BaseException:
            self.stop([self])
            raise

    def arrived(self) -> Iterator[AnalysisUpdate]:
        """Yield the events since the last call, without waiting."""
        with suppress(queue.Empty):
            while True:
                yield self._updates.get_nowait()

    @classmethod
    def begin(cls, jobs: Jobs, request: AnalysisRequest, *, name: str, force: bool) -> AnalysisRun:
        """Start an analysis, resume the same analysis if it stopped early, or take it if it is finished.

        Args:
            jobs: The queue.
            request: The analysis.
            name: Name of the video as shown to the user.
            force: Analyse even if the same file was analysed in the same way before.

        Raises:
            InputError: The settings have changed since the job stopped.
            StorageError: The job could not be stored.
        """
        updates: queue.SimpleQueue[AnalysisUpdate] = queue.SimpleQueue()
        if unfinished := None if force else jobs.unfinished(request):
            results = [result for result in jobs.snapshot(unfinished).progress.results if result.is_chunk]
            answered = sum(result.is_usable and not result.is_unfinished for result in results)
            jobs.resume(unfinished, listener=updates.put, moved=request)
            return cls(unfinished, answered, False, request, jobs, updates)
        finished = None if force else jobs.finished(request)
        job_id = jobs.submit(request, name=name, force=force, listener=updates.put)
        return cls(job_id, None, finished is not None and finished.id == job_id, request, jobs, updates)

    @property
    def is_over(self) -> bool:
        """Return whether the job neither waits nor runs."""
        return self._jobs.brief(self.job_id).is_over

    def cancel(self) -> None:
        """Ask the job to stop."""
        self._jobs.cancel(self.job_id)

    @staticmethod
    def stop(runs: Sequence[AnalysisRun]) -> None:
        """Ask jobs to stop, and wait until they have."""
        for run in runs:
            run.cancel()
        deadline = time.monotonic() + _STOP_SECONDS
        while not all(run.is_over for run in runs) and time.monotonic() < deadline:
            time.sleep(0.05)

    def result(self) -> JobSnapshot:
        """Return the finished job, and delete it from the queue if its file is no video, since it is empty then.

        A report that was made from a copy with another name is renamed to the given file.
        """
        job = self.job
        if job.is_no_video:
            self._jobs.remove(self.job_id)
        path = self._request.path
        if self.was_finished and job.written and job.written.video.path.name != path.name:
            video = replace(job.written.video, path=path, name=readable(path.name))
            return replace(job, progress=job.progress.with_report(replace(job.written, video=video)))
        return job


def raise_without_report(job: JobSnapshot) -> None:
    """Raise the error of a job that is over without a complete report, or whose report has no usable answer.

    Raises:
        AppError: The error of the job.
        Cancelled: The job was cancelled.
    """
    is_stopped = job.state in ("paused", "cancelled", "interrupted")
    if job.analysis is None or is_stopped or (job.error and not isinstance(job.error, EngineError)):
        raise job.error or Cancelled()


def is_expected(failure: AppError, settings: Settings) -> bool:
    """Return whether a report without a model counts as success after this failure.

    It counts if the user named no model and the default model is not available here.
    """
    is_default_model = not (settings.model_chosen or settings.base_url)
    no_model_here = failure.key in ("model_not_local", "vllm_not_installed", "local_engine_unsupported")
    if failure.key == "model_unconfirmed":  # available if the hub answers
        from framelens.engine.downloads.hub import hub_config  # asks the hub

        no_model_here = is_default_model and hub_config(settings.model_path) is None
    return is_default_model and no_model_here
