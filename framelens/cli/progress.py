"""Progress of an analysis on a terminal: stage, count and time left, and its answers.

Everything goes to standard error, so that standard output holds only the report. Without a terminal, lines are printed
in place of bars.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Self, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from framelens.cli import terminal
from framelens.cli.common import reporting_engine_notices
from framelens.cli.progress_lines import ProgressLines, Throttle
from framelens.core.analysis_state import AnalysisState, AnalysisUpdate
from framelens.core.domain import Analysis, Finding
from framelens.core.events import AnswerChanged, Answered, ChunkDone, Finished, KeyframesChosen, Noticed, StageStarted
from framelens.core.units import clock
from framelens.i18n import notice_text, t
from framelens.i18n.formatting import doing_text

if TYPE_CHECKING:
    from framelens.composition import Services


class Progress:
    """Listener of an analysis on a terminal."""

    def __init__(self) -> None:
        self._console = terminal.console(to_errors=True)
        self._bar = open_bar(self._console)
        self._row = ProgressRow(self._bar)
        self._printed: set[int] = set()  # numbers of chunks
        self._is_whole_printed = self._is_answer_printed = False

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Print a sentence above the bar."""
        self._console.print(Text(text), soft_wrap=True)

    def show(self, update: AnalysisUpdate) -> None:
        """Display an event."""
        self._row.show(update)
        state = update.state
        match update.event:
            case KeyframesChosen(keyframes):
                times = ", ".join(clock(frame.time_seconds) for frame in keyframes)
                self.say(t("cli.keyframes", count=len(keyframes), times=times))
            case AnswerChanged(conversation, is_over=True) if not self._is_answer_printed:
                self._is_answer_printed = True
                self.say(conversation.answers[0].answer)
            case ChunkDone(result) if result.is_chunk:
                self._print_answers(state)
            case Answered(analysis) | Finished(analysis) if not self._is_whole_printed:
                self._is_whole_printed = True
                self._print_whole(analysis, state)
            case Noticed(notice) if notice.level != "error":  # an error is printed at the end
                self.say(notice_text(notice))
            case _:
                pass

    def _print_answers(self, state: AnalysisState) -> None:
        """Print the received answers in order, up to the first missing answer."""
        layout, answered = state.layout, {result.number: result for result in state.results}
        order = [part[0] for part in layout.parts] if layout else [frame.number for frame in state.opening[:1]]
        for number in order:
            if number not in answered:
                return
            if number not in self._printed:
                self._printed.add(number)
                for finding in (*answered[number].findings, *answered[number].overview):
                    self._print_finding(finding, state)

    def _print_whole(self, analysis: Analysis, state: AnalysisState) -> None:
        """Print the title, the answer to the question and the summary of the chunks."""
        if analysis.title:
            self.say(analysis.title)
        for finding in (*analysis.reply, *(analysis.overview if analysis.summary else ())):
            self._print_finding(finding, state)

    def _print_finding(self, finding: Finding, state: AnalysisState) -> None:
        cited = [frame for frame in state.keyframes if frame.number in finding.frames]
        times = ", ".join(clock(frame.time_seconds) for frame in cited)
        self.say(f"{times}  {finding.text}" if times else finding.text)


class ProgressRow:
    """One analysis as a row with its stage, count and time left."""

    def __init__(self, bar: Bar, name: str = "") -> None:
        self._bar = bar
        self._name = name
        self._task = bar.add_task(escape(name), total=None)

    def show(self, update: AnalysisUpdate) -> None:
        """Display an event."""
        state = update.state
        doing = escape(doing_text(state, self._name))
        if isinstance(update.event, StageStarted):
            self.remove()  # a task's known total can't be unset
            self._task = self._bar.add_task(doing, total=state.total)
        else:
            self._bar.update(self._task, description=doing, completed=state.step, total=state.total)

    def remove(self) -> None:
        """Remove the row."""
        self._bar.remove_task(self._task)


def open_bar(console: Console, *columns: ProgressColumn, is_drawn: bool = True, redirects: bool = True) -> Bar:
    """Create the progress bar; with `redirects` all other output appears above it, for either stream.

    `columns` are the last columns of the bar; by default the remaining time.
    """
    return Bar(
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *(columns or (TimeRemainingColumn(),))),
        console=console,
        transient=True,
        disable=not is_drawn,
        redirect_stdout=redirects,
        redirect_stderr=redirects,
    )


class ProgressRows:
    """Progress of several analyses: a row for each that runs, a row for all of them, and lines above.

    Without `total`, more analyses may come. Without a terminal, lines are printed in place of rows.
    """

    def __init__(self, total: int | None, *, quiet: bool) -> None:
        self._is_quiet, self._throttle = quiet, Throttle()
        is_drawn = sys.stderr.isatty() and not quiet
        console = terminal.console(to_errors=True)
        self._bar = open_bar(console, _TimeLeftColumn(), is_drawn=is_drawn, redirects=False)
        self._whole = self._bar.add_task(t("cli.batch_progress"), total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._bar.disable:
            self._bar.stop()

    @property
    def is_drawn(self) -> bool:
        """Return whether rows are drawn."""
        return not self._bar.disable

    def row(self, name: str) -> ProgressRow | ProgressLines:
        """Add the row of an analysis."""
        if self.is_drawn:
            return ProgressRow(self._bar, name)
        return ProgressLines(quiet=self._is_quiet, name=name, throttle=self._throttle)

    def advance(self) -> None:
        """Count an analysis as over."""
        self._bar.advance(self._whole)

    def show_remaining(self, seconds: float | None) -> None:
        """Show the remaining time of all, in place of what the number of those that have ended suggests."""
        self._bar.update(self._whole, seconds_left=seconds)

    def notices(self, services: Services, *, is_asked: bool) -> AbstractContextManager[None]:
        """Say the notices about the engine in a block, if a model is asked; see `reporting_engine_notices`."""
        return reporting_engine_notices(services, partial(self.say, stream=sys.stderr)) if is_asked else nullcontext()

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
