"""What a run took is remembered as it goes by, and the run goes by unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.analysis.run_stats import noted
from app.analysis.task import Done, Task
from app.core.domain import (
    AnalysisEvent,
    AnalysisRequest,
    ChunkDone,
    ChunkResult,
    FactsMeasured,
    Finished,
    KeyframesChosen,
    Layout,
    Selection,
    StageStarted,
    SurveyProgress,
)
from app.core.errors import EngineError
from app.store.timing_stats import SurveyTiming, TimingStats
from tests.reports.test_reports import analysis

LAYOUT = Layout(448, 2, 4, 150.0, True, ((1, 2), (3, 4)))
TASK = Task(AnalysisRequest(Path("/v/clip.mp4")), "job")


def results() -> tuple[ChunkResult, ...]:
    (first,) = analysis().chunks
    return replace(first, key="a"), replace(first, number=3, frames=(3, 4), key="b"), replace(first, number=0, key="c")


def run(*answers: ChunkResult, is_read: bool = True, selection: Selection | None = None) -> Iterator[AnalysisEvent]:
    yield StageStarted("survey")
    if is_read:
        yield SurveyProgress(1.0, 9.0)
    yield KeyframesChosen(analysis().keyframes, analysis().decode)
    yield from map(FactsMeasured, analysis().facts)
    yield from map(ChunkDone, answers)
    request = AnalysisRequest(Path("/v/clip.mp4"), selection=selection or Selection())
    yield Finished(analysis(layout=LAYOUT, request=request))


@pytest.fixture
def paces(tmp_path: Path) -> TimingStats:
    return TimingStats(tmp_path / "paces.json")


def test_run_is_timed_by_request_kind_and_forwarded(paces: TimingStats) -> None:
    assert list(noted(run(*results()), TASK, paces, "e")) == list(run(*results()))
    known = paces.of("e")
    assert [(one.requests, one.frames) for one in known.runs[0]] == [(1, 2), (1, 2), (1, 0)]
    assert (known.in_flight, known.max_model_len) == (4, 4096)
    (survey,) = known.surveys
    assert replace(survey, facts_seconds=0.0) == SurveyTiming(9.0, 0.2304, 1.0, 2, 0.0)


def test_what_was_answered_before_a_resume_is_not_counted_again(paces: TimingStats) -> None:
    first, second, summary = results()
    task = replace(TASK, done=Done(LAYOUT, (first,)))
    list(noted(run(first, second, summary), task, paces, "e"))
    assert sum(one.requests for one in paces.of("e").runs[0]) == 2


def test_recalled_answers_and_recalled_surveys_tell_nothing(paces: TimingStats) -> None:
    recalled = [replace(one, recalled=True) for one in results()]
    list(noted(run(*recalled, is_read=False), TASK, paces, "e"))
    assert (paces.of("e").runs, paces.of("e").surveys) == ((), ())


def test_of_a_part_of_a_video_that_part_counts(paces: TimingStats) -> None:
    list(noted(run(selection=Selection(start_seconds=3.0, end_seconds=5.0)), TASK, paces, "e"))
    assert paces.of("e").surveys[0].video_seconds == 2.0


def test_failed_run_raises_and_records_no_timing(paces: TimingStats) -> None:
    def failing() -> Iterator[AnalysisEvent]:
        yield StageStarted("survey")
        raise EngineError("engine_timeout", base_url="x")

    with pytest.raises(EngineError):
        list(noted(failing(), TASK, paces, "e"))
    assert paces.of("e").runs == ()
