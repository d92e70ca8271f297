"""Forecast of time from the last runs of an engine: the median of the seconds that a frame, a text and a look took.

Before the first run nothing is known. A transcription has a forecast of its own: from the expected pace first, then
from the measured pace.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from framelens.analysis.task import Task
from framelens.core.domain import (
    Analysis,
    ChunkResult,
    ReportedConversation,
    SpeechSpans,
    VideoInfo,
    seconds_of,
    speech_between,
)
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
from framelens.store.model_records import LookTiming, RequestTiming, SurveyTiming, TimingStats

_MANY_RUNS = 3  # number of runs from which the smaller spread holds
_LEAST_SPREAD, _SPREAD_OF_FEW = 0.25, 0.6  # uncertainty of an estimate, with many runs and with few
_TOKENS_OF_A_PART, _TOKENS_OF_A_FRAME, _TOKENS_OF_A_JOIN = 60, 45, 250
"""Tokens of usual answers."""
_TRUSTED_SECONDS = 60.0
"""Work after which only what was measured counts."""
_COST_OF_SILENCE = 0.01
"""Cost of a second without speech, which is only decoded, relative to a second of speech for a small model."""
_COVERED_SECONDS = 30.0
"""Sound before which nothing was measured: a model reads so much at a time, and is loaded before."""


@dataclass(frozen=True)
class PlannedRequests:
    """Planned requests of the same kind.

    Attributes:
        number: Number of requests.
        frames: Frames of each; 0 for requests about text alone.
        prompt_tokens: Prompt tokens of each.
        completion_tokens: Tokens of each answer.
        at_once: Number of requests at the same time.
    """

    number: int
    frames: int
    prompt_tokens: int
    completion_tokens: int
    at_once: int


@dataclass(frozen=True)
class EnginePace:
    """Pace of an engine by its last runs.

    Attributes:
        frame_seconds: Seconds of a request for each of its frames.
        text_seconds: Seconds of a request without frames.
        spread: Uncertainty of an estimate, as a share of it.
    """

    frame_seconds: float
    text_seconds: float
    spread: float

    def seconds(self, coming: Iterable[PlannedRequests]) -> tuple[float, float]:
        """Estimate the shortest and longest time of all requests, one kind after the other."""
        total = sum((ceil(kind.number / kind.at_once) * self._each(kind.frames) for kind in coming), 0.0)
        return total / (1 + self.spread), total * (1 + self.spread)

    def _each(self, frames: int) -> float:
        return frames * self.frame_seconds if frames else self.text_seconds


def engine_pace(runs: Sequence[Sequence[RequestTiming]]) -> EnginePace | None:
    """Return the pace by the median over all kinds of requests in `runs`; None if no frame was answered about."""
    timings = [timing for run in runs for timing in run if timing.requests and timing.seconds > 0]
    frames = [timing.seconds / timing.frames for timing in timings if timing.frames]
    texts = [timing.seconds / timing.requests for timing in timings if not timing.frames]
    if not frames:
        return None
    parts = [timing.seconds / timing.requests for timing in timings if timing.frames]
    return EnginePace(median(frames), median(texts or parts), _spread(len(runs)))


def usual_answer_tokens(frames: int, most: int) -> int:
    """Return the usual tokens of an answer about so many frames (0 for a join), at most `most`."""
    return min(most, _TOKENS_OF_A_PART + _TOKENS_OF_A_FRAME * frames if frames else _TOKENS_OF_A_JOIN)


def look_seconds(searches: Sequence[LookTiming]) -> tuple[float, float] | None:
    """Return the shortest and longest time of a look in a search, by the median; None without measurements."""
    if not searches:
        return None
    each, spread = median(search.seconds / search.looks for search in searches), 1 + _spread(len(searches))
    return each / spread, each * spread


def _spread(measured: int) -> float:
    return _LEAST_SPREAD if measured >= _MANY_RUNS else _SPREAD_OF_FEW


def survey_rate(surveys: Sequence[SurveyTiming]) -> float | None:
    """Return the survey's seconds per second of video and megapixel of its picture; None without measurements."""
    rates = [
        survey.seconds / (survey.video_seconds * survey.megapixels)
        for survey in surveys
        if survey.video_seconds * survey.megapixels
    ]
    return median(rates) if rates else None


