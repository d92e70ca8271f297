"""Shows the events of an analysis on a terminal: one line with stage, count and time left, answers as they stream.

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
    AnswerDelta,
    ChunkDone,
    EngineProgress,
    FactsMeasured,
    KeyframesChosen,
    Language,
    Noticed,
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
        self._written = ""

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
                self._bar.update(self._task, completed=int(seconds), total=duration and int(duration) + 1)
            case KeyframesChosen(keyframes):
                times = ", ".join(clock(frame.time_seconds) for frame in keyframes)
                self._tell(t("cli.keyframes", self._language, count=len(keyframes), times=times))
            case EngineProgress(phase, values) if self._stage == "engine":
                words = t(f"engine.phase.{phase}", self._language, **values)
                self._bar.update(self._task, description=words)
            case AnswerDelta(_, text, restart):
                self._stream(text, restart)
            case ChunkDone():
                self._flush()
                self._bar.advance(self._task)
            case FactsMeasured() if self._stage == "facts":
                self._bar.advance(self._task)
            case Noticed(notice) if notice.level != "error":  # an error is said at the end, once
                self.say(notice_text(notice, self._language))
            case _:
                pass

    def _tell(self, text: str) -> None:
        if not self._bar.disable:
            self.say(text)

    def _stream(self, text: str, restart: bool) -> None:
        self._written = text if restart else self._written + text
        *lines, self._written = self._written.split("\n")
        for line in lines:
            self._tell(line)

    def _flush(self) -> None:
        if self._written:
            self._tell(self._written)
        self._written = ""
