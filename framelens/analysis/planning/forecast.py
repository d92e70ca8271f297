"""Timings of a run for later estimates, and the time left of a transcription."""

from __future__ import annotations

import time
from collections.abc import Sequence

from framelens.analysis.task import Task
from framelens.core.domain import Analysis, ChunkResult, ReportedConversation, SpeechSpans, seconds_of, speech_between
from framelens.core.events import (
    AnalysisEvent,
    AnswerChanged,
    Answered,
    EngineProgress,
    FactsMeasured,
    Finished,
    KeyframesChosen,
    SurveyProgress,
)
from framelens.core.evidence import Moments
from framelens.store.model_records import TimingStats

_COST_OF_SILENCE = 0.01
"""Cost of a second without speech, which is only decoded, relative to a second of speech for a small model."""
_COVERED_SECONDS = 30.0
"""Sound before which nothing was measured: a model reads so much at a time, and is loaded before."""


def observed(results: Sequence[ChunkResult]) -> dict[str, float]:
    """Return a run's seconds for each frame and for each text, without cached answers; see `KnownTimings`."""
    measured = [result for result in results if not result.recalled and result.seconds > 0]
    counts = {
        "frames": sum(len(result.frames) * result.attempts for result in measured if result.is_chunk),
        "texts": sum(result.attempts for result in measured if not result.is_chunk),
    }
    totals = {
        "frames": sum(result.seconds for result in measured if result.is_chunk),
        "texts": sum(result.seconds for result in measured if not result.is_chunk),
    }
    return {kind: round(totals[kind] / count, 3) for kind, count in counts.items() if count}


def look_seconds(answer: ReportedConversation) -> float | None:
    """Return the seconds for each picture of the searches that have answered a question; None without a search."""
    searches = [search.moments for answered in answer.answers for search in answered.searches]
    looks = sum(map(_num_looks, searches))
    return round(sum(search.seconds for search in searches) / looks, 3) if looks else None


def _num_looks(moments: Moments) -> int:
    """Return how many pictures a search has asked about, those changed or asked about again included."""
    alike = sum(map(len, (moments.lookalikes or {}).values()))
    looks = (moments.samples, moments.controls, moments.contrary, moments.changed)
    return sum(map(len, looks)) + alike


class StatsRecorder:
    """Recorder of what a run answered and decoded, for later estimates. `note` takes its events.

    Args:
        task: The run.
        stats: Where the times are kept.
        engine: Names the engine there.
    """

    def __init__(self, task: Task, stats: TimingStats, engine: str) -> None:
        self._stats = stats
        self._engine = engine
        self._before = task.done.state
        self._noted = {result.key for result in self._before.results}
        self._is_read = False  # only a run that decodes reports progress
        self._chosen_at = self._measured_at = 0.0
        self._launched_at: float | None = None

    def note(self, event: AnalysisEvent) -> None:
        """Record what the event adds."""
        match event:
            case AnswerChanged(answer, is_over=True) if answer != self._before.answer and (
                look := look_seconds(answer)
            ):
                self._stats.note(self._engine, looks=look)
            case EngineProgress("launching"):
                self._launched_at = time.monotonic()
            case EngineProgress("ready") if self._launched_at is not None:
                self._stats.note(self._engine, starts=round(time.monotonic() - self._launched_at, 1))
            case SurveyProgress():
                self._is_read = True
            case KeyframesChosen():
                self._chosen_at = self._measured_at = time.monotonic()
            case FactsMeasured():
                self._measured_at = time.monotonic()
            case Answered(analysis) | Finished(analysis):
                self._note_answers(analysis)
                if self._is_read and isinstance(event, Finished) and analysis.decode.decoded_share == 1:
                    self._note_reading(analysis)
            case _:
                pass

    def _note_answers(self, analysis: Analysis) -> None:
        results = [request for request in analysis.requests if request.key not in self._noted]
        self._noted |= {result.key for result in results}
        if seconds := observed(results):
            self._stats.note(self._engine, **seconds)
            in_flight = analysis.layout.in_flight if analysis.layout else None
            max_model_len = analysis.engine.max_model_len if analysis.engine else None
            self._stats.note_layout(self._engine, in_flight=in_flight, max_model_len=max_model_len)

    def _note_reading(self, analysis: Analysis) -> None:
        selection, readable = analysis.request.selection, analysis.decode.readable_seconds
        seconds = min(selection.end_seconds or readable, readable) - selection.start_seconds
        took = analysis.seconds_by_stage.get("survey", 0.0) - self._before.seconds_by_stage.get("survey", 0.0)
        if seconds > 0 and took > 0 and analysis.video.megapixels:
            took += self._measured_at - self._chosen_at
            self._stats.note_reading(took / (seconds * analysis.video.megapixels))


class ListeningForecast:
    """Forecast of the time that the transcription of a recording takes.

    Args:
        end_seconds: End of the recording, or of the range.
        pace: Expected seconds of work for a second of speech, None if it is unknown.
        speech: The speech in it, None if unknown: then all may be speech.
    """

    def __init__(self, end_seconds: float, pace: float | None, speech: SpeechSpans | None = None) -> None:
        self._end = end_seconds
        self._pace = pace
        self._speech = speech
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
        return None if pace is None else self._work_between(self._reached, self._end) * pace

    def _work_between(self, start_seconds: float, end_seconds: float) -> float:
        """Return the seconds of speech that cost as much as what lies between two seconds of the recording."""
        length = max(0.0, end_seconds - start_seconds)
        if self._speech is None:
            return length
        spoken = seconds_of(speech_between(self._speech, start_seconds, end_seconds))
        return spoken + _COST_OF_SILENCE * (length - spoken)

    def _present_pace(self) -> float | None:
        covered = self._work_between(self._began[1], self._reached) if self._began else 0.0
        if covered < _COVERED_SECONDS:
            return self._pace
        return self._worked / covered
