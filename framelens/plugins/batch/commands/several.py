"""Analysis of several videos by `framelens analyse`: a line for each result, a summary, and the worst exit code."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from framelens import AppError, error_text
from framelens.plugin import Settings, open_services, t
from framelens.plugin.analyses import JobSnapshot
from framelens.plugin.command_line import (
    Options,
    build_common_request,
    cancel_on_signals,
    print_failures,
    worst_exit_code,
)
from framelens.plugin.files import Input, printable_path
from framelens.plugin.outputs import Output
from framelens.plugin.processes import worker_ready
from framelens.plugin.reports import form_of
from framelens.plugin.storage import Failure, to_document
from framelens.plugin.texts import span
from framelens.plugins.batch.batch import Batch, BatchVideo, batch_id
from framelens.plugins.batch.batch_repository import BatchRepository
from framelens.plugins.batch.commands.progress import BatchProgress
from framelens.plugins.batch.loop import BatchLoop, VideoEnded
from framelens.plugins.batch.results import RESULT_STATES, ResultState

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


def run(
    inputs: Iterable[Input], code_of: Callable[[AppError], int], settings: Settings, options: Options, output: Output
) -> int:
    """Analyse all videos, print a line for each and a summary, and return the exit code.

    Args:
        inputs: The videos.
        code_of: Returns the exit code for an analysis that ended with this error.
        settings: The settings.
        options: The options of the command.
        output: Where reports go.

    Raises:
        ConfigError: An option is wrong for all of them.
        StorageError: The data folder can't be used.
    """
    batch = _batch_of(tuple(inputs), settings, options)
    total, cancel, since = len(batch.videos), cancel_on_signals(), time.monotonic()
    outcomes: list[Outcome] = []
    with (
        worker_ready(),
        closing(open_services(settings, adopts=False, workers=options.jobs)) as services,
        BatchProgress(total, quiet=options.quiet) as progress,
        progress.notices(services, is_asked=not options.no_model),
    ):
        batches = BatchRepository(services.store) if _is_stored(batch) else None
        batch = batches.add(batch) if batches else batch
        workers = services.jobs.num_workers
        loop = BatchLoop(batch, batches, services, workers=workers, cancel=cancel, force=options.anew)
        for event in loop.run(batch.videos):
            progress.show(event)
            if isinstance(event, VideoEnded):
                outcome = _finish(event, code_of, options, output)
                position = f"{len(outcomes) + 1}/{total}"
                progress.say(_json_line(outcome) if options.json else _line(outcome, position), sys.stdout)
                outcomes.append(replace(outcome, job=None))  # releases its pictures, many megabytes
    _print_summary(outcomes, total, time.monotonic() - since, options)
    codes = [outcome.exit_code for outcome in outcomes] + [130] * (len(outcomes) < total)
    return worst_exit_code(codes)


def _batch_of(items: tuple[Input, ...], settings: Settings, options: Options) -> Batch:
    request, fits = build_common_request(options, settings)
    videos = [
        BatchVideo(
            "", item.path, printable_path(item.path.name), failure=Failure.of(item.error) if item.error else None
        )
        for item in items
    ]
    paths = "\n".join(str(item.path) for item in items)
    return Batch(batch_id(paths, request, {}, fits_request=fits), tuple(videos), request, fits_request=fits)


def _is_stored(batch: Batch) -> bool:
    """Return whether the page lists the batch: not a single video, nor paths of which none gives a video."""
    return len(batch.videos) > 1 and any(video.failure is None for video in batch.videos)


def _finish(ended: VideoEnded, code_of: Callable[[AppError], int], options: Options, output: Output) -> Outcome:
    """Write the report of a video that is over, and return the outcome."""
    path, job, error = ended.video.path, ended.job, ended.job.error if ended.job else ended.error
    if ended.was_done and options.skip_done:
        return Outcome(path, "skipped", job=job)
    if ended.state is None:
        return Outcome(path, "cancelled", ended.seconds, 130, job)
    if ended.state == "failed" or job is None or job.analysis is None:
        assert error
        return Outcome(path, "failed", ended.seconds, error.exit_code, job, error)
    state: State = "done_before" if ended.was_done and ended.state == "done" else ended.state
    outcome = Outcome(path, state, ended.seconds, code_of(error) if error else 0, job, error)
    if options.json and not options.output:
        return outcome
    try:
        report = output.path_for(path)
        output.write(job.analysis, report)
    except AppError as error:
        return replace(outcome, state="failed", exit_code=error.exit_code, error=error)
    return replace(outcome, report=report)


# ---- what is printed -------------------------------------------------------------------------------------------------


def _line(outcome: Outcome, position: str) -> str:
    state = t(f"cli.batch_{outcome.state}")
    took = span(outcome.seconds, outcome.seconds) if outcome.seconds else ""
    is_shown = outcome.error and outcome.state == "failed"
    what = error_text(outcome.error) if outcome.error and is_shown else outcome.title
    parts = " · ".join(filter(None, (state, took, _display_path(outcome.path), " ".join(what.split()))))
    return f"[{position}] {parts}" + (f" → {_display_path(outcome.report)}" if outcome.report else "")


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
        "report": form_of(job.analysis, pictures=False) if job and job.analysis and not outcome.report else None,
    }
    return json.dumps(to_document(document), ensure_ascii=False)


def _print_summary(outcomes: list[Outcome], total: int, seconds: float, options: Options) -> None:
    print_failures(
        outcome.error for outcome in outcomes if outcome.error and outcome.state not in ("failed", "cancelled")
    )
    counts = Counter(outcome.state for outcome in outcomes)
    parts = [t(f"cli.batch_{state}_count", n=n) for state in _STATES if (n := counts[state])]
    if left := total - len(outcomes):
        parts.append(t("cli.batch_left_count", n=left))
    values = {"total": total, "counts": t("cli.batch_comma").join(parts)}
    summary = t("cli.batch_summary", time=span(seconds, seconds), **values)
    print(summary, file=sys.stderr if options.json else sys.stdout)
    if left or counts["cancelled"]:
        print(t("cli.batch_stopped"), file=sys.stderr)
