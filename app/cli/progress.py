"""Progress of one or several analyses on a terminal: stage, count and time left, and the answers of a single one.

Everything goes to standard error, so that standard output holds only the report.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from app import core
from app.i18n import notice_text, t
from app.reports.content import printable


class Progress:
    """Listener of one analysis; `quiet` shows only notices."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar = _bar(self._console, quiet=quiet)
        self._row = ProgressRow(self._bar)
        self._state = core.AnalysisState()
        self._printed: set[int] = set()  # numbers of chunks
        self._is_whole_printed = False

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Print a sentence above the bar."""
        self._console.print(escape(printable(text)))

    def show(self, event: core.AnalysisEvent) -> None:
        """Display one event."""
        self._row.show(event)
        self._state = self._state.apply(event)
        match event:
            case core.KeyframesChosen(keyframes):
                times = ", ".join(core.clock(frame.time_seconds) for frame in keyframes)
                self._print(t("cli.keyframes", count=len(keyframes), times=times))
            case core.ChunkDone(result) if result.number > 0:
                self._print_answers()
            case core.Answered(analysis) | core.Finished(analysis) if not self._is_whole_printed:
                self._is_whole_printed = True
                self._print_whole(analysis)
            case core.Noticed(notice) if notice.level != "error":  # an error is printed once, at the end
                self.say(notice_text(notice))
            case _:
                pass

    def _print(self, text: str) -> None:
        if not self._bar.disable:
            self.say(text)

    def _print_answers(self) -> None:
        """Print the received answers in order, up to the first missing one."""
        layout, answered = self._state.layout, {result.number: result for result in self._state.results}
        order = [part[0] for part in layout.parts] if layout else [frame.number for frame in self._state.opening[:1]]
        for number in order:
            if number not in answered:
                return
            if number not in self._printed:
                self._printed.add(number)
                for finding in (*answered[number].findings, *answered[number].overview):
                    self._print_finding(finding)

    def _print_whole(self, analysis: core.Analysis) -> None:
        """Print the title, the answer to the question and the summary of the chunks."""
        if analysis.title:
            self._print(analysis.title)
        for finding in (*analysis.reply, *(analysis.overview if analysis.summary else ())):
            self._print_finding(finding)

    def _print_finding(self, finding: core.Finding) -> None:
        cited = [frame for frame in self._state.keyframes if frame.number in finding.frames]
        times = ", ".join(core.clock(frame.time_seconds) for frame in cited)
        self._print(f"{times}  {finding.text}" if times else finding.text)


class BatchProgress:
    """Progress of several analyses: a row for each running one, one for all of them, and results above.

    `total` is None if more videos may come.
    """

    def __init__(self, total: int | None, *, quiet: bool) -> None:
        self._bar = _bar(Console(stderr=True, highlight=False), quiet=quiet, redirects=False)
        self._whole = self._bar.add_task(t("cli.batch_progress"), total=total)

    def __enter__(self) -> BatchProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._bar.disable:
            self._bar.stop()

    @property
    def is_quiet(self) -> bool:
        """Return whether no rows are drawn."""
        return self._bar.disable

    def begin(self, name: str) -> ProgressRow:
        """Add and return a row, which displays the events passed to it."""
        return ProgressRow(self._bar, name)

    def ended(self, row: ProgressRow | None) -> None:
        """Count one analysis as finished and remove its row."""
        if row:
            row.remove()
        self._bar.advance(self._whole)

    def show_remaining(self, seconds: float | None) -> None:
        """Show the remaining time of all, in place of what the number of those that have ended suggests."""
        self._bar.update(self._whole, seconds_left=seconds)

    def say(self, text: str, stream: TextIO) -> None:
        """Print a line to `stream`, above the rows if it is a terminal, since the rows are then on the same one."""
        if self._bar.disable or not stream.isatty():
            print(text, file=stream, flush=True)
        else:
            self._bar.console.print(Text(text), soft_wrap=True)


class ProgressRow:
    """One analysis as a row with its stage, count and time left."""

    def __init__(self, bar: Bar, name: str = "") -> None:
        self._bar = bar
        self._name = name
        self._stage = self._words = self._hashing = ""
        self._is_hashed = False
        self._task = bar.add_task(self._described(), total=None)

    def show(self, event: core.AnalysisEvent) -> None:
        """Display one event."""
        match event:
            case core.StageStarted(stage, total):
                self._stage = stage
                self.remove()  # a task's known total can't be unset
                self._words = t(f"stage.{stage}")
                self._task = self._bar.add_task(self._described(), total=total)
            case core.SurveyProgress(seconds, duration):
                self._bar.update(self._task, completed=int(seconds), total=duration and max(1, int(duration)))
            case core.EngineProgress(phase, values) if self._stage == "engine":
                self._words = t(f"engine.phase.{phase}", **values)
                self._bar.update(self._task, description=self._described())
            case core.HashProgress() if not self._is_hashed:
                self._hashing = t("stage.hashing", percent=event.percent)
                self._bar.update(self._task, description=self._described())
            case core.FileHashed():
                self._hashing, self._is_hashed = "", True
                self._bar.update(self._task, description=self._described())
            case core.ChunkDone(result) if result.number > 0:
                self._bar.advance(self._task)
            case core.FactsMeasured() if self._stage == "facts":
                self._bar.advance(self._task)
            case _:
                pass

    def remove(self) -> None:
        """Remove the row."""
        self._bar.remove_task(self._task)

    def _described(self) -> str:
        return escape(printable(" · ".join(filter(None, (self._name, self._words, self._hashing)))))


class _TimeLeftColumn(TimeRemainingColumn):
    """Remaining time: an estimate that was given, else one by the speed of the steps."""

    def render(self, task: Task) -> Text:
        """Draw the time of one row."""
        if "seconds_left" not in task.fields:
            return super().render(task)
        seconds = task.fields["seconds_left"]
        return Text("-:--:--" if seconds is None else str(timedelta(seconds=round(seconds))), "progress.remaining")


def _bar(console: Console, *, quiet: bool, redirects: bool = True) -> Bar:
    """Create the progress bar; with `redirects` all other output appears above it, for either stream."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _TimeLeftColumn())
    return Bar(
        *columns, console=console, transient=True, disable=quiet, redirect_stdout=redirects, redirect_stderr=redirects
    )
