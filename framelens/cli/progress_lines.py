"""Progress as lines on standard error, for a log file or a pipe; a terminal gets the bars of framelens.cli.progress.

A task that isn't an analysis has a line of progress, which a terminal redraws (`ProgressLine`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from framelens.cli import terminal
from framelens.core.analysis_state import AnalysisUpdate
from framelens.core.events import EngineProgress, Noticed
from framelens.i18n import notice_text
from framelens.i18n.formatting import doing_text, phase_text

if TYPE_CHECKING:
    from framelens.cli.progress import Progress

_SECONDS = 5.0
"""Least time between two lines of a stage."""
_REDRAW_SECONDS = 0.1
"""Least time between two states of the line on a terminal."""


class ProgressLines:
    """Listener of an analysis that prints a line when a stage begins, and every few seconds.

    Args:
        quiet: Print notices only.
        name: Name of the video, or "" if it is the only video.
        throttle: Decides when a line is printed; shared by all analyses that run at a time.
    """

    def __init__(self, *, quiet: bool, name: str = "", throttle: Throttle | None = None) -> None:
        self._quiet = quiet
        self._name = name
        self._shown: tuple[str | None, str] = None, ""  # stage and phase
        self._is_alone = throttle is None
        self._throttle = throttle or Throttle()

    def __enter__(self) -> ProgressLines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, text: str) -> None:
        """Print a sentence."""
        print(text, file=sys.stderr, flush=True)

    def show(self, update: AnalysisUpdate) -> None:
        """Print the notice of an event, and the current activity if a line is due."""
        event, state = update.event, update.state
        if self._is_alone and isinstance(event, Noticed) and event.notice.level != "error":  # printed at the end
            self.say(notice_text(event.notice))
        shown = state.stage, state.engine_phase.phase if state.stage == "engine" and state.engine_phase else ""
        is_new, self._shown = shown != self._shown, shown
        if not self._quiet and state.stage and self._throttle.is_due(at_once=is_new and self._is_alone):
            steps = f" {state.step}/{state.total}" if state.step and state.total else ""
            self.say(f"{doing_text(state, self._name)}{steps}")

    def remove(self) -> None:
        """Do nothing: printed lines stay."""


def open_progress(*, quiet: bool) -> Progress | ProgressLines:
    """Return the listener of an analysis: bars on a terminal, lines elsewhere, with `quiet` notices only."""
    if quiet or not sys.stderr.isatty():
        return ProgressLines(quiet=quiet)
    from framelens.cli.progress import Progress  # only a terminal needs the bars

    return Progress()


class ProgressLine:
    """Line about a task: redrawn on a terminal until the context ends, elsewhere printed every few seconds.

    Args:
        quiet: Print nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet, self._is_terminal = quiet, sys.stderr.isatty()
        self._throttle = Throttle(seconds=_REDRAW_SECONDS if self._is_terminal else _SECONDS)
        self._step: str | None = None
        self._is_drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, text: str, step: str = "") -> None:
        """Show the current activity; the first line of each step at once."""
        is_new, self._step = step != self._step, step
        if self._quiet or not self._throttle.is_due(at_once=is_new):
            return
        if self._is_terminal:
            terminal.redraw(text)
            self._is_drawn = True
        else:
            print(text, file=sys.stderr, flush=True)

    def show_phase(self, phase: EngineProgress) -> None:
        """Show the current phase of an engine or a download."""
        self.show(phase_text(phase), phase.phase)

    def clear(self) -> None:
        """Remove the line from a terminal, where something else is about to be printed."""
        if self._is_drawn:
            terminal.redraw("")
            self._is_drawn = False


class Throttle:
    """Limit of lines in time: a line is due `seconds` after the previous line."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, seconds: float = _SECONDS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._printed = clock()

    def is_due(self, *, at_once: bool = False) -> bool:
        """Return whether a line may be printed now, which then counts as printed."""
        if not at_once and self._clock() - self._printed < self._seconds:
            return False
        self._printed = self._clock()
        return True