def facts_rate(surveys: Sequence[SurveyTiming]) -> float | None:
    """Return the seconds to measure the facts of a frame; None without measurements."""
    rates = [survey.facts_seconds / survey.frames for survey in surveys if survey.frames]
    return median(rates) if rates else None


def megapixels(video: VideoInfo) -> float:
    """Return the megapixels of the video's picture."""
    return video.width * video.height / 1e6


def observed(results: Sequence[ChunkResult], in_flight: int) -> tuple[RequestTiming, ...]:
    """Sum up the timing of a run's answers by kind: the first part, the other parts, the joins, the summary.

    Cached answers are left out.
    """
    measured = [result for result in results if not result.recalled and result.seconds > 0]
    parts = sorted((one for one in measured if one.is_chunk), key=lambda one: one.number)
    joins = [one for one in measured if one.number < 0]
    summary = [one for one in measured if one.number == 0]
    kinds = (parts[:1], parts[1:], joins, summary)
    return tuple(_summed(kind, in_flight) for kind in kinds if kind)


def looked(answer: ReportedConversation) -> LookTiming | None:
    """Sum up the searches that have answered a question; None without a search."""
    searches = [search.moments for answered in answer.answers for search in answered.searches]
    looks = sum(_num_looks(search) for search in searches)
    return LookTiming(looks, round(sum(search.seconds for search in searches), 3)) if looks else None


def _num_looks(found: Moments) -> int:
    """Return how many pictures a search has asked about, those changed or asked about again included."""
    alike = sum(map(len, (found.lookalikes or {}).values()))
    return len(found.samples) + len(found.controls) + len(found.contrary) + len(found.changed) + alike


def _summed(results: Sequence[ChunkResult], in_flight: int) -> RequestTiming:
    return RequestTiming(
        requests=sum(result.attempts for result in results),
        frames=sum(len(result.frames) * result.attempts for result in results if result.is_chunk),
        at_once=max(1, min(in_flight, len(results))),
        seconds=round(sum(result.seconds for result in results), 3),
    )


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
            case AnswerChanged(answer, is_over=True) if answer != self._before.answer and (search := looked(answer)):
                self._stats.note_looked(self._engine, search)
            case EngineProgress("launching"):
                self._launched_at = time.monotonic()
            case EngineProgress("ready") if self._launched_at is not None:
                self._stats.note_started(self._engine, round(time.monotonic() - self._launched_at, 1))
            case SurveyProgress():
                self._is_read = True
            case KeyframesChosen():
                self._chosen_at = self._measured_at = time.monotonic()
            case FactsMeasured():
                self._measured_at = time.monotonic()
            case Answered(analysis) | Finished(analysis):
                self._note_answers(analysis)
                if self._is_read and isinstance(event, Finished):
                    self._note_survey(analysis)
            case _:
                pass

    def _note_answers(self, analysis: Analysis) -> None:
        results = [request for request in analysis.requests if request.key not in self._noted]
        self._noted |= {result.key for result in results}
        in_flight = analysis.layout.in_flight if analysis.layout else None
        if run := observed(results, in_flight or 1):
            max_model_len = analysis.engine.max_model_len if analysis.engine else None
            self._stats.note_asked(self._engine, run, in_flight=in_flight, max_model_len=max_model_len)

    def _note_survey(self, analysis: Analysis) -> None:
        selection, readable = analysis.request.selection, analysis.decode.readable_seconds
        seconds = min(selection.end_seconds or readable, readable) - selection.start_seconds
        took = analysis.seconds_by_stage.get("survey", 0.0) - self._before.seconds_by_stage.get("survey", 0.0)
        if seconds > 0 and took > 0:
            facts = round(self._measured_at - self._chosen_at, 3)
            survey = SurveyTiming(round(seconds, 3), megapixels(analysis.video), took, len(analysis.facts), facts)
            self._stats.note_survey(survey)


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
        said = seconds_of(speech_between(self._speech, start_seconds, end_seconds))
        return said + _COST_OF_SILENCE * (length - said)

    def _present_pace(self) -> float | None:
        covered = self._work_between(self._began[1], self._reached) if self._began else 0.0
        if covered < _COVERED_SECONDS:
            return self._pace
        measured = self._worked / covered
        if self._pace is None:
            return measured
        trust = min(1.0, self._worked / _TRUSTED_SECONDS)
        return trust * measured + (1 - trust) * self._pace
