"""Progress of several analyses on a terminal: a row for each running analysis, and a row for all."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.progress import Task, TimeRemainingColumn
from rich.text import Text

from framelens.plugin import t
from framelens.plugin.command_line import ProgressLines, ProgressRow, Throttle, console, engine_notices_said, open_bar
from framelens.plugin.files import printable_path
from framelens.plugins.batch.loop import BatchEvent, VideoBegun, VideoEnded, VideoProgress

if TYPE_CHECKING:
    from framelens.plugin import Services

Row = ProgressRow | ProgressLines


class BatchProgress:
    """Progress of several analyses: a row for each running analysis, a row for all of them, and results above.

    Without `total`, more videos may come.
    """

    def __init__(self, total: int | None, *, quiet: bool) -> None:
        self._is_quiet, self._throttle = quiet, Throttle()
        self._rows: dict[Path, Row] = {}
        is_drawn = sys.stderr.isatty() and not quiet
        self._bar = open_bar(console(to_errors=True), _TimeLeftColumn(), is_drawn=is_drawn, redirects=False)
        self._whole = self._bar.add_task(t("cli.batch_progress"), total=total)

    def __enter__(self) -> BatchProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._bar.disable:
            self._bar.stop()

    @property
    def is_drawn(self) -> bool:
        """Return whether rows are drawn."""
        return not self._bar.disable

    def show(self, event: BatchEvent) -> None:
        """Show an event: a row for each video that runs, and how many have ended."""
        match event:
            case VideoBegun(video):
                self._rows[video.path] = self._row(printable_path(video.path.name))
            case VideoProgress(video, update):
                self._rows[video.path].show(update)
            case VideoEnded(video):
                if row := self._rows.pop(video.path, None):  # a video that was done before has no row
                    row.remove()
                self._bar.advance(self._whole)
            case _:
                pass

    def _row(self, name: str) -> Row:
        if self.is_drawn:
            return ProgressRow(self._bar, name)
        return ProgressLines(quiet=self._is_quiet, name=name, throttle=self._throttle)

    def show_remaining(self, seconds: float | None) -> None:
        """Show the remaining time of all, in place of what the number of those that have ended suggests."""
        self._bar.update(self._whole, seconds_left=seconds)

    def notices(self, services: Services, *, is_asked: bool) -> AbstractContextManager[None]:
        """Say the notices about the engine in a block, if a model is asked; see `engine_notices_said`."""
        return engine_notices_said(services, partial(self.say, stream=sys.stderr)) if is_asked else nullcontext()

    def say(self, text: str, stream: TextIO) -> None:
        """Print a line to `stream`, above the rows if it is a terminal, since that shows the rows, too."""
        if self._bar.disable or not stream.isatty():
            print(text, file=stream, flush=True)
        else:
            self._bar.console.print(Text(text), soft_wrap=True)


class _TimeLeftColumn(TimeRemainingColumn):
    """Remaining time: the given estimate, else an estimate from the speed of the steps."""

    def render(self, task: Task) -> Text:
        """Draw the time of a row."""
        if "seconds_left" not in task.fields:
            return super().render(task)
        seconds = task.fields["seconds_left"]
        return Text("-:--:--" if seconds is None else str(timedelta(seconds=round(seconds))), "progress.remaining")
