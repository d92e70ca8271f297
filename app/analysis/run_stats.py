"""Timing statistics of a run, recorded from its events for later estimates. The run itself is not changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from app.analysis.planning.throughput import megapixels, observed
from app.analysis.task import Task
from app.core.domain import (
    Analysis,
    AnalysisEvent,
    Answered,
    ChunkDone,
    ChunkResult,
    FactsMeasured,
    Finished,
    KeyframesChosen,
    SurveyProgress,
)
from app.store.timing_stats import SurveyTiming, TimingStats


@dataclass
class _Reading:
    """Times of the survey, in seconds of the monotonic clock; only a run that decodes reports progress."""

    is_read: bool = False
    chosen_at: float = 0.0
    measured_at: float = 0.0


def noted(events: Iterator[AnalysisEvent], task: Task, paces: TimingStats, engine: str) -> Iterator[AnalysisEvent]:
    """Yield `events` unchanged and record under `engine` what this run answered and decoded."""
    before = {result.key for result in task.done.results}
    answered: dict[int, ChunkResult] = {}
    reading = _Reading()
    for event in events:
        match event:
            case SurveyProgress():
                reading.is_read = True
            case KeyframesChosen():
                reading.chosen_at = reading.measured_at = time.monotonic()
            case FactsMeasured():
                reading.measured_at = time.monotonic()
            case ChunkDone(result) if result.key not in before:
                answered[result.number] = result
            case Answered(analysis) | Finished(analysis):
                _note(analysis, list(answered.values()), paces, engine)
                answered.clear()
                if reading.is_read and isinstance(event, Finished):
                    _note_reading(analysis, reading, paces)
            case _:
                pass
        yield event


def _note(analysis: Analysis, results: list[ChunkResult], paces: TimingStats, engine: str) -> None:
    in_flight = analysis.layout.in_flight if analysis.layout else None
    if run := observed(results, in_flight or 1):
        max_model_len = analysis.engine.max_model_len if analysis.engine else None
        paces.note_asked(engine, run, in_flight=in_flight, max_model_len=max_model_len)


def _note_reading(analysis: Analysis, reading: _Reading, paces: TimingStats) -> None:
    selection, readable = analysis.request.selection, analysis.decode.readable_seconds
    seconds = min(selection.end_seconds or readable, readable) - selection.start_seconds
    took, facts = analysis.seconds_by_stage.get("survey", 0.0), reading.measured_at - reading.chosen_at
    if seconds > 0 and took > 0:
        survey = SurveyTiming(round(seconds, 3), megapixels(analysis.video), took, len(analysis.facts), round(facts, 3))
        paces.note_survey(survey)
