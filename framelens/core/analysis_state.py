"""State of an analysis, folded from its events once and sent along with them; queue, store and page read it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

from framelens.core import domain, events
from framelens.core.links import Link
from framelens.core.units import seconds_left

_LEAST_ETA_SECONDS = 0.5
"""Time of a stage before its speed is used for an estimate."""


@dataclass(frozen=True)
class ReportHeader:
    """Identity of a report: the fields of `Analysis` apart from the results, by the same names."""

    id: str
    created: str
    request: domain.AnalysisRequest
    app_version: str
    conditions: Mapping[str, str] = field(default_factory=dict)
    field_names: Mapping[str, str] = field(default_factory=dict)
    link: Link | None = None


@dataclass(frozen=True)
class AnalysisState:
    """State of an analysis at a moment; `apply` returns it after an event.

    Attributes:
        found: Provisional frames.
        opening: Frames of the beginning, if they were chosen before the others.
        keyframes: Chosen frames; the frames of the opening while `decode` is None.
        facts: Facts in the order of their frames.
        is_heard: Whether the transcript is known; it is None if there is no speech.
        answers: Text of the answers so far by the number of the chunk's first frame; 0 is the summary.
        written: Pieces of text that have arrived in this stage, about as many as tokens.
        results: Complete answers in the order of their numbers, joins included.
        answer: The answer to the question of the request so far, with what a search has found.
        answer_step: Step of the answer, while its stage lasts.
        step: Finished steps of the stage.
        total: Number of its steps, None if it can't be counted.
        eta_seconds: Estimated time left of the stage.
        stage_since: `time.monotonic()` of the process that runs it, when the stage began.
        counted_since: The same, and the steps that were done, when the survey or a step of the answer first reported
            progress.
        seconds_by_stage: Duration of the stages that have ended.
        hashing: How much of a large file was read for its SHA-256, until that is known.
        hearing: How much of the sound was transcribed, until all is.
        header: Set once there is a report.
    """

    video: domain.VideoInfo | None = None
    sha256: str = ""
    decode: domain.DecodeSummary | None = None
    found: tuple[domain.Keyframe, ...] = ()
    opening: tuple[domain.Keyframe, ...] = ()
    keyframes: tuple[domain.Keyframe, ...] = ()
    facts: tuple[domain.FrameFacts, ...] = ()
    transcript: domain.Transcript | None = None
    is_heard: bool = False
    engine: domain.EngineInfo | None = None
    engine_phase: events.EngineProgress | None = None
    layout: domain.Layout | None = None
    modes: dict[int, events.ModeChosen] = field(default_factory=dict)
    answers: dict[int, str] = field(default_factory=dict)
    written: int = 0
    results: tuple[domain.ChunkResult, ...] = ()
    answer: domain.ReportedConversation | None = None
    answer_step: events.AnswerStep | None = None
    notices: tuple[domain.Notice, ...] = ()
    stage: events.Stage | None = None
    step: int = 0
    total: int | None = None
    eta_seconds: float | None = None
    stage_since: float = 0.0
    counted_since: tuple[float, float] | None = None
    seconds_by_stage: dict[str, float] = field(default_factory=dict)
    hashing: events.HashProgress | None = None
    hearing: events.HearingProgress | None = None
    header: ReportHeader | None = None

    @classmethod
    def of(cls, analysis: domain.Analysis) -> AnalysisState:
        """Build the state whose report is `analysis`."""
        return cls().with_report(analysis)

    @cached_property
    def report(self) -> domain.Analysis | None:
        """Return the report with everything that is known, or None if no report can be made yet."""
        if not (self.header and self.video and self.decode):
            return None
        return domain.Analysis(
            **vars(self.header),
            video=self.video,
            sha256=self.sha256,
            decode=self.decode,
            keyframes=self.keyframes,
            facts=self.facts,
            engine=self.engine,
            notices=self.notices,
            seconds_by_stage=self.seconds_by_stage,
            layout=self.layout,
            transcript=self.transcript,
            answer=self.answer,
            chunks=(),
            summary=None,
        ).with_results(self.results)

    def with_report(self, analysis: domain.Analysis) -> AnalysisState:
        """Return the state with all that the report contains."""
        return replace(
            self,
            video=analysis.video,
            sha256=analysis.sha256,
            decode=analysis.decode,
            keyframes=analysis.keyframes,
            facts=analysis.facts,
            transcript=analysis.transcript,
            is_heard=True,
            engine=analysis.engine,
            layout=analysis.layout,
            results=in_order(analysis.requests),
            answer=analysis.answer,
            notices=analysis.notices,
            eta_seconds=None,
            seconds_by_stage=analysis.seconds_by_stage,
            header=ReportHeader(**{field.name: getattr(analysis, field.name) for field in fields(ReportHeader)}),
        )

    def with_stage_timed(self) -> AnalysisState:
        """Return the state with the time of the current stage so far, counted from now on as another stage."""
        if self.stage is None:
            return self
        now = time.monotonic()
        seconds = round(self.seconds_by_stage.get(self.stage, 0.0) + now - self.stage_since, 3)
        return replace(self, seconds_by_stage={**self.seconds_by_stage, self.stage: seconds}, stage_since=now)

    def apply(self, event: events.AnalysisEvent) -> AnalysisState:
        """Return the state after an event."""
        match event:
            case events.StageStarted(stage, total):
                return self._begin(stage, total)
            case events.Probed(video):
                return replace(self, video=video)
            case events.HashProgress():  # the survey may read the file for it, too, and end later
                return self if self.sha256 else replace(self, hashing=event)
            case events.FileHashed(sha256):
                return replace(self, sha256=sha256, hashing=None)
            case events.SurveyProgress(seconds, duration):
                return self._with_survey(seconds, duration) if self.stage == "survey" else self
            case events.KeyframeFound(keyframe):
                return replace(self, found=(*self.found, keyframe))
            case events.OpeningChosen(keyframes):
                return replace(self, opening=keyframes, keyframes=keyframes)
            case events.KeyframesChosen(keyframes, decode):
                chosen = replace(self, keyframes=keyframes, decode=decode, eta_seconds=None)
                return chosen._with_notices(decode.notices)
            case events.FactsMeasured(facts):
                by_number = {**{fact.number: fact for fact in self.facts}, facts.number: facts}
                all_facts = tuple(by_number[number] for number in sorted(by_number))
                return replace(self, facts=all_facts)._with_step("facts", len(all_facts))
            case events.SilenceMeasured(stretches):
                return replace(self, decode=self.decode and self.decode.with_silence(stretches))
            case events.Heard(transcript):
                return replace(self, transcript=transcript, is_heard=True, hearing=None)
            case events.HearingProgress():
                return replace(self, hearing=event)
            case events.EngineProgress():
                return replace(self, engine_phase=event)
            case events.EngineReady(engine):
                return replace(self, engine=engine)
            case events.Planned(layout):
                return replace(self, layout=layout)
            case events.ModeChosen(chunk):
                return replace(self, modes={**self.modes, chunk: event})
            case events.AnswerDelta(chunk, text, restart):
                before = "" if restart else self.answers.get(chunk, "")
                return replace(self, answers={**self.answers, chunk: before + text}, written=self.written + 1)
            case events.AnswerChanged(answer):
                state = replace(self, answer=answer)
                return state._answering(event) if self.stage == "answer" else state
            case events.ChunkDone(result):
                return self._with_result(result)
            case events.Noticed(notice):
                return self._with_notices((notice,))
            case events.Answered(analysis):
                return replace(self.with_report(analysis), step=len(self.facts))
            case events.Finished(analysis):
                return self.with_report(analysis)

    def replayed(self) -> Iterator[AnalysisUpdate]:
        """Yield the events by which the state of an analysis that is over is stored, each with all that it has."""
        if self.decode:
            yield AnalysisUpdate(events.KeyframesChosen(self.keyframes, self.decode), self)
        if self.answer:
            yield AnalysisUpdate(events.AnswerChanged(self.answer, is_over=True), self)
        yield from (AnalysisUpdate(events.ChunkDone(result), self) for result in self.results)
        if self.report:
            yield AnalysisUpdate(events.Finished(self.report), self)

    def _begin(self, stage: events.Stage, total: int | None) -> AnalysisState:
        is_same = stage == self.stage
        timed = self if is_same else self.with_stage_timed()
        return replace(
            timed,
            stage=stage,
            total=total,
            step=self.step if is_same else 0,
            written=self.written if is_same else 0,
            eta_seconds=None,
            stage_since=self.stage_since if is_same else time.monotonic(),
            counted_since=None,
        )

    def _with_notices(self, notices: Iterable[domain.Notice]) -> AnalysisState:
        return replace(self, notices=(*self.notices, *(notice for notice in notices if notice not in self.notices)))

    def _with_result(self, result: domain.ChunkResult) -> AnalysisState:
        """Add an answer. Answers with other settings, and joins that rest on a replaced part, are dropped."""
        others = [
            other for other in self.results if other.number != result.number and other.settings == result.settings
        ]
        if result.is_chunk and any(other.number == result.number and other != result for other in self.results):
            others = [other for other in others if other.is_chunk]
        answered = replace(self, results=in_order((*others, result)))
        if not result.is_chunk:
            return answered
        done = (answer.number for answer in answered.results if answer.is_chunk and not answer.is_unfinished)
        return answered._with_step("ask", sum(number in self.answers for number in done))

    def _with_survey(self, seconds: float, duration: float | None) -> AnalysisState:
        """Return the state after a progress report of the survey.

        Its speed is measured from the first report: the time before that is the start of the decoder, which would make
        seconds look like minutes for a short video.
        """
        state = replace(self, step=int(seconds), total=max(1, int(duration)) if duration else None)
        return state._with_count(seconds, duration)

    def _answering(self, event: events.AnswerChanged) -> AnalysisState:
        """Return the state after a progress report of the answer, each step of which has a count and speed of its own.

        The time left counts a search or votes alone.
        """
        since = self.counted_since if event.step == self.answer_step else None
        step = event.looked if event.total else 0
        state = replace(
            self, answer_step=event.step, step=step, total=event.total, eta_seconds=None, counted_since=since
        )
        return state._with_count(event.looked, event.total) if event.total else state

    def _with_count(self, done: float, total: float | None) -> AnalysisState:
        if self.counted_since is None:
            return replace(self, counted_since=(time.monotonic(), done))
        since, start = self.counted_since
        return replace(self, eta_seconds=_eta(since, done - start, total - start if total else None))

    def _with_step(self, stage: events.Stage, step: int) -> AnalysisState:
        if self.stage != stage:
            return self
        return replace(self, step=step, eta_seconds=_eta(self.stage_since, step, self.total))


@dataclass(frozen=True)
class AnalysisUpdate:
    """An event of an analysis, and the state after it."""

    event: events.AnalysisEvent
    state: AnalysisState


def updates(events: Iterable[events.AnalysisEvent], state: AnalysisState | None = None) -> Iterator[AnalysisUpdate]:
    """Yield each event with the state after it, by default from the beginning of an analysis."""
    state = state or AnalysisState()
    for event in events:
        state = state.apply(event)
        yield AnalysisUpdate(event, state)


def _eta(since: float, done: float, total: float | None) -> float | None:
    """Return the seconds left at the speed since `since` (`time.monotonic()`); None in the first half second."""
    elapsed = time.monotonic() - since
    return seconds_left(elapsed, done, total) if total and elapsed > _LEAST_ETA_SECONDS else None


def in_order(results: Iterable[domain.ChunkResult]) -> tuple[domain.ChunkResult, ...]:
    """Sort answers by their numbers: intermediate summaries, the summary, the parts."""
    return tuple(sorted(results, key=lambda result: result.number))
