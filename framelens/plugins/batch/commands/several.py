"""Analysis of several videos by `framelens analyse`: a line for each result, a summary, and the worst exit code.

The queue holds only as many jobs as run at a time, so that a stop leaves no jobs that never started.
"""

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from framelens.analysis.planning.frame_budget import FIT
from framelens.analysis.prompts.templates import Templates
from framelens.cli.analysis_options import build_common_request, print_failures
from framelens.cli.common import cancel_on_signals, worst_exit_code
from framelens.cli.grammar import Options
from framelens.cli.report_output import Output
from framelens.composition import open_services, usual_workers
from framelens.config import Settings
from framelens.core.codec import Failure, to_document
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import AppError, Cancelled, ConfigError
from framelens.core.files import new_id
from framelens.core.roles import current_user
from framelens.i18n import error_text, t
from framelens.i18n.formatting import span
from framelens.jobs.analyses import is_no_video, raise_without_report
from framelens.jobs.deduplication import request_digest
from framelens.jobs.queue import Jobs
from framelens.jobs.snapshot import JobSnapshot
from framelens.plugins.batch.batch import Batch, BatchVideo
from framelens.plugins.batch.batch_repository import BatchRepository
from framelens.plugins.batch.commands.progress import BatchProgress
from framelens.plugins.batch.results import RESULT_STATES, ResultState
from framelens.plugins.batch.runner import BatchHalted, Listener, VideoEnded, followed_run, run_videos
from framelens.reports.json import writer
from framelens.video.files import check_file, printable_path
from framelens.video.inputs import Input
from framelens.video.worker_pool import worker_ready

State = ResultState | Literal["done_before", "skipped", "cancelled"]
_STATES: tuple[State, ...] = (*RESULT_STATES, "done_before", "skipped", "cancelled")


@dataclass(frozen=True)
class Outcome:
    """The result for a video.

    Attributes:
        path: The video.
        state: "done_before" for an existing report that was written again, "skipped" for a video that was left out.
        seconds: Time spent on it here.
        exit_code: Its exit code.
        job: The stored analysis, if any.
        error: Reason why there is no report, or why it has no answer of a model.
        report: The written file.
    """

    path: Path
    state: State
    seconds: float = 0.0
    exit_code: int = 0
    job: JobSnapshot | None = None
    error: AppError | None = None
    report: Path | None = None

    @property
    def title(self) -> str:
        """Return the model's description of the video in a few words, or "" without a description."""
        return self.job.analysis.brief if self.job and self.job.analysis else ""


@dataclass(frozen=True)
class SeveralVideos:
    """Arguments that all videos of a command share; see `run`."""

    request: Callable[[Path], AnalysisRequest]
    code_of: Callable[[AppError], int]
    settings: Settings
    options: Options
    output: Output


def run(
    inputs: Iterable[Input],
    make_request: Callable[[Path], AnalysisRequest],
    code_of: Callable[[AppError], int],
    settings: Settings,
    options: Options,
    output: Output,
) -> int:
    """Analyse all videos, print a line for each and a summary, and return the exit code.

    Args:
        inputs: The videos.
        make_request: Builds a video's request. Raises ConfigError for wrong options, another AppError for the video.
        code_of: Returns the exit code for an analysis that ended with this error.
        settings: The settings.
        options: The options of the command.
        output: Where reports go.

    Raises:
        ConfigError: An option is wrong for all of them.
        StorageError: The data folder can't be used.
    """
    items = tuple(inputs)
    batch, total = SeveralVideos(make_request, code_of, settings, options, output), len(items)
    cancel, since = cancel_on_signals(), time.monotonic()
    outcomes: list[Outcome] = []
    with (
        worker_ready(),
        closing(open_services(settings, adopts=False, workers=options.jobs)) as services,
        BatchProgress(total, quiet=options.quiet) as progress,
        progress.notices(services, is_asked=not options.no_model),
    ):
        record = _BatchRecord(BatchRepository(services.store), batch, items)
        for outcome in _outcomes(batch, services.jobs, items, progress, cancel):
            record.save(outcome)
            place = f"{len(outcomes) + 1}/{total}"
            progress.say(_json_line(outcome) if options.json else _line(outcome, place), sys.stdout)
            outcomes.append(replace(outcome, job=None))  # releases its pictures, many megabytes
    _print_summary(outcomes, total, time.monotonic() - since, batch)
    codes = [outcome.exit_code for outcome in outcomes] + [130] * (len(outcomes) < total)
    return worst_exit_code(codes)


class _BatchRecord:
    """The videos of a command as a stored batch, which the page shows and continues like its own batches.

    The same command again replaces the earlier batch. Nothing is stored for a single video or if no path gives a video.
    """

    def __init__(self, batches: BatchRepository, command: SeveralVideos, items: Sequence[Input]) -> None:
        self._batches = batches
        self._videos = [
            BatchVideo(
                "", one.path, printable_path(one.path.name), failure=Failure.of(one.error) if one.error else None
            )
            for one in items
        ]
        self._places = {one.path: place for place, one in enumerate(items)}
        self._batch: Batch | None = None
        if len(items) > 1 and any(one.error is None for one in items):
            self._batch = batches.add(self._made(command, items))

    def _made(self, command: SeveralVideos, items: Iterable[Input]) -> Batch:
        options, settings = command.options, command.settings
        request, fits = build_common_request(options, settings, Templates(settings.template_dir)), options.frames == FIT
        words = (current_user().id, *(["fit"] if fits else []), *(str(one.path) for one in items))
        key = request_digest("\n".join(words), request, {})
        return Batch(
            key[: len(new_id())], tuple(self._videos), request, "", fits_request=fits, repeats=command.options.anew
        )

    def save(self, outcome: Outcome) -> None:
        """Store the job or failure of a video."""
        if self._batch is None:
            return
        place = self._places[outcome.path]
        job_id = outcome.job.id if outcome.job else ""
        failure = Failure.of(outcome.error) if outcome.error and not job_id else None
        self._batches.save_video(self._batch.id, place, replace(self._videos[place], job_id=job_id, failure=failure))


