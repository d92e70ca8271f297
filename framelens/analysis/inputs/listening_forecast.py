"""Forecast of the time that a transcription takes: from the expected pace first, then from the measured one."""

from __future__ import annotations

_TRUSTED_SECONDS = 60.0
"""Work after which only what was measured counts."""
_COVERED_SECONDS = 30.0
"""Sound before which nothing was measured: a model reads so much at a time, and is loaded before."""


class ListeningForecast:
    """Forecast for one recording.

    Args:
        end_seconds: Its end, or that of the range.
        pace: Expected seconds of work for a second of sound, None if it is unknown.
    """

    def __init__(self, end_seconds: float, pace: float | None) -> None:
        self._end = end_seconds
        self._pace = pace
        self._began: tuple[float, float] | None = None  # when, and the second of the recording
        self._reached = self._worked = 0.0

    def reach(self, reached_seconds: float, now: float) -> None:
        """Note that all is transcribed up to a second of the recording, at a time in seconds.

        The first call says where the work begins.
        """
        self._began = self._began or (now, reached_seconds)
        self._reached = reached_seconds
        self._worked = now - self._began[0]

    def seconds_left(self) -> float | None:
        """Return the seconds that the rest takes, None while nothing is known about the pace."""
        pace = self._present_pace()
        return None if pace is None else max(0.0, self._end - self._reached) * pace

    def _present_pace(self) -> float | None:
        covered = self._reached - self._began[1] if self._began else 0.0
        if covered < _COVERED_SECONDS:
            return self._pace
        measured = self._worked / covered
        if self._pace is None:
            return measured
        trust = min(1.0, self._worked / _TRUSTED_SECONDS)
        return trust * measured + (1 - trust) * self._pace
