"""Progress of an analysis on a terminal: stage, count and time left, and its answers.

Everything goes to standard error, so that standard output holds only the report. Without a terminal, lines are printed
in place of bars.
"""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from framelens.cli import terminal
from framelens.core.analysis_state import AnalysisState, AnalysisUpdate
from framelens.core.domain import Analysis, Finding
from framelens.core.events import AnswerChanged, Answered, ChunkDone, Finished, KeyframesChosen, Noticed, StageStarted
from framelens.core.units import clock
from framelens.i18n import notice_text, t
from framelens.i18n.formatting import doing_text


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
        described = escape(doing_text(state, self._name))
        if isinstance(update.event, StageStarted):
            self.remove()  # a task's known total can't be unset
            self._task = self._bar.add_task(described, total=state.total)
        else:
            self._bar.update(self._task, description=described, completed=state.step, total=state.total)

    def remove(self) -> None:
        """Remove the row."""
        self._bar.remove_task(self._task)


def open_bar(console: Console, *more: ProgressColumn, is_drawn: bool = True, redirects: bool = True) -> Bar:
    """Create the progress bar; with `redirects` all other output appears above it, for either stream.

    `more` are the last columns of the bar; by default the remaining time.
    """
    return Bar(
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *(more or (TimeRemainingColumn(),))),
        console=console,
        transient=True,
        disable=not is_drawn,
        redirect_stdout=redirects,
        redirect_stderr=redirects,
    )
