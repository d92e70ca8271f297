"""Progress as lines on standard error, for a log file or a pipe; a terminal gets the bars of framelens.cli.progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from framelens.core.analysis_state import AnalysisState, AnalysisUpdate
from framelens.core.domain import Noticed
from framelens.i18n import notice_text
from framelens.i18n.formatting import beside_text, stage_text

if TYPE_CHECKING:
    from framelens.cli.progress import Progress

_SECONDS = 5.0
"""Least time between two lines of one stage."""


def describe(state: AnalysisState, name: str = "") -> str:
    """Return what is done at the moment in one line, which begins with the video's name if there are several."""
    return " · ".join(filter(None, (name, stage_text(state), *beside_text(state))))


class ProgressLines:
    """Listener of one analysis that prints a line when a stage begins, and one every few seconds.

    Args:
        quiet: Print notices only.
        name: Name of the video, or "" if it is the only one.
        throttle: Decides when a line is printed; one for all analyses that run at a time.
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
        """Print what one event says."""
        event, state = update.event, update.state
        if self._is_alone and isinstance(event, Noticed) and event.notice.level != "error":
            self.say(notice_text(event.notice))
        shown = state.stage, state.engine_phase.phase if state.stage == "engine" and state.engine_phase else ""
        is_new, self._shown = shown != self._shown, shown
        if not self._quiet and state.stage and self._throttle.is_due(at_once=is_new and self._is_alone):
            steps = f" {state.step}/{state.total}" if state.step and state.total else ""
            self.say(f"{describe(state, self._name)}{steps}")

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
