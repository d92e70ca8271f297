"""Progress of one analysis or of several on a terminal: stage, count and time left; of one its answers, too.

Everything goes to standard error, so that standard output holds the report alone.
"""

from __future__ import annotations

from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from app.core.domain import (
    Analysis,
    AnalysisEvent,
    Answered,
    ChunkDone,
    ChunkResult,
    EngineProgress,
    FactsMeasured,
    Finding,
    Finished,
    KeyframesChosen,
    Language,
    Noticed,
    OpeningChosen,
    Planned,
    StageStarted,
    SurveyProgress,
    clock,
)
from app.i18n import notice_text, t


class Progress:
    """A listener of `analyse`. `quiet` keeps only notices."""

    def __init__(self, language: Language, *, quiet: bool) -> None:
        self._language = language
        self._console = Console(stderr=True, highlight=False)
        self._bar = _bar(self._console, quiet=quiet)
        self._row = Row(self._bar, language)
        self._order: list[int] = []  # the parts whose answers have not been shown yet
        self._answered: dict[int, ChunkResult] = {}
        self._times: dict[int, float] = {}
        self._is_told = False

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """A sentence above the bar."""
        self._console.print(escape(text))

    def show(self, event: AnalysisEvent) -> None:
        """Take one event in."""
        self._row.show(event)
        match event:
            case OpeningChosen(keyframes):
                self._times = {frame.number: frame.time_seconds for frame in keyframes}
                self._order = [keyframes[0].number]
            case KeyframesChosen(keyframes):
                self._times = {frame.number: frame.time_seconds for frame in keyframes}
                times = ", ".join(clock(frame.time_seconds) for frame in keyframes)
                self._tell(t("cli.keyframes", self._language, count=len(keyframes), times=times))
            case Planned(layout):
                self._order = [part[0] for part in layout.parts if part[0] not in self._answered]
            case ChunkDone(result) if result.number > 0:
                self._answered[result.number] = result
                self._tell_answers()
            case Answered(analysis) | Finished(analysis) if not self._is_told:
                self._is_told = True
                self._tell_whole(analysis)
            case Noticed(notice) if notice.level != "error":  # an error is said at the end, once
                self.say(notice_text(notice, self._language))
            case _:
                pass

    def _tell(self, text: str) -> None:
        if not self._bar.disable:
            self.say(text)

    def _tell_answers(self) -> None:
        """What is answered by now, as far as nothing before it is missing."""
        while self._order and self._order[0] in self._answered:
            result = self._answered[self._order.pop(0)]
            for finding in (*result.findings, *result.overview):
                self._tell_finding(finding)

    def _tell_whole(self, analysis: Analysis) -> None:
        """The title, the answer to the question and the summary of the parts, which nothing before has said."""
        if analysis.title:
            self._tell(analysis.title)
        for finding in (*analysis.reply, *(analysis.overview if analysis.summary else ())):
            self._tell_finding(finding)

    def _tell_finding(self, finding: Finding) -> None:
        times = ", ".join(clock(self._times[number]) for number in finding.frames if number in self._times)
        self._tell(f"{times}  {finding.text}" if times else finding.text)


class ProgressOfMany:
    """Show how several analyses go: a row for each that runs, one for all of them, and results above."""

    def __init__(self, language: Language, total: int, *, quiet: bool) -> None:
        self._language = language
        self._bar = _bar(Console(stderr=True, highlight=False), quiet=quiet, redirects=False)
        self._whole = self._bar.add_task(t("cli.batch_progress", language), total=total)

    def __enter__(self) -> ProgressOfMany:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._bar.disable:
            self._bar.stop()

    def begin(self, name: str) -> Row:
        """Add a row; it shows the events that it is given."""
        return Row(self._bar, self._language, name)

    def ended(self, row: Row | None) -> None:
        """Count one as over, and take its row away."""
        if row:
            row.remove()
        self._bar.advance(self._whole)

    def say(self, text: str, stream: TextIO) -> None:
        """Write a line to `stream`; above the rows where that is a terminal, as the rows are then on the same one."""
        if self._bar.disable or not stream.isatty():
            print(text, file=stream, flush=True)
        else:
            self._bar.console.print(Text(text), soft_wrap=True)


class Row:
    """One analysis as a row with its stage, count and time left."""

    def __init__(self, bar: Bar, language: Language, name: str = "") -> None:
        self._bar = bar
        self._language = language
        self._name = name
        self._stage = ""
        self._task = bar.add_task(self._described(""), total=None)

    def show(self, event: AnalysisEvent) -> None:
        """Take one event in."""
        match event:
            case StageStarted(stage, total):
                self._stage = stage
                self.remove()  # a known total cannot be taken back from a task
                words = self._described(t(f"stage.{stage}", self._language))
                self._task = self._bar.add_task(words, total=total)
            case SurveyProgress(seconds, duration):
                self._bar.update(self._task, completed=int(seconds), total=duration and max(1, int(duration)))
            case EngineProgress(phase, values) if self._stage == "engine":
                words = t(f"engine.phase.{phase}", self._language, **values)
                self._bar.update(self._task, description=self._described(words))
            case ChunkDone(result) if result.number > 0:
                self._bar.advance(self._task)
            case FactsMeasured() if self._stage == "facts":
                self._bar.advance(self._task)
            case _:
                pass

    def remove(self) -> None:
        self._bar.remove_task(self._task)

    def _described(self, words: str) -> str:
        return escape(" · ".join(filter(None, (self._name, words))))


def _bar(console: Console, *, quiet: bool, redirects: bool = True) -> Bar:
    """`redirects`: what others print appears above the bar, whichever stream it was meant for."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Bar(
        *columns, console=console, transient=True, disable=quiet, redirect_stdout=redirects, redirect_stderr=redirects
    )
