"""Progress as lines on standard error, for a log file or a pipe; a terminal gets the bars of framelens.cli.progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from framelens.core.domain import (
    AnalysisEvent,
    AnswerChanged,
    ChunkDone,
    EngineProgress,
    FactsMeasured,
    FileHashed,
    HashProgress,
    Noticed,
    StageStarted,
    SurveyProgress,
)
from framelens.i18n import notice_text, t

if TYPE_CHECKING:
    from framelens.cli.progress import Progress

_SECONDS = 5.0
"""Least time between two lines of one stage."""


@dataclass
class StageState:
    """Stage of one analysis, as its events report it.

    Attributes:
        name: Name of the video, or "" if it is the only one.
        stage: Key of the stage; "" before the first.
        phase: Key of the engine's phase; "" before the first.
        words: The stage, in words.
        done: Steps that are done, seconds of the video while keyframes are chosen.
        total: Number of steps, or None if that isn't known.
    """

    name: str = ""
    stage: str = ""
    phase: str = ""
    words: str = ""
    done: int = 0
    total: int | None = None
    _hashing: str = ""
    _is_hashed: bool = False

    @property
    def description(self) -> str:
        """Return what is done at the moment, in one line."""
        return " · ".join(filter(None, (self.name, self.words, self._hashing)))

    def apply(self, event: AnalysisEvent) -> bool:
        """Apply one event, and return whether a new stage or a new phase of one began."""
        before = (self.stage, self.phase)
        match event:
            case StageStarted(stage, total):
                self.stage, self.words, self.done, self.total = stage, t(f"stage.{stage}"), 0, total
            case SurveyProgress(seconds, duration):
                self.done, self.total = int(seconds), max(1, int(duration)) if duration else None
            case EngineProgress(phase, values) if self.stage == "engine":
                self.phase, self.words = phase, t(f"engine.phase.{phase}", **values)
            case HashProgress() if not self._is_hashed:
                self._hashing = t("stage.hashing", percent=event.percent)
            case FileHashed():
                self._hashing, self._is_hashed = "", True
            case AnswerChanged(looked=looked, total=total) if self.stage == "answer":
                self.done, self.total = looked, total
            case ChunkDone(result) if result.number > 0:
                self.done += 1
            case FactsMeasured() if self.stage == "facts":
                self.done += 1
            case _:
                pass
        return before != (self.stage, self.phase)


class ProgressLines:
    """Listener of one analysis that prints a line when a stage begins, and one every few seconds.

    Args:
        quiet: Print notices only.
        name: Name of the video, or "" if it is the only one.
        throttle: Decides when a line is printed; one for all analyses that run at a time.
    """

    def __init__(self, *, quiet: bool, name: str = "", throttle: Throttle | None = None) -> None:
        self._quiet = quiet
        self._state = StageState(name)
        self._is_alone = throttle is None
        self._throttle = throttle or Throttle()

    def __enter__(self) -> ProgressLines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, text: str) -> None:
        """Print a sentence."""
        print(text, file=sys.stderr, flush=True)

    def show(self, event: AnalysisEvent) -> None:
        """Print what one event says."""
        is_new = self._state.apply(event)
        if self._is_alone and isinstance(event, Noticed) and event.notice.level != "error":
            self.say(notice_text(event.notice))
        if not self._quiet and self._state.stage and self._throttle.is_due(at_once=is_new and self._is_alone):
            steps = f" {self._state.done}/{self._state.total}" if self._state.done and self._state.total else ""
            self.say(f"{self._state.description}{steps}")

    def remove(self) -> None:
        """End: nothing remains to be removed."""


def open_progress(*, quiet: bool) -> Progress | ProgressLines:
    """Return the listener of one analysis: bars on a terminal, lines elsewhere, with `quiet` notices only."""
    if quiet or not sys.stderr.isatty():
        return ProgressLines(quiet=quiet)
    from framelens.cli.progress import Progress  # only a terminal needs the bars

    return Progress()


class Throttle:
    """Limit of lines in time: one is due after `_SECONDS`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._printed = clock()

    def is_due(self, *, at_once: bool = False) -> bool:
        """Return whether a line may be printed now, which then counts as printed."""
        if not at_once and self._clock() - self._printed < _SECONDS:
            return False
        self._printed = self._clock()
        return True
