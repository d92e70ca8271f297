"""Shows the events of an analysis on a terminal: one line with stage, count and time left, answers in time order.

Everything goes to standard error, so that standard output holds the report alone.
"""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from app.domain import (
    AnalysisEvent,
    ChunkDone,
    ChunkResult,
    EngineProgress,
    FactsMeasured,
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
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Bar(*columns, console=self._console, transient=True, disable=quiet)
        self._task = self._bar.add_task("", total=None)
        self._stage = ""
        self._order: list[int] = []  # the parts whose answers have not been shown yet
        self._answered: dict[int, ChunkResult] = {}
        self._times: dict[int, float] = {}

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
        match event:
            case StageStarted(stage, total):
                self._stage = stage
                self._bar.remove_task(self._task)  # a known total cannot be taken back from a task
                self._task = self._bar.add_task(t(f"stage.{stage}", self._language), total=total)
            case SurveyProgress(seconds, duration):
                self._bar.update(self._task, completed=int(seconds), total=duration and max(1, int(duration)))
            case OpeningChosen(keyframes):
                self._times = {frame.number: frame.time_seconds for frame in keyframes}
                self._order = [keyframes[0].number]
            case KeyframesChosen(keyframes):
                self._times = {frame.number: frame.time_seconds for frame in keyframes}
                times = ", ".join(clock(frame.time_seconds) for frame in keyframes)
                self._tell(t("cli.keyframes", self._language, count=len(keyframes), times=times))
            case EngineProgress(phase, values) if self._stage == "engine":
                words = t(f"engine.phase.{phase}", self._language, **values)
                self._bar.update(self._task, description=words)
            case Planned(layout):
                self._order = [part[0] for part in layout.parts if part[0] not in self._answered]
            case ChunkDone(result) if result.number > 0:
                self._answered[result.number] = result
                self._bar.advance(self._task)
                self._tell_answers()
            case FactsMeasured() if self._stage == "facts":
                self._bar.advance(self._task)
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
                times = ", ".join(clock(self._times[number]) for number in finding.frames if number in self._times)
                self._tell(f"{times}  {finding.text}" if times else finding.text)
