"""Output of `framelens batch`, also with `--watch`: reports, lines or JSON events, progress, and the summary."""

import json
import sys
import time
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import Any

from framelens import AppError, error_text
from framelens.plugin import t
from framelens.plugin.command_line import Options, worst_exit_code
from framelens.plugin.files import printable_path
from framelens.plugin.outputs import name_key, numbered, safe_stem, storage_errors, unused_name, written
from framelens.plugin.reports import FORMATS, files_of
from framelens.plugin.storage import Failure, to_document
from framelens.plugin.texts import extrapolated_seconds, span
from framelens.plugins.batch.batch import BatchVideo
from framelens.plugins.batch.commands.progress import BatchProgress
from framelens.plugins.batch.loop import BatchEvent, BatchHalted, BatchLoop, VideoBegun, VideoEnded
from framelens.plugins.batch.results import REPORTS, VideoResult, report_files, results_of
from framelens.plugins.batch.summary import Summary, counts_text, error_form, state_text, summarise, write_summary

_REFRESH_SECONDS = 10.0
"""How often the summary is written while videos end."""


class BatchOutput:
    """Listener of a loop that writes reports and summary, and prints what happens.

    Args:
        options: The command's options `json` and `quiet`.
        loop: The loop.
        progress: The rows on the terminal.
    """

    def __init__(self, options: Options, loop: BatchLoop, progress: BatchProgress) -> None:
        assert loop.batch.folder
        self._options, self._loop, self._progress = options, loop, progress
        self._folder = loop.batch.folder
        self._stems: set[str] = set()
        for video in loop.all_videos():
            unused_name(video.stem, self._stems)
        self._results = {video.identity: VideoResult(video, "pending") for video in loop.batch.videos}
        self._ended: dict[str, bool] = {}  # whether this run has analysed it
        self._since = self._written = time.monotonic()
        self._began: float | None = None
        self._exit_codes = [0]
        self._error: AppError | None = None
        loop.services.jobs.indexing.catch_up()  # of a run that was killed

    def begin(self) -> None:
        """Print the number of videos, and the paths that were left out with their errors."""
        batch = self._loop.batch
        for left in batch.left_out:
            self._progress.say(error_text(left.error), sys.stderr)
        self._exit_codes += [left.error.exit_code for left in batch.left_out if not left.is_copy]
        left_out = [{"path": left.path, **error_form(left.failure)} for left in batch.left_out]
        text = t("batch.begins", n=len(batch.videos), folder=printable_path(self._folder))
        self._say(text, event="begins", videos=len(batch.videos), left_out=left_out, folder=self._folder)

    def begin_watching(self, folder: Path) -> None:
        """Print which folder is watched."""
        text = t("batch.watches", folder=printable_path(folder), results=printable_path(self._folder))
        self._say(text, event="watches", watched=folder.absolute(), folder=self._folder)

    def show_waiting(self, number: int, *, has_ended: bool = False) -> None:
        """Print how many videos of a watched folder aren't begun yet; nothing if all are."""
        if number:
            key = "watch_left" if has_ended else "watch_waits"
            self._say(t(f"batch.{key}", n=number), event="waiting", videos=number)

    def show(self, event: BatchEvent) -> None:
        """Print an event of the loop; write the reports of a video that is over."""
        self._progress.show(event)
        match event:
            case VideoBegun(video):
                self._results.setdefault(video.identity, VideoResult(video, "pending"))
                self._began = self._began or time.monotonic()
                if self._options.json:
                    self._say("", event="begun", key=video.key, path=video.path)
            case VideoEnded(video, failure=None, state=None) if self._options.json:
                self._say("", event="stopped", key=video.key, path=video.path)
            case VideoEnded(state=str()):
                try:
                    self._show_ended(self._with_reports(event))
                except AppError as error:  # the disk is full
                    self._loop.halt(error)
            case BatchHalted(error):
                self._error = error
                self._exit_codes.append(error.exit_code)
                if self._options.json:
                    self._say("", event="halted", error=error_form(Failure.of(error)))
            case _:
                pass

    def finish(self, *, was_stopped: bool) -> int:
        """Write and print the summary, and return the exit code.

        Args:
            was_stopped: Whether the user has stopped the loop.

        Raises:
            StorageError: The summary can't be written.
        """
        if self._error:
            print(error_text(self._error), file=sys.stderr)
        summary, files = self._write_summary()
        pending = summary.counts.get("pending", 0)
        if was_stopped or (pending and not self._error and not self._options.watch):
            self._exit_codes.append(130)
        if pending:
            print(t("batch.pending_why", n=pending), file=sys.stderr)
        code, spent = worst_exit_code(self._exit_codes), time.monotonic() - self._since
        counts = counts_text(summary.counts, len(summary.videos))
        text = t("batch.ended", counts=counts, time=span(spent, spent), path=printable_path(files["html"]))
        self._say(text, event="ended", counts=summary.counts, seconds=round(spent, 1), files=files, exit_code=code)
        return code

    def _write_summary(self) -> tuple[Summary, dict[str, Path]]:
        self._written = time.monotonic()
        summary = summarise(self._loop.batch, list(self._results.values()), self._error)
        return summary, write_summary(summary, self._folder)

    def _with_reports(self, ended: VideoEnded) -> VideoEnded:
        """Write the report files that have any content and aren't there, and return the event with their stem.

        Raises:
            StorageError: A file can't be written.
        """
        analysis, batch = ended.job.analysis if ended.job else None, self._loop.batch
        if ended.state == "failed" or analysis is None:
            return ended
        video = replace(ended.video, stem=ended.video.stem or self._free_stem(ended.video))
        self._loop.save(video)  # before the files, so that they are known to be of this video
        there = report_files(video, batch) if ended.was_done else {}
        for name in batch.formats:
            path = self._folder / REPORTS / f"{video.stem}{FORMATS[name].suffix}"
            if name not in there and FORMATS[name].fits(analysis):
                with storage_errors("report_not_written", path):
                    for _ in written(files_of(name, analysis, batch.request.language, path.name), path.parent):
                        pass
        return replace(ended, video=video)

    def _free_stem(self, video: BatchVideo) -> str:
        """Return a name for report files that neither another video nor a file of somebody else has."""
        folder = self._folder / REPORTS
        stems = (stem for stem in numbered(safe_stem(video.name)) if name_key(stem) not in self._stems)
        stem = next(stem for stem in stems if not any(folder.glob(f"{escape(stem)}.*")))
        self._stems.add(name_key(stem))
        return stem

    def _show_ended(self, ended: VideoEnded) -> None:
        video, services = ended.video, self._loop.services
        self._ended[video.identity] = not ended.was_done
        batch = replace(self._loop.batch, videos=(video,))
        result = next(iter(results_of(batch, services.jobs, services.settings)), VideoResult(video, "pending"))
        self._results[video.identity] = result
        if ended.error:
            self._exit_codes.append(ended.error.exit_code)
        left = self._seconds_left()
        self._progress.show_remaining(left)
        self._say_ended(ended, result, left)
        rests = self._options.watch and not self._loop.is_busy  # a watched folder may do so for hours
        if rests or time.monotonic() - self._written > _REFRESH_SECONDS:
            self._write_summary()

    def _seconds_left(self) -> float | None:
        """Estimate the remaining seconds; None until the first video of this run has ended.

        A video's share of the work is its size plus the mean size: sizes are known without opening a file, but even a
        small video has frames to read and to answer.
        """
        if self._began is None:
            return None
        sizes = {identity: result.video.size_bytes for identity, result in self._results.items()}
        mean = max(1.0, sum(sizes.values()) / len(sizes))
        done = sum(sizes[video] + mean for video, is_new in self._ended.items() if is_new)
        left = sum(size + mean for video, size in sizes.items() if video not in self._ended)
        return extrapolated_seconds(time.monotonic() - self._began, done, left)

    def _say_ended(self, ended: VideoEnded, result: VideoResult, left: float | None) -> None:
        video, error, total = ended.video, ended.error, len(self._results)
        state = t("cli.batch_done_before") if ended.was_done and error is None else state_text(result.state)
        took = "" if ended.was_done else span(ended.seconds, ended.seconds)
        parts = [state, took, printable_path(video.name), error_text(error) if error else ""]
        file = next(iter(result.files.values()), "")
        text = f"[{len(self._ended)}/{total}] {' · '.join(filter(None, parts))}" + (f" → {file}" if file else "")
        if left and len(self._ended) < total and not self._progress.is_drawn:
            text += f" · {t('batch.left', time=span(left, left))}"
        self._say(
            text,
            event="video",
            key=video.key,
            path=video.path,
            state=result.state,
            was_done=ended.was_done,
            seconds=round(ended.seconds, 1),
            job_id=video.job_id or None,
            error=error_form(ended.failure) if ended.failure else None,
            files=result.files,
            ended=len(self._ended),
            total=total,
            seconds_left=None if left is None else round(left, 1),
        )

    def _say(self, text: str, **event: Any) -> None:
        """Print a line, with --json the event as a line of JSON."""
        line = json.dumps(to_document(event), ensure_ascii=False) if self._options.json else text
        self._progress.say(line, sys.stdout)