def _outcomes(
    batch: SeveralVideos, jobs: Jobs, inputs: Iterable[Input], progress: BatchProgress, cancel: threading.Event
) -> Iterator[Outcome]:
    workers = batch.options.jobs or usual_workers(batch.settings)
    for event in run_videos(inputs, partial(_analyse, batch, jobs), workers=workers, cancel=cancel):
        progress.show(event)
        match event:
            case VideoEnded(_, outcome):
                yield outcome
            case BatchHalted(error):
                raise error


def _analyse(batch: SeveralVideos, jobs: Jobs, item: Input, listener: Listener, stop: threading.Event) -> Outcome:
    """Submit or resume a video's job and wait for it, unless that isn't needed or not possible."""
    options, since = batch.options, time.monotonic()
    try:
        if item.error:
            raise item.error
        check_file(item.path)
        request = batch.request(item.path)
        if options.skip_done and (known := jobs.finished(request)):
            return Outcome(item.path, "skipped", job=known)
        run = followed_run(jobs, request, listener, stop, force=options.anew)
    except ConfigError:
        raise
    except AppError as error:
        return Outcome(item.path, "failed", exit_code=error.exit_code, error=error)
    job = run.result()
    outcome = _finish(batch, Outcome(item.path, "done", job=job, error=job.error), was_done=run.was_finished)
    if is_no_video(job):
        outcome = replace(outcome, job=None)
    return replace(outcome, seconds=time.monotonic() - since)


def _finish(batch: SeveralVideos, outcome: Outcome, *, was_done: bool) -> Outcome:
    """Return the outcome of a job that is over, after its report was written."""
    job = outcome.job
    assert job
    try:
        raise_without_report(job)
    except AppError as error:
        state: State = "cancelled" if isinstance(error, Cancelled) else "failed"
        return replace(outcome, state=state, exit_code=error.exit_code, error=error)
    assert job.analysis
    made = job.analysis.outcome
    code = batch.code_of(job.error) if job.error else 0
    outcome = replace(outcome, state="done_before" if was_done and made == "done" else made, exit_code=code)
    if batch.options.json and not batch.options.output:
        return outcome
    try:
        path = batch.output.path_for(outcome.path)
        batch.output.write(job.analysis, path)
    except AppError as error:
        return replace(outcome, state="failed", exit_code=error.exit_code, error=error)
    return replace(outcome, report=path)


# ---- what is printed -------------------------------------------------------------------------------------------------


def _line(outcome: Outcome, place: str) -> str:
    state = t(f"cli.batch_{outcome.state}")
    took = span(outcome.seconds, outcome.seconds) if outcome.seconds else ""
    is_shown = outcome.error and outcome.state == "failed"
    what = error_text(outcome.error) if outcome.error and is_shown else outcome.title
    parts = " · ".join(filter(None, (state, took, _display_path(outcome.path), " ".join(what.split()))))
    return f"[{place}] {parts}" + (f" → {_display_path(outcome.report)}" if outcome.report else "")


def _display_path(path: Path) -> str:
    """Return a path for display: relative if it is below the working directory."""
    return printable_path(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _json_line(outcome: Outcome) -> str:
    """Format an outcome as a line of JSON, with the whole report in it unless that was written to a file."""
    error, job = outcome.error, outcome.job
    document: dict[str, Any] = {
        "path": str(outcome.path),
        "state": outcome.state,
        "seconds": round(outcome.seconds, 1),
        "exit_code": outcome.exit_code,
        "id": job.id if job else None,
        "title": outcome.title or None,
        "error": {"key": error.key, "text": error_text(error)} if error else None,
        "report_path": str(outcome.report) if outcome.report else None,
        "report": writer.form_of(job.analysis, pictures=False) if job and job.analysis and not outcome.report else None,
    }
    return json.dumps(to_document(document), ensure_ascii=False)


def _print_summary(outcomes: list[Outcome], total: int, seconds: float, batch: SeveralVideos) -> None:
    print_failures(one.error for one in outcomes if one.error and one.state not in ("failed", "cancelled"))
    counts = Counter(outcome.state for outcome in outcomes)
    parts = [t(f"cli.batch_{state}_count", n=n) for state in _STATES if (n := counts[state])]
    if left := total - len(outcomes):
        parts.append(t("cli.batch_left_count", n=left))
    words = {"total": total, "counts": t("cli.batch_comma").join(parts)}
    summary = t("cli.batch_summary", time=span(seconds, seconds), **words)
    print(summary, file=sys.stderr if batch.options.json else sys.stdout)
    if left or counts["cancelled"]:
        print(t("cli.batch_stopped"), file=sys.stderr)
