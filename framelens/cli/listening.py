"""Speech in commands: asking for the download of a model, and progress with the time that is left."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

from framelens.analysis.planning.forecast import ListeningForecast
from framelens.cli.progress_lines import ProgressLine
from framelens.core.domain import Cue, SpeechSpans
from framelens.core.units import clock, human_size
from framelens.i18n import t
from framelens.i18n.formatting import span

if TYPE_CHECKING:
    from framelens.engine.recognisers import LocalModel


def settle_speech(local: LocalModel, cancel: threading.Event, *, confirmed: bool, quiet: bool = False) -> None:
    """Download the speech model if it is missing and the user confirms the download, in a terminal or before.

    Raises:
        AppError: The download isn't confirmed or fails.
        Cancelled: The user stopped the download.
    """
    if local.download_bytes() == 0:
        return
    size = human_size(local.download_bytes() or 0) if local.download_bytes() else "?"
    if confirmed or (sys.stdin.isatty() and sys.stderr.isatty() and _is_confirmed(local.name, size)):
        local.confirm_download()
    with ProgressLine(quiet=quiet) as line:
        local.fetch(line.show_phase, cancel)


def _is_confirmed(name: str, size: str) -> bool:
    print(t("cli.speech_download", model=name, size=size), end=" ", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes", "是")


class ListeningProgress:
    """Progress of a transcription in words.

    Args:
        label: Name of the speech model.
        line: The line that shows the words.
    """

    def __init__(self, label: str, line: ProgressLine) -> None:
        self._label = label
        self._line = line
        self._forecast = ListeningForecast(0.0, None)
        self._end = ""

    def begin(self, start_seconds: float, end_seconds: float, pace: float | None, speech: SpeechSpans | None) -> None:
        """Show the model, the length of the sound and the estimated time left."""
        self._end = _short(end_seconds)
        self._forecast = ListeningForecast(end_seconds, pace, speech)
        self._forecast.reach(start_seconds, time.monotonic())
        length = _short(end_seconds - start_seconds)
        self._show(t("cli.speech_begins", model=self._label, length=length))

    def note(self, reached_seconds: float, _: tuple[Cue, ...]) -> None:
        """Show the time reached in the sound and the estimated time left."""
        self._forecast.reach(reached_seconds, time.monotonic())
        self._show(t("cli.speech_reached", reached=_short(reached_seconds), end=self._end))

    def _show(self, text: str) -> None:
        seconds = self._forecast.seconds_left()
        left_text = [] if seconds is None else [t("cli.speech_left", time=span(seconds, seconds))]
        self._line.show(" · ".join([text, *left_text]))


def _short(seconds: float) -> str:
    return clock(seconds, digits=0, form="m")
