"""Output of `framelens batch`, also with `--watch`: lines or JSON events, progress, and the summary at the end."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from framelens.cli.common import worst_exit_code
from framelens.cli.grammar import Options
from framelens.core.codec import Failure, to_document
from framelens.i18n import error_text, t
from framelens.i18n.formatting import span
from framelens.plugins.batch.batch import Batch, BatchVideo
from framelens.plugins.batch.commands.progress import BatchProgress
from framelens.plugins.batch.results import Results, VideoResult
from framelens.plugins.batch.runner import BatchEvent, BatchHalted, VideoBegun, VideoEnded, VideoStopped
from framelens.plugins.batch.summary import counts_text, error_form, state_text, summarise, write_summary
from framelens.plugins.batch.tally import BatchTally
from framelens.video.files import printable_path


class BatchOutput:
    """Listener of a run that prints what happens.

    Args:
        options: The command's options `json` and `quiet`.
        batch: The batch.
        progress: The rows on the terminal.

    Attributes:
        tally: What has happened so far.
    """

    def __init__(self, options: Options, batch: Batch, progress: BatchProgress) -> None:
        self._options = options
        self._batch = batch
        self._folder = Results(batch).folder
        self._progress = progress
        self._since = time.monotonic()
        self._exit_codes = [0]
        self.tally = BatchTally(batch.videos)

    def begin(self) -> None:
        """Print the number of videos, and the paths that were left out with their errors."""
        batch = self._batch
        for one in batch.left_out:
            self._progress.say(error_text(one.error), sys.stderr)
        self._exit_codes += [one.error.exit_code for one in batch.left_out if not one.is_copy]
        left_out = [{"path": one.path, **error_form(one.failure)} for one in batch.left_out]
        text = t("batch.begins", n=len(batch.videos), folder=printable_path(self._folder))
        self._say(text, event="begins", videos=len(batch.videos), left_out=left_out, folder=self._folder)

    def begin_watching(self, folder: Path) -> None:
        """Print which folder is watched."""
        text = t("batch.watches", folder=printable_path(folder), results=printable_path(self._folder))
        self._say(text, event="watches", watched=folder.absolute(), folder=self._folder)

    def show_waiting(self, number: int, *, has_ended: bool = False) -> None:
        """Print how many videos of a watched folder aren't begun yet; nothing if all are."""
        if number:
            self._say(
                t("batch.watch_left" if has_ended else "batch.watch_waits", n=number), event="waiting", videos=number
            )

    def show(self, event: BatchEvent[BatchVideo, VideoResult]) -> None:
        """Print an event of the run."""
        self.tally.apply(event)
        self._progress.show(event)
        match event:
            case VideoBegun(video) if self._options.json:
                self._say("", event="begun", key=video.key, path=video.path)
            case VideoEnded(video, result, was_done):
                if result.error:
                    self._exit_codes.append(result.error.exit_code)
                self._progress.show_remaining(self.tally.seconds_left)
                self._say_ended(video, result, was_done=was_done)
            case VideoStopped(video) if self._options.json:
                self._say("", event="stopped", key=video.key, path=video.path)
            case BatchHalted(error):
                self._exit_codes.append(error.exit_code)
                if self._options.json:
                    self._say("", event="halted", error=error_form(Failure.of(error)))

    def finish(self, batch: Batch, *, was_stopped: bool) -> int:
        """Write and print the summary, and return the exit code.

        Args:
            batch: The batch with all videos that have arrived.
            was_stopped: Whether the user has stopped the run, or a video of it.

        Raises:
            StorageError: The summary can't be written.
        """
        tally = self.tally
        if tally.error:
            print(error_text(tally.error), file=sys.stderr)
        if was_stopped:
            self._exit_codes.append(130)
        summary = summarise(batch, tally.error)
        files = write_summary(summary, self._folder)
        if summary.counts.get("pending"):
            print(t("batch.pending_why", n=summary.counts["pending"]), file=sys.stderr)
        code, spent = worst_exit_code(self._exit_codes), time.monotonic() - self._since
        text = t(
            "batch.ended",
            counts=counts_text(summary.counts, len(batch.videos)),
            time=span(spent, spent),
            path=printable_path(files["html"]),
        )
        self._say(text, event="ended", counts=summary.counts, seconds=round(spent, 1), files=files, exit_code=code)
        return code

    def _say_ended(self, video: BatchVideo, result: VideoResult, *, was_done: bool) -> None:
        tally, error, left = self.tally, result.error, self.tally.seconds_left
        place = f"{tally.num_ended}/{tally.total}"
        state = t("cli.batch_done_before") if was_done and error is None else state_text(result)
        parts = [state, "" if was_done else span(result.seconds, result.seconds), printable_path(video.name)]
        parts.append(error_text(error) if error else "")
        file = next(iter(result.files.values()), "")
        text = f"[{place}] {' · '.join(filter(None, parts))}" + (f" → {file}" if file else "")
        if left and tally.num_left and not self._progress.is_drawn:
            text += f" · {t('batch.left', time=span(left, left))}"
        self._say(
            text,
            event="video",
            key=video.key,
            path=video.path,
            state=result.state,
            was_done=was_done,
            seconds=round(result.seconds, 1),
            job_id=result.job_id or None,
            error=error_form(result.failure) if result.failure else None,
            files=result.files,
            ended=tally.num_ended,
            total=tally.total,
            seconds_left=None if left is None else round(left, 1),
        )

    def _say(self, text: str, **event: Any) -> None:
        """Print a line, with --json the event as a line of JSON."""
        line = json.dumps(to_document(event), ensure_ascii=False) if self._options.json else text
        self._progress.say(line, sys.stdout)
